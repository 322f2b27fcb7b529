"""Topics lead to machines, or to a sentence why not."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.settings import MappingSettings
from ingest.topics import NO_FILTER, Route, Unroutable, compile_router, filter_of, ledger_filters, match
from plant.assets import Line, Machine, MachineClass, Plant, Signal
from plant.errors import ConfigError
from plant.quantities import Quantity
from plant.signals import RejectionReason

TEMPERATURE = Signal(name="temperature_c", quantity=Quantity.TEMPERATURE)
STATE = Signal(name="state", quantity=Quantity.STATE)


def machine(name, line, machine_class="press"):
    return Machine(name=name, label=name, line=line, machine_class=machine_class)


PLANT = Plant(
    enterprise="acme",
    site="linz",
    timezone="Europe/Vienna",
    currency="EUR",
    lines=(
        Line(
            name="L1",
            label="Line 1",
            area="hall1",
            machines=(machine("L1-press", "L1"), machine("L1-oven", "L1", "oven")),
        ),
        Line(name="L2", label="Line 2", area="hall2", machines=(machine("L2-press", "L2"),)),
    ),
    classes=(
        MachineClass(name="press", signals=(TEMPERATURE,)),
        MachineClass(name="oven", signals=(TEMPERATURE,)),
    ),
)


def router(*mappings, sides=()):
    return compile_router(
        [MappingSettings(**each) for each in mappings] or [MappingSettings()], plant=PLANT, side_filters=sides
    )


def test_route_finds_the_machine_and_its_class():
    route = router().route("acme/linz/hall1/L1/L1-oven/telemetry")
    assert isinstance(route, Route)
    assert (route.filter, route.machine, route.plan.machine_class) == (0, "L1-oven", "oven")


def test_filter_of_names_the_plant_and_leaves_the_rest_open():
    assert (
        filter_of("{enterprise}/{site}/{area}/{line}/{machine}/telemetry", plant=PLANT) == "acme/linz/+/+/+/telemetry"
    )
    assert filter_of("x/{machine}/#", plant=PLANT) == "x/+/#"


@pytest.mark.parametrize(
    ("topic", "reason", "says"),
    [
        ("acme/linz/hall1/L1/L1-pres/telemetry", RejectionReason.UNKNOWN_MACHINE, "did you mean L1-press?"),
        ("acme/linz/hall2/L2/L1-press/telemetry", RejectionReason.UNKNOWN_MACHINE, "belongs to line L1"),
        ("acme/linz/hall9/L2/L2-press/telemetry", RejectionReason.UNKNOWN_MACHINE, "belongs to area hall2"),
        ("acme/graz/hall1/L1/L1-press/telemetry", RejectionReason.UNKNOWN_TOPIC, "no configured mapping"),
        ("acme/linz/hall1/L1/L1-press", RejectionReason.UNKNOWN_TOPIC, "no configured mapping"),
    ],
)
def test_route_says_why_a_topic_leads_nowhere(topic, reason, says):
    found = router().route(topic)
    assert isinstance(found, Unroutable)
    assert found.fault.reason is reason
    assert says in found.fault.detail


def test_route_counts_a_stray_message_outside_every_filter():
    compiled = router()
    assert compiled.filters[compiled.route("elsewhere").filter] == NO_FILTER
    assert NO_FILTER not in compiled.subscriptions


def test_route_composes_the_machine_name_from_the_topic():
    compiled = router({"topic": "{line}/{machine}/{site}", "machine": "{line}-{machine}"})
    assert compiled.route("L2/press/linz").machine == "L2-press"


def test_route_takes_the_first_mapping_that_fits_the_class():
    topic = "{line}/{machine}/data"
    compiled = router(
        {"topic": topic, "machine_class": "oven", "time_field": "t_oven"},
        {"topic": topic, "machine_class": "press", "time_field": "t_press"},
    )
    assert compiled.subscriptions == ("+/+/data",)
    assert compiled.route("L1/L1-press/data").plan.time_path == ("t_press",)
    assert compiled.route("L1/L1-oven/data").plan.time_path == ("t_oven",)


def test_route_of_a_class_without_mapping_says_so():
    found = router({"topic": "{machine}", "machine_class": "oven"}).route("L1-press")
    assert "of class press" in found.fault.detail


def test_side_topics_come_after_the_mappings_and_win_their_messages():
    compiled = router(sides=("linewright/linz/orders",))
    assert compiled.filters == ("acme/linz/+/+/+/telemetry", "linewright/linz/orders", NO_FILTER)
    assert compiled.route("linewright/linz/orders") == Route(1, "", None)
    assert (
        ledger_filters([MappingSettings()], plant=PLANT, side_filters=("linewright/linz/orders",)) == compiled.filters
    )


def test_compile_router_reports_all_faults_at_once():
    with pytest.raises(ConfigError) as caught:
        router(
            {"topic": "x", "machine": "L9-press", "units": {"temperature_c": "bar"}},
            {"machine_class": "mill"},
            {"fields": {"torque": "t"}},
        )
    text = str(caught.value)
    assert len(caught.value.faults) == 4
    for part in ("L9-press", "its units are degC, degF, K", "known are press, oven", "torque"):
        assert part in text


LEVEL = st.text(st.characters(exclude_characters="/+#{}", exclude_categories=["Cs"]), max_size=5)


@given(levels=st.lists(LEVEL, min_size=1, max_size=6))
def test_route_answers_for_any_topic(levels):
    assert isinstance(router(sides=("orders/#",)).route("/".join(levels)), (Route, Unroutable))


@given(levels=st.lists(LEVEL, min_size=1, max_size=5), places=st.sets(st.integers(0, 4)))
def test_match_finds_what_a_template_was_filled_with(levels, places):
    names = ("enterprise", "site", "area", "line", "machine")
    pattern = ["{" + names[i] + "}" if i in places else level for i, level in enumerate(levels)]
    assert match(pattern, levels) == {names[i]: level for i, level in enumerate(levels) if i in places}


def test_route_looks_for_a_like_name_once_each_and_for_so_many_only(monkeypatch):
    looks = []
    monkeypatch.setattr(difflib, "get_close_matches", lambda name, _names, n: looks.append(name) or [])
    router = compile_router([MappingSettings()], plant=PLANT)
    for _ in range(3):
        for number in range(1_000):
            assert isinstance(router.route(f"acme/linz/hall1/L1/stranger{number}/telemetry"), Unroutable)
    assert len(looks) == len(set(looks)) == 200
