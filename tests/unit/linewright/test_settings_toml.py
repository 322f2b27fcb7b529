"""Every key of a TOML text is found again by its line."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linewright.settings.toml import key_path, path_of, read_toml

TEXT = '''\
# a comment with [brackets] and "quotes"
title = "x" # trailing

[broker]
host = "mqtt"   # port = 3
"quoted key" = 'literal # no comment'
tls.ca_file = "ca.pem"
text = """
three
lines """"
after = 1

[[plant.lines]]
name = "L1"
machines = [ # comment
  { name = "a", class = "press" },

  { name = "b",
    class = "mill" }, # not valid in older TOML, so kept on one line below
]
'''.replace('"b",\n    class', '"b", class')
TEXT += """
[[plant.lines]]
name = "L2"
numbers = [
  [1, 2],
  [3],
]
[plant.lines.extra]
at = 2026-03-02T14:00:00
"""


@pytest.mark.parametrize(
    ("path", "start"),
    [
        (("title",), 'title = "x"'),
        (("broker",), "[broker]"),
        (("broker", "host"), "host ="),
        (("broker", "quoted key"), '"quoted key"'),
        (("broker", "tls", "ca_file"), "tls.ca_file"),
        (("broker", "after"), "after ="),
        (("plant", "lines", 0), "[[plant.lines]]"),
        (("plant", "lines", 0, "machines"), "machines ="),
        (("plant", "lines", 0, "machines", 0, "class"), '  { name = "a"'),
        (("plant", "lines", 0, "machines", 1, "class"), '  { name = "b"'),
        (("plant", "lines", 1, "name"), 'name = "L2"'),
        (("plant", "lines", 1, "numbers", 1, 0), "  [3],"),
        (("plant", "lines", 1, "extra", "at"), "at ="),
    ],
)
def test_read_toml_finds_the_line_of_each_key(path: tuple[str | int, ...], start: str) -> None:
    line = read_toml(TEXT).line(path)
    assert line is not None
    assert TEXT.splitlines()[line - 1].startswith(start)


def test_read_toml_finds_the_nearest_line_of_what_is_missing() -> None:
    document = read_toml(TEXT)
    assert document.line(("plant", "lines", 1, "label")) == document.line(("plant", "lines", 1))
    assert document.line(("nowhere",)) is None
    assert document.line(()) is None


def test_read_toml_counts_lines_with_windows_ends() -> None:
    assert read_toml("a = 1\r\n\r\nb = 2\r\n").line(("b",)) == 3


def test_read_toml_refuses_what_is_no_toml() -> None:
    with pytest.raises(tomllib.TOMLDecodeError, match="line 2"):
        read_toml("a = 1\nb = = 2\n")


KEYS = st.text(st.sampled_from("abc_-1"), min_size=1, max_size=4)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.text(st.sampled_from("ab#[]{}=,'\"\\ \n"), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def written(value: Any) -> str:
    """TOML of a value, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {written(item)}" for key, item in value.items()) + " }"
    return str(value)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_read_toml_finds_every_key_of_any_document(values: dict[str, Any]) -> None:
    document = read_toml("".join(f"# {key}\n{key} = {written(value)}\n" for key, value in values.items()))
    assert document.values == values

    def check(path: tuple[str | int, ...], value: Any, line: int) -> None:
        assert document.lines[path] == line
        for key, item in (
            value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else [])
        ):
            check((*path, key), item, line)

    for index, (key, value) in enumerate(values.items()):
        check((key,), value, 2 * index + 2)


@given(st.lists(KEYS.filter(lambda key: not key.isdecimal()), min_size=1, max_size=4), st.integers(0, 99))
def test_path_of_reads_what_key_path_wrote(keys: list[str], index: int) -> None:
    path = (*keys, index, "end")
    assert path_of(key_path(path)) == path
