"""Scenarios: each changes what it says and nothing else; what does not fit is named with its field."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_plants import START, demo_facts, tiny_facts

from optimizer.inputs import changed_inputs
from optimizer.problem import build_problem
from optimizer.scenarios import patched, read_scenarios
from optimizer.slots import lay_out
from plant.errors import ConfigError
from plant.production import Calendar, Shift

FACTS = demo_facts(1, lines=2, horizon_h=24)
FILE = """
[[scenario]]
name = "dear"
tariff = { factor = 2.0, demand_charge_per_kw = 9.0 }
[[scenario]]
name = "down"
breakdown = [{ machine = "L2-press", hours = 5 }]
[[scenario]]
name = "rush"
rush_order = [{ product = "gear", quantity = 50, due_in_h = 6 }]
[[scenario]]
name = "line"
new_line = [{ name = "L9", like = "L1", speed = 0.5 }]
[[scenario]]
name = "set"
set = { "policy.crews" = 3, "orders[O3].quantity" = 7, "capabilities[L1:gear].setup_h" = 0.1 }
[[scenario]]
name = "shut"
closing = [{ line = "L1", start = 2026-11-22T08:00:00, hours = 2 }]
"""


def test_each_scenario_changes_what_it_says_and_nothing_else() -> None:
    told = {
        scenario.name: [(change.kind, change.entity) for change in changed_inputs(FACTS, patched(FACTS, scenario))]
        for scenario in read_scenarios(FILE, where="file")
    }
    assert told["dear"] == [("tariff", "base_price_per_kwh"), ("tariff", "bands"), ("tariff", "demand_charge_per_kw")]
    assert told["down"] == [("machine", "L2-press")]
    assert told["rush"] == [("order", "rush-1")]
    assert {kind for kind, _ in told["line"]} == {"line"}
    assert told["set"] == [("order", "O3"), ("limit", "crews"), ("line", "L1")]
    assert told["shut"] == [("closure", "L1")]


def test_every_patched_plant_can_be_laid_out() -> None:
    for scenario in read_scenarios(FILE, where="file"):
        problem = build_problem(patched(FACTS, scenario))
        assert problem.hours == 24
        if scenario.name == "line":
            assert problem.lines == ("L1", "L2", "L9")
            rates = {(m.line, m.product): m.rate_per_h for m in problem.makings}
            assert rates[2, "gear"] == pytest.approx(rates[0, "gear"] / 2)


def test_overtime_opens_its_line_in_its_hours_only() -> None:
    facts = tiny_facts(0, lines=2, horizon_h=24 * 8)
    early = Calendar(shifts=(Shift(name="early", start_hour=6, hours=8),))
    closed_nights = read_scenarios(
        '[[scenario]]\nname = "o"\novertime = [{ line = "A1", start = 2026-11-22T13:00:00, hours = 4 }]', where="f"
    )[0]
    before = type(facts)(**{**{f: getattr(facts, f) for f in facts.__slots__}, "calendar": early})
    after = lay_out(patched(before, closed_nights)).open_share - lay_out(before).open_share
    first = 8  # 14:00 in Vienna is hour 8 of a plan from 06:00
    assert after[1].nonzero()[0].tolist() == [first, first + 1, first + 2]
    assert not after[0].any()
    with pytest.raises(ConfigError, match="hours in which the plant is closed"):
        patched(facts, closed_nights)  # its shifts go round the clock


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ('[[scenario]]\nname = "x"\ntarif = { factor = 2 }', "file: scenario[0].tarif"),
        ('[[scenario]]\nname = "x"\nbreakdown = [{ machine = "L1", hours = -1 }]', "scenario[0].breakdown[0].hours"),
        ("[[scenario", "file: found"),
        ('{"scenario": []}', "file: scenario"),
        ('[[scenario]]\nname="x"\n[[scenario]]\nname="x"', "a name of its own"),
    ],
)
def test_file_that_does_not_fit_is_refused_by_field(document: str, told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_scenarios(document, where="file")
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ('set = { "policy.crew" = 2 }', "scenario x: set.policy.crew"),
        ('set = { "orders[O77].quantity" = 2 }', "one of: O0, O1"),
        ('set = { "orders[O1].quantity" = "many" }', "set.orders[O1].quantity"),
        ('set = { "policy.horizon_h" = 0 }', "planning.horizon_h"),
        ('breakdown = [{ machine = "L7-press", hours = 2 }]', "it must name a machine of the plant"),
        ('rush_order = [{ product = "gold", quantity = 1, due_in_h = 2 }]', "order rush-1: product"),
        ('new_line = [{ name = "L9", like = "L7" }]', "new_line[0].like"),
    ],
)
def test_patch_that_does_not_fit_the_plant_names_scenario_and_field(patch: str, told: str) -> None:
    scenario = read_scenarios(f'[[scenario]]\nname = "x"\n{patch}', where="file")[0]
    with pytest.raises(ConfigError) as raised:
        patched(FACTS, scenario)
    assert "scenario x: " in str(raised.value)
    assert told in str(raised.value)


PATHS = st.lists(
    st.sampled_from(["policy", "orders[O1]", "crews", "plant", "lines[L1]", "x", "", "tariff", "bands[0]"])
)
VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4) | st.lists(st.integers(), max_size=2)


@settings(max_examples=60, deadline=None)
@given(PATHS.map(".".join), VALUES)
def test_any_path_and_value_gives_sound_facts_or_a_refusal(path: str, value: object) -> None:
    scenario = read_scenarios('[[scenario]]\nname = "x"', where="f")[0].model_copy(update={"set": {path: value}})
    try:
        facts = patched(FACTS, scenario)
    except ConfigError:
        return
    assert facts.start >= START - timedelta(days=1)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("policy.max_plant_failure_probability", 0.2),
        ("policy.price_delays", True),
        ("products[bolt].safety_stock", 7.0),
    ],
)
def test_fields_at_their_default_can_be_set(path: str, value: float | bool) -> None:
    text = f'[[scenario]]\nname = "otherwise"\nset = {{ "{path}" = {str(value).lower()} }}\n'
    (scenario,) = read_scenarios(text, where="test")
    facts = patched(tiny_facts(0), scenario)
    found = facts.products[1] if path.startswith("products") else facts.policy
    assert getattr(found, path.rsplit(".", 1)[1]) == value
