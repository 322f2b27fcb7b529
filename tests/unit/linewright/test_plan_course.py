"""The accepted plan followed, and the words in which the plan page asks for a change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linewright.console.views.edit_view import Change, Part, change_text, parts_of, starts_of
from linewright.plan_actual import Course, covered, is_behind, noted_course, planned_good
from plant.assets import Line, Machine, MachineClass, Plant
from plant.plans import MaintenanceWindow, Plan, PlannedRun, SolveStatus
from plant.production import Order

START = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLANT = Plant(
    enterprise="acme",
    site="linz",
    timezone="Europe/Vienna",
    currency="EUR",
    lines=(
        Line(
            name="L1",
            label="Line 1",
            area="hall",
            machines=(Machine(name="L1-press", label="Press 1", line="L1", machine_class="press"),),
        ),
    ),
    classes=(MachineClass(name="press", signals=(), mtbf_h=100.0, maintenance_h=2.0, repair_h=4.0),),
)
PLAN = Plan(
    number="P-1",
    created_at=START - HOUR,
    start=START,
    end=START + 10 * HOUR,
    status=SolveStatus.OPTIMAL,
    reason="test",
    runs=(
        PlannedRun(
            line="L1",
            product="gear",
            start=START + 0.5 * HOUR,
            end=START + 3 * HOUR,
            gross_units=250,
            good_units=225.0,
            energy_kwh=1.0,
            setup=True,
            hourly_units=(50.0, 100.0, 100.0),
        ),
    ),
    maintenance=(
        MaintenanceWindow(
            machine="L1-press",
            line="L1",
            start=START + 5 * HOUR,
            end=START + 7 * HOUR,
            expected_failure_cost=1.0,
            expected_failure_cost_without=2.0,
        ),
    ),
    costs=(),
    hours=(),
    late=(),
    peak_kw=0.0,
    co2_kg=0.0,
    certificate=None,
    headline="",
    saving=None,
)


@pytest.mark.parametrize(
    ("hours", "good"), [(0.0, 0.0), (0.5, 0.0), (0.75, 22.5), (1.0, 45.0), (2.5, 180.0), (3.0, 225.0), (9.0, 225.0)]
)
def test_planned_good_units_grow_evenly_within_each_hour_of_a_run(hours: float, good: float) -> None:
    assert planned_good(PLAN, until=START + hours * HOUR)["L1", "gear"] == pytest.approx(good)


def _order(number: str, quantity: float, due_h: float) -> Order:
    return Order(number=number, product="gear", quantity=quantity, due_at=START + due_h * HOUR)


def test_stock_and_production_go_to_what_is_due_first() -> None:
    orders = (_order("late", 50.0, 9), _order("soon", 80.0, 2))
    assert covered(orders, stock={"gear": 30.0}, made={"gear": 60.0}) == {"soon": 80.0, "late": 10.0}


@given(st.lists(st.floats(1, 1000), max_size=6), st.floats(0, 3000), st.floats(0, 3000))
def test_covered_never_gives_more_than_there_is_or_was_ordered(
    quantities: list[float], stock: float, made: float
) -> None:
    orders = tuple(_order(f"o{i}", quantity, i) for i, quantity in enumerate(quantities))
    given_ = covered(orders, stock={"gear": stock}, made={"gear": made})
    assert sum(given_.values()) <= stock + made + 1e-6
    assert all(given_[order.number] <= order.quantity for order in orders)


def test_behind_is_said_from_a_twentieth_and_never_of_a_part_of_a_unit() -> None:
    assert [is_behind(100, 96), is_behind(100, 94), is_behind(2, 1.5)] == [False, True, False]


def test_kept_course_is_shown_of_its_own_plan_only() -> None:
    course = Course(plan="P-1", at=START, lines=(), orders=())
    document = msgspec.to_builtins(course)
    assert noted_course(document, plan="P-1") == course
    assert noted_course(document, plan="P-2") is None
    assert noted_course(None, plan="P-1") is None


def test_parts_of_a_plan_are_told_in_local_time_and_become_changes() -> None:
    lot, service = parts_of(PLAN, plant=PLANT, products={"gear": "Gear"})
    assert lot.label.startswith("Gear on Line 1, ")
    assert lot.when == "on 2026-11-23 after 06:00 before 09:00"
    assert service.label.startswith("Maintenance of Press 1")
    starts = starts_of(PLAN, timezone="Europe/Vienna")
    first = next(iter(starts))
    assert (first, len(starts)) == ("on 2026-11-23 at 06:00", 10)
    assert change_text(service, Change.MOVE, line="", start=first) == "maintain L1-press on 2026-11-23 at 06:00"
    assert change_text(service, Change.KEEP, line="", start="") == "keep maintenance of L1-press"
    assert change_text(lot, Change.DROP, line="", start="") == f"no gear on L1 {lot.when}"
    overnight = replace(PLAN, runs=(replace(PLAN.runs[0], start=START + 17 * HOUR, end=START + 21 * HOUR),))
    assert parts_of(overnight, plant=PLANT, products={})[1] == Part(
        label=parts_of(overnight, plant=PLANT, products={})[1].label,
        line="L1",
        product="gear",
        when="on 2026-11-23 after 23:00",
    )
