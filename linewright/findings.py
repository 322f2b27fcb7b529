"""What a check found: the words of `linewright doctor`."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """It runs, but not as it should."""
    FAULT = "fault"
    """It does not run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    level: Level
    sentence: str
    next_step: str = ""
    """What to do; empty where nothing is to be done."""


def ok(check: str, sentence: str) -> Finding:
    """A finding that asks for nothing."""
    return Finding(check=check, level=Level.OK, sentence=sentence)


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "line"), count(3, "line")
    ('1 line', '3 lines')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
