"""Units and message fields that signals state for themselves, carried over to the mappings that decode them."""

from ingest.settings import IngestSettings, MappingSettings
from linewright.settings.plant import PlantPart, SignalPart
from linewright.settings.toml import Path
from plant.quantities import UNITS


def completed(ingest: IngestSettings, plant: PlantPart) -> tuple[IngestSettings, list[tuple[Path, str, str]]]:
    """The settings with each mapping's fields and units filled up from the signals; its own entries win.

    Also finds units that do not measure what the signal does, and signals that mean different things in the classes
    that one mapping serves.
    """
    faults: list[tuple[Path, str, str]] = []
    mappings: list[MappingSettings] = []
    for index, mapping in enumerate(ingest.mappings):
        where: Path = ("ingest", "mappings", index)
        fields: dict[str, str] = {}
        units: dict[str, str] = {}
        for position, signal in enumerate(plant.signals):
            if mapping.machine_class and signal.classes and mapping.machine_class not in signal.classes:
                continue
            for table, own, value in (("field", fields, signal.field), ("unit", units, signal.unit)):
                taken = mapping.fields if table == "field" else mapping.units
                if signal.name in taken or own.get(signal.name, value) == value:
                    own.setdefault(signal.name, value)
                    continue
                faults.append(
                    (
                        ("plant", "signals", position, table),
                        repr(value),
                        f"another class writes {own[signal.name]!r}; give each class its own [[ingest.mappings]]",
                    )
                )
            faults += _wrong_unit((*where, "units", signal.name), mapping.units.get(signal.name), signal)
        mappings.append(
            mapping.model_copy(
                update={
                    "fields": {**{name: path for name, path in fields.items() if path}, **mapping.fields},
                    "units": {**{name: unit for name, unit in units.items() if unit}, **mapping.units},
                }
            )
        )
    return ingest.model_copy(update={"mappings": tuple(mappings)}), faults


def _wrong_unit(where: Path, unit: str | None, signal: SignalPart) -> list[tuple[Path, str, str]]:
    if unit is None or UNITS[unit][0] is signal.quantity:
        return []
    fitting = ", ".join(name for name, (quantity, _, _) in UNITS.items() if quantity is signal.quantity)
    return [(where, repr(unit), f"does not measure {signal.quantity.name.lower()}; use one of {fitting}")]
