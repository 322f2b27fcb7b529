"""Reading TOML so that every value can be found again by its line.

The standard library's parser says nothing of positions, so a second, much simpler pass over the text, which the first
has already found valid, notes where each key and each array item begins.
"""

import tomllib
from dataclasses import dataclass
from typing import Any, Final

Path = tuple[str | int, ...]
"""Where a value is in a document: keys and array indices from the top."""

_BARE_END: Final = frozenset(" \t\r\n.=]}#,")


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A parsed TOML text with the lines of its parts."""

    values: dict[str, Any]
    lines: dict[Path, int]
    """First line of each key, table and array item, from 1."""

    def line(self, path: Path) -> int | None:
        """Line of a value, or of the nearest part around it that is written down."""
        for length in range(len(path), 0, -1):
            if (found := self.lines.get(path[:length])) is not None:
                return found
        return None


def read_toml(text: str) -> Document:
    """Parse a TOML text.

    Raises:
        tomllib.TOMLDecodeError: The text is not TOML; says line and column.

    >>> document = read_toml('[broker]\\nhost = "mqtt"\\n[[lines]]\\nname = "L1"\\n')
    >>> document.line(("broker", "host")), document.line(("lines", 0, "name")), document.line(("lines", 0, "label"))
    (2, 4, 3)
    """
    values = tomllib.loads(text)
    return Document(values=values, lines=_Positions(text.replace("\r\n", "\n")).lines())


def key_path(path: Path) -> str:
    """A path as people write it.

    >>> key_path(("plant", "lines", 0, "machines", 2, "class"))
    'plant.lines[0].machines[2].class'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def path_of(text: str) -> Path:
    """The path that people wrote.

    >>> path_of("ingest.mappings[1].units.power_kw")
    ('ingest', 'mappings', 1, 'units', 'power_kw')
    """
    parts = text.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdecimal() else part for part in parts)


class _Positions:
    """One pass over a valid text; the state is how far it has come."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._lines: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}  # arrays of tables: how many so far

    def lines(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _header(self) -> Path:
        double = self._text.startswith("[[", self._at)
        self._at += 2 if double else 1
        keys = self._keys()
        self._at += 2 if double else 1
        path: Path = ()
        for index, key in enumerate(keys):
            path = (*path, key)
            if double and index == len(keys) - 1:
                self._tables[path] = self._tables.get(path, 0) + 1
            self._lines.setdefault(path, self._line)
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
        self._lines.setdefault(path, self._line)
        return path

    def _pair(self, table: Path) -> None:
        path = table
        for key in self._keys():
            path = (*path, key)
            self._lines.setdefault(path, self._line)
        self._at += 1  # the equals sign
        self._skip()
        self._value(path)

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._blanks()
            if self._text[self._at] in "\"'":
                begin = self._at
                self._string()
                keys.append(next(iter(tomllib.loads(f"{self._text[begin : self._at]} = 0"))))
            else:
                begin = self._at
                while self._text[self._at] not in _BARE_END:
                    self._at += 1
                keys.append(self._text[begin : self._at])
            self._blanks()
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _value(self, path: Path) -> None:
        sign = self._text[self._at]
        if sign in "\"'":
            self._string()
        elif sign == "[":
            self._items(path)
        elif sign == "{":
            self._at += 1
            self._skip()
            while self._text[self._at] != "}":
                self._pair(path)
                self._skip()
                if self._text[self._at] == ",":
                    self._at += 1
                    self._skip()
            self._at += 1
        else:
            while self._at < len(self._text) and self._text[self._at] not in "\n,]}#":
                self._at += 1

    def _items(self, path: Path) -> None:
        self._at += 1
        index = 0
        self._skip()
        while self._text[self._at] != "]":
            self._lines.setdefault((*path, index), self._line)
            self._value((*path, index))
            index += 1
            self._skip()
            if self._text[self._at] == ",":
                self._at += 1
                self._skip()
        self._at += 1

    def _string(self) -> None:
        sign = self._text[self._at]
        quote = sign * 3 if self._text.startswith(sign * 3, self._at) else sign
        self._at += len(quote)
        while not self._text.startswith(quote, self._at):
            if self._text[self._at] == "\\" and sign == '"':
                self._at += 1
            self._line += self._text[self._at] == "\n"
            self._at += 1
        self._at += len(quote)
        while len(quote) == 3 and self._text.startswith(sign, self._at):  # up to two quotes may end the content
            self._at += 1

    def _blanks(self) -> None:
        while self._text[self._at] in " \t":
            self._at += 1

    def _skip(self) -> bool:
        """Pass blanks, line ends and comments; whether anything follows."""
        while self._at < len(self._text):
            sign = self._text[self._at]
            if sign == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif sign in " \t\r\n":
                self._line += sign == "\n"
                self._at += 1
            else:
                return True
        return False
