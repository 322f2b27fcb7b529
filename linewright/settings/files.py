"""Files that the configuration names: found beside it, and there."""

from pathlib import Path
from typing import Any, Final

from linewright.settings.toml import Path as KeyPath

FILES: Final[tuple[tuple[str, ...], ...]] = (
    ("broker", "password_file"),
    ("broker", "tls", "ca_file"),
    ("broker", "tls", "certificate_file"),
    ("broker", "tls", "key_file"),
    ("webhook", "secret_file"),
    ("influx", "token_file"),
    ("records", "password_file"),
)


FURTHER: Final = (("password_file",), ("tls", "ca_file"), ("tls", "certificate_file"), ("tls", "key_file"))
"""The same in each of [[ingest.brokers]]."""


def resolve_files(values: dict[str, Any], *, folder: Path) -> None:
    """Make the named files absolute, in place: a relative name means beside the configuration."""
    for path in _paths(values):
        table = _table(values, path)
        if table is not None and isinstance(table.get(path[-1]), str):
            table[path[-1]] = str(folder.absolute() / table[path[-1]])


def file_faults(values: dict[str, Any]) -> list[tuple[KeyPath, str, str]]:
    """Named files that cannot be read, or secrets that are empty."""
    faults: list[tuple[KeyPath, str, str]] = []
    for path in _paths(values):
        table = _table(values, path)
        name = table.get(path[-1]) if table is not None else None
        if not isinstance(name, str):
            continue
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            faults.append((path, repr(name), f"cannot be read ({reason}); name a file that this user may read"))
            continue
        if path[-1] in ("password_file", "secret_file", "token_file") and not text.strip():
            faults.append((path, repr(name), "is empty; its first line must be the secret"))
    return faults


def _paths(values: dict[str, Any]) -> list[KeyPath]:
    section = values.get("ingest")
    brokers = section.get("brokers") if isinstance(section, dict) else None
    count = len(brokers) if isinstance(brokers, list) else 0
    return [*FILES, *(("ingest", "brokers", index, *path) for index in range(count) for path in FURTHER)]


def _table(values: dict[str, Any], path: KeyPath) -> dict[Any, Any] | None:
    table: Any = values
    for key in path[:-1]:
        table = table[key] if isinstance(table, list) and isinstance(key, int) else table
        table = table.get(key) if isinstance(table, dict) and isinstance(key, str) else table
        if not isinstance(table, (dict, list)):
            return None
    return table if isinstance(table, dict) else None
