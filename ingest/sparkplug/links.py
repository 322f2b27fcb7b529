"""Which messages go over which connection: a Sparkplug host has one of its own.

A host connects with a clean session (Sparkplug 3.0.0, [tck-id-message-flow-phid-sparkplug-clean-session-311] and
-50), while all other messages need one that the broker keeps. So a plant with both has two connections to one broker.
Where ingestors share the messages of a broker, the host's connection stays outside of their group.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ingest.broker_settings import MAIN, BrokerSettings
from ingest.settings import IngestSettings, MessageFormat
from plant.errors import Fault

HOST: Final = "sparkplug"
"""Ends the name of a host's connection: `main.sparkplug`."""


class Connection(NamedTuple):
    """One connection, and what it brings."""

    broker: BrokerSettings
    settings: IngestSettings


def connections(ingest: IngestSettings, *, broker: BrokerSettings) -> dict[str, Connection]:
    """Every connection that messages are taken from, by name; the main one first, even where it brings no readings."""
    found: dict[str, Connection] = {}
    brokers: Mapping[str, BrokerSettings] = {MAIN: broker, **{each.name: each for each in ingest.brokers}}
    for name, each in brokers.items():
        mappings = ingest.of_broker(name).mappings
        hosted = tuple(one for one in mappings if one.format is MessageFormat.SPARKPLUG)
        others = tuple(one for one in mappings if one.format is not MessageFormat.SPARKPLUG)
        if others or name == MAIN:
            found[name] = Connection(each, ingest.model_copy(update={"mappings": others}))
        if hosted:
            own = each.model_copy(update={"client_id": f"{each.client_id}-{HOST}", "shared_group": ""})
            found[f"{name}.{HOST}"] = Connection(own, ingest.model_copy(update={"mappings": hosted}))
    return found


def host_faults(settings: IngestSettings, *, broker: BrokerSettings, where: str) -> tuple[Fault, ...]:
    """Why a connection cannot be a Sparkplug host's."""
    hosted = [each for each in settings.mappings if each.format is MessageFormat.SPARKPLUG]
    faults = []
    if hosted and broker.shared_group:
        expected = (
            f"Sparkplug ({hosted[0].topic}) is never shared: an edge node's aliases and sequence numbers would split. "
            "Map it in one instance without shared_group, or edge nodes apart: spBv1.0/<group>/+/<node>/#"
        )
        faults.append(Fault(where=f"{where}.shared_group", found=repr(broker.shared_group), expected=expected))
    if hosted and len(hosted) < len(settings.mappings):
        expected = "a host's session is clean, and other messages need one that is kept: give each its own connection"
        faults.append(Fault(where=where, found="Sparkplug and other mappings on one connection", expected=expected))
    return tuple(faults)
