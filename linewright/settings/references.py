"""Names that must be there, and names that must not be there twice.

Works on the values as written, before they are validated, so that a slip in one place does not hide those in others.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from ingest.broker_settings import MAIN
from linewright.settings.toml import Path, key_path
from linewright.settings.words import closest, shown
from plant.assets import SignalRole

Finding = tuple[Path, str, str]
"""Where, what was found, what would be right."""

SINGLE_ROLES = tuple(
    role.value for role in SignalRole if role not in (SignalRole.CONDITION, SignalRole.SETTING, SignalRole.NONE)
)


def reference_faults(values: dict[str, Any]) -> list[Finding]:
    """Every unknown and every doubled name in a configuration."""
    classes = _names(values, "plant", "classes")
    lines = _names(values, "plant", "lines")
    products = _names(values, "production", "products")
    faults: list[Finding] = []
    for section, array, key in (
        ("plant", "classes", "name"),
        ("plant", "lines", "name"),
        ("production", "products", "name"),
        ("demand", "orders", "number"),
        ("calendar", "shifts", "name"),
    ):
        faults += _doubled([(path, row.get(key)) for path, row in rows(values, section, array)], key=key)
    faults += _plant_faults(values, classes=classes)
    faults += _doubled(
        [
            (path, f"{row.get('line')} makes {row.get('product')}")
            for path, row in rows(values, "production", "capabilities")
        ],
        key="product",
    )
    for path, row in rows(values, "production", "capabilities"):
        faults += _unknown((*path, "line"), row.get("line"), lines, kind="line", place="plant.lines")
        faults += _unknown(
            (*path, "product"), row.get("product"), products, kind="product", place="production.products"
        )
    families = {str(row["family"]) for _, row in rows(values, "production", "products") if row.get("family")}
    for key, fields in (("changeovers", ("before", "after")), ("set_up_for", ("family",))):
        for path, row in rows(values, "production", key):
            faults += _unknown((*path, "line"), row.get("line"), lines, kind="line", place="plant.lines")
            for field in fields:
                faults += _unknown((*path, field), row.get(field), families, kind="family", place="production.products")
    for path, row in rows(values, "production", "products"):
        parts = row.get("components")
        for index, part in enumerate(parts if isinstance(parts, list) else []):
            component = part.get("product") if isinstance(part, dict) else None
            place = (*path, "components", index, "product")
            faults += _unknown(place, component, products, kind="product", place="production.products")
        if row.get("reworks"):
            faults += _unknown(
                (*path, "reworks"), row["reworks"], products, kind="product", place="production.products"
            )
    for path, row in rows(values, "demand", "orders"):
        faults += _unknown(
            (*path, "product"), row.get("product"), products, kind="product", place="production.products"
        )
    stock = _section(values, "demand").get("stock")
    for product in stock if isinstance(stock, dict) else ():
        path = ("demand", "stock", product)
        faults += _unknown(path, product, products, kind="product", place="production.products")
    for path, row in rows(values, "calendar", "closures"):
        if row.get("line"):
            faults += _unknown((*path, "line"), row["line"], lines, kind="line", place="plant.lines")
    faults += _doubled([(path, row.get("line")) for path, row in rows(values, "calendar", "overtime")], key="line")
    for path, row in rows(values, "calendar", "overtime"):
        faults += _unknown((*path, "line"), row.get("line"), lines, kind="line", place="plant.lines")
    return faults + _mapping_faults(values, classes=classes)


def rows(values: dict[str, Any], section: str, array: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The tables of an array with their paths, as far as they are tables."""
    found = _section(values, section).get(array)
    for index, row in enumerate(found if isinstance(found, list) else []):
        if isinstance(row, dict):
            yield (section, array, index), row


def signals_of(values: dict[str, Any], machine_class: str) -> set[str]:
    """Names of the signals of a class, or of all classes where the name is empty."""
    names: set[str] = set()
    for _, row in rows(values, "plant", "signals"):
        classes = row.get("classes")
        if not machine_class or not classes or (isinstance(classes, list) and machine_class in classes):
            names.add(str(row.get("name")))
    return names


def machines_of(values: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """All machines with their paths."""
    for path, line in rows(values, "plant", "lines"):
        machines = line.get("machines")
        for index, machine in enumerate(machines if isinstance(machines, list) else []):
            if isinstance(machine, dict):
                yield (*path, "machines", index), machine


def _plant_faults(values: dict[str, Any], *, classes: Collection[str]) -> list[Finding]:
    faults: list[Finding] = []
    machines = list(machines_of(values))
    faults += _doubled([(path, row.get("name")) for path, row in machines], key="name", same=str.lower)
    for path, row in machines:
        faults += _unknown((*path, "class"), row.get("class"), classes, kind="machine class", place="plant.classes")
    signals = list(rows(values, "plant", "signals"))
    for path, row in signals:
        named = row.get("classes")
        for index, name in enumerate(named if isinstance(named, list) else []):
            place = (*path, "classes", index)
            faults += _unknown(place, name, classes, kind="machine class", place="plant.classes")
    for path, machine_class in rows(values, "plant", "classes"):
        name = machine_class.get("name")
        own = [(p, r) for p, r in signals if not r.get("classes") or name in r["classes"]]
        if not own:
            faults.append((path, f"the class {name!r} without signals", "give it some in plant.signals"))
        faults += [f for f in _doubled([(p, r.get("name")) for p, r in own], key="name") if f not in faults]
        roles = [(p, r.get("role")) for p, r in own if r.get("role") in SINGLE_ROLES]
        faults += [f for f in _doubled(roles, key="role") if f not in faults]
    return faults


def _mapping_faults(values: dict[str, Any], *, classes: Collection[str]) -> list[Finding]:
    faults: list[Finding] = []
    mappings = list(rows(values, "ingest", "mappings"))
    for path, row in mappings:
        name = row.get("machine_class")
        if name:
            faults += _unknown((*path, "machine_class"), name, classes, kind="machine class", place="plant.classes")
        known = signals_of(values, str(name) if name in classes else "")
        for table in ("fields", "units"):
            signals = row.get(table)
            for signal in signals if isinstance(signals, dict) else ():
                faults += _unknown((*path, table, signal), signal, known, kind="signal", place="plant.signals")
    keys = [
        (path, f"{row.get('topic')} for class {row.get('machine_class') or 'any'}{_at(row.get('broker'))}")
        for path, row in mappings
    ]
    return faults + _doubled(keys, key="topic")


def _at(broker: Any) -> str:
    return "" if broker in (None, MAIN) else f" at {broker}"


def _names(values: dict[str, Any], section: str, array: str) -> list[str]:
    return [str(row.get("name")) for _, row in rows(values, section, array)]


def _section(values: dict[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _unknown(path: Path, value: Any, known: Collection[str], *, kind: str, place: str) -> list[Finding]:
    if not isinstance(value, str) or value in known:
        return []  # what is missing or no text is a fault of its own
    hint = closest(value, known) or (f"; there are {', '.join(list(known)[:12])}" if known else "")
    return [(path, shown(value), f"no {kind} of that name in {place}{hint}")]


def _doubled(named: list[tuple[Path, Any]], *, key: str, same: Callable[[str], str] = str) -> list[Finding]:
    first: dict[str, tuple[Path, str]] = {}
    faults: list[Finding] = []
    for path, value in named:
        if not isinstance(value, str):
            continue
        if (earlier := first.get(same(value))) is None:
            first[same(value)] = (path, value)
            continue
        but = "" if earlier[1] == value else f" as {earlier[1]!r}, and names must differ in more than capitals"
        faults.append(((*path, key), shown(value), f"is already at {key_path(earlier[0])}{but}; give each its own"))
    return faults
