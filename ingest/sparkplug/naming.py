"""From group, edge node, device and metric name to a machine and its signal, once per birth."""

from collections.abc import Callable, Mapping
from enum import Enum
from operator import attrgetter
from typing import NamedTuple

from ingest.decode.contents import Found
from ingest.decode.values import FieldPlan, MessageFault
from ingest.sparkplug.payload import DataType
from ingest.sparkplug.session import Quick, Target
from ingest.sparkplug.values import PLAIN, QUICK


class Passed(Enum):
    """Why a metric leads to no machine without being at fault."""

    UNTOLD = "untold"
    """It tells less than the machine's name is made of, as the edge node's own metrics beside those of its devices."""
    UNWANTED = "unwanted"
    """The mapping says so."""


class Home(NamedTuple):
    """The machine that a metric belongs to."""

    found: Found
    by_folder: bool
    """Whether the machine is named by the metric's folder, so that only the rest of the name is the signal's."""


Finder = Callable[[Mapping[str, str]], Home | Passed | MessageFault]
"""Finds the machine by what a metric tells: group, node, device and folder."""
CONTROLS = ("Node Control/", "Device Control/")
"""Metrics that are commands to the edge. Source: Sparkplug 3.0.0, 6.4.23."""
BIRTH_NUMBER = "bdSeq"


def target_of(name: str, datatype: int, *, told: Mapping[str, str], find: Finder) -> Target:
    """Where the values of a metric go.

    Args:
        name: As its birth gives it.
        datatype: As its birth gives it.
        told: `group`, `node`, and `device` where there is one.
        find: The mapping's way to the machine.
    """
    plain = PLAIN.get(datatype, "")
    if name == BIRTH_NUMBER or name.startswith(CONTROLS):
        return Target(name, datatype, plain, None, -1, None)
    folder, _, last = name.rpartition("/")
    home = find({**told, "folder": folder} if folder else told)
    if isinstance(home, Passed):
        return Target(name, datatype, plain, None, -1, None, noted=home is Passed.UNTOLD)
    if isinstance(home, MessageFault):
        return Target(name, datatype, plain, None, -1, None, (home.reason, home.detail))
    plan = home.found.plan
    position = plan.names.get(last if home.by_folder else name)
    if position is None:
        return Target(name, datatype, plain, home.found, -1, None, noted=True)
    field = plan.fields[position]
    return Target(name, datatype, plain, home.found, position, field, quick=_quick(datatype, field))


def _quick(datatype: int, field: FieldPlan) -> Quick | None:
    if datatype not in QUICK:
        return None
    name, limit = QUICK[datatype]
    if (name == "string_value") is not field.text:
        return None
    states = (field.states or {}) if field.text else None
    return Quick(attrgetter(name), limit, field.factor, field.offset, states)


def table_name(machines: Mapping[str, str], told: Mapping[str, str]) -> str | None:
    """The machine that a mapping's table names for a device or an edge node; None where it names none.

    >>> table_name({"L1/press": "L1-press"}, {"group": "acme", "node": "L1", "device": "press"})
    'L1-press'
    """
    path = f"{told['node']}/{told['device']}" if told.get("device") else told["node"]
    named = machines.get(f"{told['group']}/{path}")
    return machines.get(path) if named is None else named


def is_structure(datatype: int) -> bool:
    """Whether values of a type are made of others, so that no signal can take them."""
    return DataType.DATASET <= datatype <= DataType.DATETIME_ARRAY
