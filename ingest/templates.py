"""Templates of topics and machine names: text with placeholders such as `{line}`."""

import string

PLACEHOLDERS = ("enterprise", "site", "area", "line", "machine")
"""Names that a topic template may hold, each filling one whole level of the topic."""


def placeholders(template: str) -> tuple[str, ...]:
    """Names of the placeholders in a template, in order.

    >>> placeholders("{line}-{machine}")
    ('line', 'machine')
    """
    return tuple(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


def template_faults(template: str) -> list[str]:
    """What is wrong with a topic template, a sentence each."""
    faults = []
    levels = template.split("/")
    for index, level in enumerate(levels):
        try:
            names = placeholders(level)
        except ValueError:
            faults.append(f"topic level {level!r} has an unmatched brace")
            continue
        if names and (level != "{" + names[0] + "}" or names[0] not in PLACEHOLDERS):
            faults.append(f"topic level {level!r} must be a whole placeholder, one of {', '.join(PLACEHOLDERS)}")
        if "+" in level and level != "+":
            faults.append(f"topic level {level!r}: `+` must stand alone in its level")
        if "#" in level and (level != "#" or index != len(levels) - 1):
            faults.append(f"topic level {level!r}: `#` must stand alone in the last level")
    return faults


def name_faults(topic: str, machine: str, *, told_by_messages: bool) -> list[str]:
    """What is wrong with how a machine is named; messages of some formats tell what the topic does not."""
    try:
        known, used = placeholders(topic), placeholders(machine)
    except ValueError:
        return [f"machine {machine!r} or topic {topic!r} has an unmatched brace"]
    return [
        f"machine {machine!r} uses {{{name}}}, which the topic {topic!r} does not hold"
        for name in used
        if name not in known and not (told_by_messages and name)
    ]
