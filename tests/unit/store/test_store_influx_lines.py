"""Readings as line protocol: what a server reads from a line is what was in the window."""

import math
import re
from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from plant.clock import instant
from plant.signals import Window
from store.influx.lines import lines_of, marks_of

AT_US = 1_763_800_000_123_456
END = datetime(2100, 1, 1, tzinfo=UTC)


def window(
    numbers: list[float], texts: list[str | None], *, signal: str = "power_kw", machine: str = "L1-press"
) -> Window:
    """A reading per second with one number and one text each."""
    return Window(
        machine=machine,
        start=instant(0),
        end=END,
        step=None,
        as_of=None,
        observed_at=AT_US + np.arange(len(numbers), dtype=np.int64) * 1_000_000,
        values={signal: np.array(numbers, np.float64)},
        states={"state": np.array(texts, np.object_)},
        quality=np.zeros(len(numbers), np.uint8),
    )


def written(some: Window) -> list[str]:
    """Its lines, of class `press` on line `L1`."""
    return lines_of(some, np.arange(len(some)), machine_class="press", line="L1")


def test_line_has_class_tags_fields_and_time_in_microseconds() -> None:
    assert written(window([3.5, 4], ["Execute", None])) == [
        f'press,machine=L1-press,line=L1 power_kw=3.5,state="Execute" {AT_US}',
        f"press,machine=L1-press,line=L1 power_kw=4.0 {AT_US + 1_000_000}",
    ]


def test_line_leaves_out_what_no_server_takes() -> None:
    bad = window([math.nan, math.inf, -math.inf, math.nan], [None, "Idle", None, "Held"])
    assert [line.split()[1] for line in written(bad)] == ['state="Idle"', 'state="Held"']


def test_line_escapes_names_and_texts() -> None:
    odd = window([1.0], ['a "b" \\ c\nd'], signal="power=kw", machine="Press 1, left")
    (line,) = lines_of(odd, np.array([0]), machine_class="big press", line="L=1")
    assert line == (
        r"big\ press,machine=Press\ 1\,\ left,line=L\=1 power\=kw=1.0," + r'state="a \"b\" \\ c d" ' + str(AT_US)
    )


def test_tag_that_ends_in_a_backslash_escapes_nothing_behind_it() -> None:
    (line,) = written(window([1.0], [None], machine="L1\\"))
    assert line.startswith("press,machine=L1\\\\ ,line=L1 ")


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters(codec="utf-8"), max_size=30))
def test_number_and_text_are_read_back_exactly(number: float, text: str) -> None:
    (line,) = written(window([number], [text]))
    found = re.fullmatch(r'press,machine=L1-press,line=L1 power_kw=(\S+),state="(.*)" (\d+)', line, re.DOTALL)
    assert found is not None
    assert float(found[1]) == number
    assert re.sub(r"\\(.)", r"\1", found[2], flags=re.DOTALL) == text.replace("\n", " ").replace("\r", " ")


def test_mark_changes_with_time_and_each_value_and_with_nothing_else() -> None:
    first = marks_of(window([1.0, 1.0, math.nan], ["Idle", "Idle", None]))
    assert len(set(first.tolist())) == 3
    assert marks_of(window([1.0, 2.0, math.nan], ["Idle", "Idle", None]))[[0, 2]].tolist() == first[[0, 2]].tolist()
    assert marks_of(window([1.0, 2.0, math.nan], ["Idle", "Idle", None]))[1] != first[1]
    assert marks_of(window([1.0, 1.0, -math.nan], ["Held", "Idle", ""]))[[0, 2]].tolist() != first[[0, 2]].tolist()
    assert marks_of(window([1.0, 1.0, -math.nan], ["Held", "Idle", None]))[1:].tolist() == first[1:].tolist()
    assert len(marks_of(window([], []))) == 0
