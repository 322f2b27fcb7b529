"""A user's own models: read safely, bracketed with proof, residuals of the original functions; never run as code."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.expressions.enclosure import chord_error
from optimizer.expressions.model import read_model
from optimizer.expressions.parse import ExpressionError, number, parse
from optimizer.expressions.solve import Answer, Answered, solve_model
from plant.errors import ConfigError

MODELS = Path(__file__).resolve().parents[3] / "deploy" / "models"


def answer(document: str, **limits: float) -> Answer:
    """The answer to a model given as text."""
    return solve_model(read_model(document, where="test"), **limits)


@pytest.mark.parametrize("name", ["line_profit", "blending", "batch_size"])
def test_example_is_proved_and_keeps_its_rules(name: str) -> None:
    model = read_model((MODELS / f"{name}.toml").read_text(), where=name)
    found = solve_model(model, gap=2e-3)
    assert found.status is Answered.PROVED, found
    assert max(found.residuals.values()) <= 1e-3
    assert found.bound is not None
    assert found.objective is not None
    assert abs(found.objective - found.bound) <= 2.1e-3 * abs(found.objective)


def test_convex_cost_meets_its_analytic_least_value() -> None:
    found = answer('minimize = "x ** 2 + exp(-x)"\n[variables]\nx = {lower = -2, upper = 2}')
    assert found.status is Answered.PROVED
    assert found.values["x"] == pytest.approx(0.3517337, abs=1e-3)
    assert found.bound is not None
    assert found.bound <= 0.8271840 + 1e-7


def test_product_of_two_variables_is_bracketed() -> None:
    text = 'maximize = "x * y"\n[variables]\nx = {lower=0, upper=4}\ny = {lower=0, upper=4}\n'
    found = answer(text + '[subject_to]\nsum = "x + 2 * y <= 4"')
    assert found.status is Answered.PROVED
    assert found.objective == pytest.approx(2.0, abs=2e-3)


def test_binary_switches_a_variable_exactly() -> None:
    text = 'maximize = "3 * x * b - 5 * b"\n[variables]\nx = {lower=0, upper=4}\nb = {domain="binary"}\n'
    found = answer(text)
    assert found.objective == pytest.approx(7.0, abs=1e-6)
    assert found.gap == pytest.approx(0.0, abs=1e-6)


def test_infeasible_model_is_said_to_be_proven_so() -> None:
    found = answer('minimize = "x"\n[variables]\nx = {lower=0, upper=1}\n[subject_to]\nfar = "x ** 2 >= 2"')
    assert found.status is Answered.INFEASIBLE
    assert found.objective is None


def test_objective_without_a_limit_is_said_to_be_unbounded() -> None:
    text = 'maximize = "x"\n[variables]\nx = {lower=0}\ny = {lower=0}\n[subject_to]\nr = "x - y <= 1"'
    assert answer(text).status is Answered.UNBOUNDED


def test_what_has_no_certified_form_is_called_local() -> None:
    text = 'minimize = "max(x, y) + abs(x * y - 1)"\n[variables]\nx = {lower=0, upper=3}\ny = {lower=0, upper=3}'
    found = answer(text)
    assert found.status is Answered.LOCAL
    assert found.bound is None
    assert found.reason


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('true')", "x.__class__", "(lambda: 1)()", "x[0]", "open('f')", "x if x else 1", "'a' * 9",
     "[x for x in (1,)]", "x ** ", "y", "exp()", "True", "1e999", "(" * 300 + "x" + ")" * 300, "x and x", "f'{x}'"],
)  # fmt: skip
def test_parse_refuses_what_is_not_arithmetic(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text, frozenset({"x"}))


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet="xy0129.+-*/()<=, explogsqrtabmin_'\"[]{}:\\\n", max_size=60))
def test_any_text_is_refused_or_read(text: str) -> None:
    try:
        tree = parse(text, frozenset({"x", "y"}))
    except ExpressionError:
        return
    assert isinstance(number(tree, {"x": 0.5, "y": 2.0}), float)


def test_model_names_every_fault_with_its_field() -> None:
    text = 'minimize = "x + z"\nodd = 1\n[variables]\nx = {lower=2, upper=1}\ny = 3\n[subject_to]\nr = "x + 1"'
    with pytest.raises(ConfigError) as caught:
        read_model(text, where="m.toml")
    fields = {fault.where for fault in caught.value.faults}
    expected = {"m.toml: odd", "m.toml: variables.x", "m.toml: variables.y", "m.toml: minimize", "m.toml: subject_to.r"}
    assert expected <= fields


@settings(max_examples=200, deadline=None)
@given(
    text=st.sampled_from(
        [
            "x ** 3 - 2 * x",
            "exp(-x / 3)",
            "log(x + 6)",
            "sqrt(x + 5)",
            "abs(x)",
            "1 / (x + 7)",
            "x * exp(x / 4)",
            "2 ** x",
        ]
    ),
    low=st.floats(-4, 3.9),
    width=st.floats(0.01, 3),
    share=st.floats(0, 1),
)
def test_function_stays_within_the_certified_error_of_its_chord(
    text: str, low: float, width: float, share: float
) -> None:
    tree, high = parse(text, frozenset({"x"})), low + width
    below, above = chord_error(tree, "x", low, high)
    chord = (1 - share) * number(tree, {"x": low}) + share * number(tree, {"x": high})
    off = number(tree, {"x": low + share * (high - low)}) - chord
    assert below - 1e-9 <= off <= above + 1e-9
    assert math.isfinite(above - below)
