"""What the environment sets on top of the file: `LINEWRIGHT_BROKER__HOST=mqtt` is `host` in `[broker]`."""

import tomllib
from collections.abc import Mapping
from typing import Any, Final

from linewright.settings.toml import Path, key_path
from plant.errors import Fault

PREFIX: Final = "LINEWRIGHT_"
SEPARATOR: Final = "__"
SECRETS: Final[dict[Path, str]] = {
    ("broker", "password"): "password_file",
    ("webhook", "secret"): "secret_file",
    ("influx", "token"): "token_file",
    ("records", "password"): "password_file",
}
"""Keys that only the environment may hold, with the key that names a file instead."""


FURTHER_BROKERS: Final[Path] = ("ingest", "brokers")


def is_secret(path: Path) -> bool:
    """Whether only the environment may hold a key.

    >>> is_secret(("broker", "password")), is_secret(("ingest", "brokers", 1, "password")), is_secret(("a", "b"))
    (True, True, False)
    """
    return path in SECRETS or (path[:2] == FURTHER_BROKERS and path[3:] == ("password",))


def variable(path: Path) -> str:
    """The variable that sets a key.

    >>> variable(("broker", "password"))
    'LINEWRIGHT_BROKER__PASSWORD'
    """
    return PREFIX + SEPARATOR.join(str(part).upper() for part in path)


def overrides(environ: Mapping[str, str]) -> dict[Path, Any]:
    """What the environment sets, by key path; numbers in a path are array indices.

    A value in brackets or braces is read as TOML, any other as text, which the settings turn into numbers and the like.
    Variables without `__` are none of the configuration's.
    """
    found: dict[Path, Any] = {}
    for name, value in sorted(environ.items()):
        parts = name.removeprefix(PREFIX).lower().split(SEPARATOR)
        if name.startswith(PREFIX) and len(parts) > 1 and all(parts):
            path = tuple(int(part) if part.isdecimal() else part for part in parts)
            found[path] = _value(value)
    return found


def apply(values: dict[str, Any], changes: Mapping[Path, Any], *, file: str) -> tuple[Fault, ...]:
    """Put overrides into the values, in place; faults where the file holds a secret or an override finds no place."""
    faults: list[Fault] = []
    for path, instead in [*SECRETS.items(), *_further_passwords(values)]:
        section: Any = values
        for part in path[:-1]:
            section = section.get(part) if isinstance(section, dict) else section[int(part)]
        if isinstance(section, dict) and path[-1] in section:
            del section[str(path[-1])]
            expected = (
                f"keep secrets out of the file: set {variable(path)} in the environment, "
                f"or name a file with `{instead}`"
            )
            faults.append(Fault(where=f"{file}: {key_path(path)}", found="a secret in plain text", expected=expected))
    for path, value in changes.items():
        place: Any = values
        for part in path[:-1]:
            if isinstance(place, dict) and isinstance(part, str):
                place.setdefault(part, {})
            place = place[part] if _fits(place, part) else None
        last = path[-1]
        if _fits(place, last):
            place[last] = value
        else:
            found = "the secret" if is_secret(path) else repr(value)
            expected = f"there is no place {key_path(path)} to set; correct the variable's name or unset it"
            faults.append(Fault(where=f"environment {variable(path)}", found=found, expected=expected))
    return tuple(faults)


def _further_passwords(values: dict[str, Any]) -> list[tuple[Path, str]]:
    """Where the passwords of further brokers would stand."""
    section = values.get("ingest")
    brokers = section.get("brokers") if isinstance(section, dict) else None
    count = len(brokers) if isinstance(brokers, list) else 0
    return [((*FURTHER_BROKERS, index, "password"), "password_file") for index in range(count)]


def _fits(place: Any, part: str | int) -> bool:
    """Whether a table or array can take this key or index."""
    if isinstance(place, dict):
        return isinstance(part, str)
    return isinstance(place, list) and isinstance(part, int) and part < len(place)


def _value(text: str) -> Any:
    if text[:1] in ("[", "{"):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text
