"""Sparkplug edge nodes as the Plant page shows them: which are there, which died, and what they lack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from linewright.console.words import Mark, Tone, moment
from plant.clock import instant

_STATES: Final = {
    "online": Mark(word="Online", tone=Tone.OK, hint="born, and its data is in order"),
    "stale": Mark(word="Stale", tone=Tone.WARN, hint="it said that it is dead; its values are the last before that"),
    "awaited": Mark(word="Awaited", tone=Tone.WARN, hint="its birth was asked for and has not come"),
}
DEVICES_NAMED: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeNodeRow:
    """One edge node."""

    name: str
    state: Mark
    since: str
    devices: str
    away: str
    """Devices that are not online, by name; empty where all are."""
    gaps: str
    """Missing sequence numbers since ingest began."""
    rebirths: str


def edge_node_rows(links: Sequence[Mapping[str, Any]], *, timezone: str, now: datetime) -> tuple[EdgeNodeRow, ...]:
    """A row per edge node of every link, those that are not well first.

    Args:
        links: What ingest said of its links.
        timezone: Of the plant.
        now: Plant time.
    """
    nodes = [node for link in links for node in (link.get("sparkplug") or {}).get("nodes", ())]
    nodes.sort(key=lambda node: (node["state"] == "online" and not node["devices_not_online"], node["node"]))
    return tuple(_row(node, timezone=timezone, now=now) for node in nodes)


def _row(node: Mapping[str, Any], *, timezone: str, now: datetime) -> EdgeNodeRow:
    away = node["devices_not_online"]
    more = f" and {len(away) - DEVICES_NAMED} more" if len(away) > DEVICES_NAMED else ""
    at_us = node["died_at_us"] if node["state"] == "stale" else node["born_at_us"]
    return EdgeNodeRow(
        name=node["node"],
        state=_STATES.get(node["state"], Mark(word=str(node["state"]), tone=Tone.MUTED)),
        since="" if at_us is None else moment(instant(at_us), timezone=timezone, now=now),
        devices=f"{node['devices'] - len(away)} of {node['devices']}",
        away=", ".join(away[:DEVICES_NAMED]) + more,
        gaps=str(node["gaps"]),
        rebirths=str(node["rebirths"]),
    )
