"""Numbers, times and states in the console's words."""

import doctest
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linewright.console import feed, guard, words
from linewright.console.views import plan_view
from linewright.console.words import Tone
from plant.alerts import AlertState, Severity
from plant.assets import MachineState
from plant.plans import Decision, SolveStatus


@pytest.mark.parametrize("module", [words, guard, feed, plan_view])
def test_examples_in_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # a module at run time


def test_every_state_has_a_word_a_tone_and_a_hint() -> None:
    marks = [words.state_mark(state.value) for state in MachineState]
    marks += [words.alert_mark(state) for state in AlertState]
    marks += [words.severity_mark(severity) for severity in Severity]
    marks += [words.status_mark(status) for status in SolveStatus]
    marks += [words.decision_mark(decision) for decision in Decision]
    assert all(mark.word and mark.hint for mark in marks)


def test_state_mark_keeps_an_unknown_state_as_it_came() -> None:
    assert words.state_mark("Warming <b>").word == "Warming <b>"
    assert words.state_mark(None).word == "No data"


def test_tones_are_told_apart_without_colour() -> None:
    assert len({tone.sign for tone in Tone}) == len(Tone)


@given(st.one_of(st.floats(-1e15, 1e15), st.sampled_from([float("nan"), float("inf"), float("-inf")])))
def test_numbers_never_show_nan_or_a_negative_zero(value: float) -> None:
    for text in (words.number(value), words.significant(value), words.percent(value), words.hours(value)):
        assert "nan" not in text
        assert "inf" not in text
        assert text not in ("−0.0", "−0", "-0.0")


@given(st.floats(min_value=-1e12, max_value=1e12))
def test_number_can_be_read_back(value: float) -> None:
    read = float(words.number(value, digits=1).replace("\u202f", "").replace("−", "-"))
    assert read == pytest.approx(value, abs=0.051)


def test_moment_is_local_on_both_sides_of_a_change_of_clocks() -> None:
    before = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert words.moment(before, timezone="Europe/Vienna") == "Sun 25 Oct 02:30"
    assert words.moment(before + timedelta(hours=1), timezone="Europe/Vienna") == "Sun 25 Oct 02:30"
    assert words.moment(before + timedelta(hours=2), timezone="Europe/Vienna") == "Sun 25 Oct 03:30"


@pytest.mark.parametrize("href", ["//evil.example", "javascript:alert(1)", "https://evil.example", "/\\evil.example"])
def test_banner_links_only_to_this_console(href: str) -> None:
    banner = feed.read_banner({"sentence": "x", "href": href, "kind": "risk"})
    assert banner is not None
    assert banner.href == ""
