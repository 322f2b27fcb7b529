"""Configuration proposed for topics that no mapping serves, to read, correct and paste into linewright.toml."""

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ingest.settings import MessageFormat, TimeUnit
from ingest.shapes import SeenField, Shape, shape_of
from ingest.sparkplug.proposal import Born, born_groups
from ingest.survey import SeenTopic
from plant.assets import Plant, SignalKind

LIKE: Final = 0.75
"""Names at least so alike are proposed as the same thing (ratio of matching letters)."""
_MEANINGS: Final = {
    "temp": "temperature",
    "vib": "vibration",
    "curr|amp": "current",
    "volt": "voltage",
    "energy|kwh": "energy",
    "power|kw|watt": "power",
    "press|bar": "pressure",
    "flow": "flow",
    "rpm|speed": "speed",
    "torque": "torque",
    "count|parts|pieces|total": "count",
    "ratio|percent|pct": "ratio",
}
"""What a name suggests that a field measures."""


@dataclass(kw_only=True, slots=True)
class _Group:
    """Topics that one mapping could serve."""

    template: str
    machine: str
    shape: Shape
    topics: list[str] = field(default_factory=list)
    messages: int = 0
    fields: dict[str, SeenField] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)
    """Machines that the plant does not name."""


def propose(topics: Mapping[str, SeenTopic], *, plant: Plant, mapped: Collection[str] = ()) -> str:
    """TOML for the topics: mappings, signals that are missing, and comments on what only a person can decide.

    Args:
        topics: What no mapping serves, or only in part.
        plant: The machines and signals of now.
        mapped: Topic templates that have a mapping; for these, only what it lacks is told.
    """
    groups: dict[tuple[object, ...], _Group] = {}
    unreadable: list[str] = []
    of_edge_nodes = {topic: seen.samples for topic, seen in sorted(topics.items()) if topic.startswith("spBv1.0/")}
    born = born_groups(of_edge_nodes, known=plant.machine_index)
    for of_group in born:
        if of_group.fields:
            groups[of_group.template,] = _born(of_group, topics, plant)
    for topic, seen in sorted(topics.items()):
        if topic in of_edge_nodes:
            continue
        shape = shape_of(seen.samples)
        if shape is None:
            unreadable.append(topic)
            continue
        group = _placed(topic, shape, plant)
        known = groups.setdefault((group.template, group.machine, shape.format, shape.time_field, shape.samples), group)
        known.topics.append(topic)
        known.messages += seen.messages
        known.classes |= group.classes
        known.strangers |= group.strangers
        for name, each in group.fields.items():
            known.fields.setdefault(name, each).kinds |= each.kinds
    parts = [
        _addition(group, plant) if group.template in mapped else _mapping(group, plant) for group in groups.values()
    ]
    parts += [_unborn(of_group) for of_group in born if of_group.unborn]
    parts += [
        f"# {_comment(topic)}: messages in a format that is not known; they stay in quarantine." for topic in unreadable
    ]
    return "\n\n".join(parts) + "\n" if parts else ""


def _born(each: Born, topics: Mapping[str, SeenTopic], plant: Plant) -> _Group:
    """What the births of a Sparkplug group describe."""
    return _Group(
        template=each.template,
        machine=each.machine,
        shape=Shape(format=MessageFormat.SPARKPLUG),
        topics=each.topics,
        messages=sum(topics[topic].messages for topic in each.topics),
        fields=each.fields,
        classes={plant.machine_index[machine].machine_class for machine in each.machines},
        strangers=each.strangers,
    )


def _unborn(group: Born) -> str:
    """What to do about edge nodes that sent data and no birth."""
    names = ", ".join(_comment(node) for node in sorted(group.unborn)[:20])
    return (
        f"# {_comment(group.template)}: no birth was heard of {names}; it would tell the names.\n"
        "# Have it sent (`Node Control/Rebirth`) while discover listens, or map the group: ingest then asks by itself."
    )


def _placed(topic: str, shape: Shape, plant: Plant) -> _Group:
    """The template that the topic of a message suggests, and the machine it speaks of."""
    levels = topic.split("/")
    tag = ""
    if shape.format is MessageFormat.UNS:
        contract = next((index for index, level in enumerate(levels) if level.startswith("_")), None)
        cut = max(1, len(levels) - 1) if contract is None else contract + 1
        levels, tag = levels[:cut], "/".join(levels[cut:])
    lines = {line.name for line in plant.lines}
    areas = {line.area for line in plant.lines}
    template, machine, found = [], "{machine}", ""
    for level in levels:
        if level in plant.machine_index and not found:
            found = level
            template.append("{machine}")
        elif level in lines and "{line}" not in template:
            template.append("{line}")
        elif level in areas and "{area}" not in template:
            template.append("{area}")
        else:
            names = {plant.enterprise: "{enterprise}", plant.site: "{site}"}
            template.append(names.get(level, level) if names.get(level) not in template else level)
    if not found and "{line}" in template:
        line = levels[template.index("{line}")]
        for index, level in enumerate(levels):
            if f"{line}-{level}" in plant.machine_index:
                found, machine, template[index] = f"{line}-{level}", "{line}-{machine}", "{machine}"
                break
    strangers: set[str] = set()
    if not found and shape.format in (MessageFormat.LINE, MessageFormat.OPCUA) and shape.tags:
        name = next((key for key, value in shape.tags.items() if value in plant.machine_index), "")
        found = shape.tags.get(name, "")
        machine = "{" + (name or ("writer" if "writer" in shape.tags else next(iter(shape.tags)))) + "}"
        strangers = set() if found else {shape.tags[machine[1:-1]]}
    elif not found:
        index = _likely_machine(template)
        strangers, template[index] = {levels[index]}, "{machine}"
    path = "/".join(template) + ("/#" if shape.format is MessageFormat.UNS else "")
    classes = {plant.machine_index[found].machine_class} if found else set()
    fields = {(f"{tag}/{name}" if name else tag) if tag else name: each for name, each in shape.fields.items()}
    return _Group(template=path, machine=machine, shape=shape, fields=fields, classes=classes, strangers=strangers)


def _likely_machine(template: Sequence[str]) -> int:
    """The level after the line's, else the last but one that is literal, else the last."""
    if "{line}" in template and template.index("{line}") + 1 < len(template):
        return template.index("{line}") + 1
    literal = [index for index, level in enumerate(template) if not level.startswith(("{", "_"))]
    if not literal:
        return len(template) - 1
    return literal[-2] if len(literal) > 1 else literal[-1]


def _mapping(group: _Group, plant: Plant) -> str:
    shape = group.shape
    lines = [f"# {group.messages} messages on {len(group.topics)} topics, such as {_comment(group.topics[0])}"]
    if group.strangers:
        names = ", ".join(_comment(json.dumps(name)) for name in sorted(group.strangers)[:20])
        lines += [
            f"# The plant does not name these machines: {names}. Add each to its line in [[plant.lines]], e.g.",
            f'#   machines = [{{ name = {_comment(json.dumps(min(group.strangers)))}, class = "press" }}]',
        ]
    lines += ["[[ingest.mappings]]", f"topic = {_text(group.template)}", f"machine = {_text(group.machine)}"]
    if shape.format is not MessageFormat.JSON:
        lines.append(f"format = {_text(shape.format.value)}")
    if shape.format in (MessageFormat.JSON, MessageFormat.UNS):
        if shape.time_unit is TimeUnit.NONE:
            lines += ['time_unit = "none" # no field looks like a device time', 'time_field = ""']
        else:
            lines += [f"time_field = {_text(shape.time_field)}", f"time_unit = {_text(shape.time_unit.value)}"]
    if shape.samples:
        lines.append(f"samples = {_text(shape.samples)}")
    if shape.name_field:
        lines += [f"name_field = {_text(shape.name_field)}", f"value_field = {_text(shape.value_field)}"]
    matched, missing = _matched(group, plant)
    pairs = ", ".join(f"{signal} = {_text(name)}" for signal, name in matched.items() if signal != name)
    if pairs:
        lines.append(f"fields = {{ {pairs} }}")
    drifting = [name for name, each in group.fields.items() if len(each.kinds) > 1]
    lines += [f"# {_comment(name)} comes as {' and '.join(sorted(group.fields[name].kinds))}" for name in drifting]
    return "\n".join(lines + _signals(missing, group))


def _addition(group: _Group, plant: Plant) -> str:
    """What the mapping that is there for these topics lacks, as comments: a topic is mapped once."""
    matched, missing = _matched(group, plant)
    pairs = ", ".join(f"{signal} = {_text(name)}" for signal, name in matched.items() if signal != name)
    lines = [
        f"# {group.messages} messages on {len(group.topics)} topics, such as {_comment(group.topics[0])}, do not fit",
        f"# the mapping that is there for {_comment(group.template)}; `linewright quarantine list` says why.",
    ]
    lines += [f"# It could have: fields = {{ {pairs} }}"] if pairs else []
    return "\n".join(lines + _signals(missing, group))


def _matched(group: _Group, plant: Plant) -> tuple[dict[str, str], dict[str, SeenField]]:
    """Signal = field where they fit by name and type; and the fields that no signal fits."""
    signals = {signal.name: signal for each in plant.classes if each.name in group.classes for signal in each.signals}
    matched: dict[str, str] = {}
    missing: dict[str, SeenField] = {}
    for name, seen in group.fields.items():
        text = "text" in seen.kinds
        fitting = [
            each for each, signal in signals.items()
            if each not in matched and (signal.kind in (SignalKind.STATE, SignalKind.EVENT)) is text
        ]  # fmt: skip
        plain = _column(name)
        best = max(fitting, key=lambda each: (_alike(plain, each), each), default="")
        if best and _alike(plain, best) >= LIKE:
            matched[best] = name
        else:
            missing[name] = seen
    return matched, missing


def _signals(missing: Mapping[str, SeenField], group: _Group) -> list[str]:
    """Signals for fields that none is there for, commented out: what is kept is a person's decision."""
    if not missing:
        return []
    lines = ["# Fields that no signal takes yet; uncomment what is worth keeping, and correct quantity and unit:"]
    for name, seen in missing.items():
        text = "text" in seen.kinds
        quantity = "state" if text else _quantity(name)
        kind = "state" if text else "counter" if quantity in ("count", "energy") else "gauge"
        classes = f"classes = {json.dumps(sorted(group.classes))}, " if group.classes else ""
        lines += [
            f"# [[plant.signals]] # e.g. {_comment(json.dumps(seen.example))[:60]}",
            f"# name = {_text(_column(name))}",
            f"# field = {_text(name)}",
            *([f"# {classes.removesuffix(', ')}"] if classes else []),
            f'# quantity = "{quantity}"',
            f'# kind = "{kind}"',
        ]
    return lines


def _alike(field_name: str, signal: str) -> float:
    """How alike two names are: 1 where only a unit at the end or levels before differ, 0.9 for a short form."""
    last = field_name.rsplit("__", 1)[-1]
    if field_name == signal or last == signal or (len(last) >= 3 and signal.startswith(f"{last}_")):
        return 1.0
    if len(last) >= 3 and signal.startswith(last):
        return 0.9
    return difflib.SequenceMatcher(None, last, signal).ratio()


def _column(name: str) -> str:
    """A field's name as a signal's: lower-case letters, digits and `_`.

    >>> _column("Motor/OilTemp")
    'motor__oil_temp'
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    levels = [re.sub(r"[^a-z0-9]+", "_", level.lower()).strip("_") for level in re.split(r"[./]", words)]
    column = "__".join(level for level in levels if level)[:60].strip("_")
    return column if column[:1].isalpha() else f"x_{column}".strip("_")


def _quantity(name: str) -> str:
    lower = name.lower()
    return next((meaning for pattern, meaning in _MEANINGS.items() if re.search(pattern, lower)), "dimensionless")


def _text(value: str) -> str:
    """A TOML string."""
    return json.dumps(_comment(value), ensure_ascii=False)


def _comment(text: str) -> str:
    """Text from outside that ends no comment line."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:200])
