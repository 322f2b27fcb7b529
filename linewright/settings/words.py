"""Small wordings shared by the messages about a configuration."""

import difflib
from collections.abc import Iterable
from typing import Any, Final

LONGEST: Final = 60


def closest(value: Any, known: Iterable[str]) -> str:
    """What the author may have meant, as the end of a sentence; empty where nothing is near.

    >>> closest("vibratoin", ["vibration", "current"])
    "; did you mean 'vibration'?"
    """
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(str(value).lower(), list(names), n=1, cutoff=0.6)
    return f"; did you mean {names[found[0]]!r}?" if found else ""


def shown(value: Any) -> str:
    """A found value, shortened.

    >>> shown("x" * 100)[-6:], shown(True), shown({"a": 1})
    ('xxx...', 'true', 'a table')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    text = value.isoformat() if hasattr(value, "isoformat") else repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
