"""Sums by hand against the sums of the code; resets, gaps, shifts and clocks that change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analytics.counters import US_PER_H, counter_increase
from analytics.kpi import add, line_kpi, machine_kpi, state_hours
from analytics.shifts import busy_intervals
from plant.assets import MachineClass, Signal, SignalKind, SignalRole
from plant.clock import microseconds
from plant.kpis import Kpi
from plant.production import Calendar, Closure, Shift
from plant.quantities import Quantity
from plant.signals import Window

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
COUNTER, STATE = SignalKind.COUNTER, SignalKind.STATE
PRESS = MachineClass(
    name="press",
    signals=(
        Signal(name="power_kw", quantity=Quantity.POWER, role=SignalRole.POWER, valid_max=100.0),
        Signal(name="good", quantity=Quantity.COUNT, kind=COUNTER, role=SignalRole.GOOD_PARTS),
        Signal(name="scrap", quantity=Quantity.COUNT, kind=COUNTER, role=SignalRole.SCRAP_PARTS),
        Signal(name="energy", quantity=Quantity.ENERGY, kind=COUNTER, role=SignalRole.ENERGY),
        Signal(name="state", quantity=Quantity.STATE, kind=STATE, role=SignalRole.STATE),
        Signal(name="product", quantity=Quantity.STATE, kind=STATE, role=SignalRole.PRODUCT),
    ),
)


def window_of(
    minutes: NDArray[np.int64] | range,
    *,
    values: dict[str, NDArray[np.float64]],
    states: dict[str, list[str | None]] | None = None,
    hours: float,
    step: timedelta | None = None,
) -> Window:
    at = microseconds(START) + np.asarray(minutes, dtype=np.int64) * 60_000_000
    return Window(
        machine="L1-press",
        start=START,
        end=START + timedelta(hours=hours),
        step=step,
        as_of=None,
        observed_at=at,
        values=values,
        states={name: np.array(texts, dtype=object) for name, texts in (states or {}).items()},
        quality=np.zeros(len(at), dtype=np.uint8),
    )


def hour(of: float) -> datetime:
    return START + timedelta(hours=of)


def test_machine_kpi_adds_up_a_morning_by_hand() -> None:
    # 4 h of readings each minute: 1 h flange, 1 h idle, 2 h gear; 60 parts/h good, 6 parts/h scrap, 20 kWh/h
    minutes = np.arange(241)
    producing = (minutes <= 60) | (minutes > 120)
    made = np.cumsum(producing[1:], dtype=np.float64)
    good = np.concatenate(([1000.0], 1000.0 + made))
    scrap = np.floor(np.concatenate(([0.0], made)) / 10)
    state: list[str | None] = ["Execute" if m < 60 or m >= 120 else "Idle" for m in minutes]
    product: list[str | None] = ["flange" if m < 60 else "gear" for m in minutes]
    window = window_of(
        minutes[:-1],
        values={"good": good[:-1], "scrap": scrap[:-1], "energy": minutes[:-1] / 3.0},
        states={"state": state[:-1], "product": product[:-1]},
        hours=4,
    )
    kpi = machine_kpi(
        window,
        machine_class=PRESS,
        ideal_rate={"flange": 80.0, "gear": 100.0},
        busy=[(hour(0), hour(1.5)), (hour(2), hour(4))],
    )
    assert kpi.planned_busy_h == pytest.approx(3.5)
    assert kpi.production_h == pytest.approx(3.0)
    assert (kpi.good, kpi.produced) == (179.0, 196.0)
    assert kpi.target_h == pytest.approx(66 / 80 + 130 / 100)
    assert kpi.energy_kwh == pytest.approx(239 / 3)
    assert kpi.availability == pytest.approx(3 / 3.5)
    assert kpi.oee == pytest.approx((66 / 80 + 1.3) * 179 / 196 / 3.5)


def test_machine_kpi_counts_no_growth_beyond_what_the_signal_says_is_possible() -> None:
    minutes = np.arange(60)
    good = np.where(minutes < 30, minutes, minutes + 500.0)  # a glitch of 500 parts within a minute
    window = window_of(minutes, values={"good": good}, states={"state": ["Execute"] * 60}, hours=1)
    counters = tuple(replace(each, max_per_h=600.0) if each.name == "good" else each for each in PRESS.signals)
    facts = {"ideal_rate": {"flange": 20_000.0}, "busy": [(hour(0), hour(1))]}
    assert machine_kpi(window, machine_class=PRESS, **facts).good == 559.0
    assert machine_kpi(window, machine_class=replace(PRESS, signals=counters), **facts).good == 58.0


def test_machine_kpi_counts_nothing_outside_planned_time_but_energy() -> None:
    window = window_of(
        range(120),
        values={"good": np.arange(120.0), "energy": np.arange(120.0)},
        states={"state": ["Execute"] * 120},
        hours=2,
    )
    kpi = machine_kpi(window, machine_class=PRESS, ideal_rate={"gear": 60.0}, busy=[])
    assert (kpi.planned_busy_h, kpi.production_h, kpi.produced) == (0.0, 0.0, 0.0)
    assert kpi.energy_kwh == 119.0
    assert kpi.oee is None
    assert kpi.availability is None


def test_machine_kpi_does_not_take_silence_for_production() -> None:
    minutes = np.concatenate((np.arange(60), np.arange(180, 240)))
    window = window_of(minutes, values={}, states={"state": ["Execute"] + [None] * 119}, hours=4)
    kpi = machine_kpi(window, machine_class=PRESS, ideal_rate={}, busy=[(hour(0), hour(4))])
    assert kpi.production_h == pytest.approx(1 / 60)  # rows without any report say nothing
    spoken = window_of(
        minutes, values={"power_kw": np.full(120, 5.0)}, states={"state": ["Execute"] + [None] * 119}, hours=4
    )
    kpi = machine_kpi(spoken, machine_class=PRESS, ideal_rate={}, busy=[(hour(0), hour(4))])
    assert kpi.production_h == pytest.approx(2 + 2 / 60)  # the last word before the silence holds for three periods
    assert kpi.energy_kwh == pytest.approx(5 * (2 + 2 / 60))


def test_machine_kpi_knows_the_rhythm_of_coarser_readings() -> None:
    minutes = np.concatenate((np.arange(0, 120, 10), np.arange(120, 180), np.arange(200, 240)))
    window = window_of(
        minutes, values={"power_kw": np.full(len(minutes), 5.0)}, states={"state": ["Execute"] * len(minutes)}, hours=4
    )
    kpi = machine_kpi(window, machine_class=PRESS, ideal_rate={}, busy=[(hour(0), hour(4))])
    silent_h = (200 - 179 - 3) / 60  # three periods after the last word; the slow readings before are no silence
    assert kpi.production_h == pytest.approx(4 - silent_h)


def test_machine_kpi_of_consecutive_ranges_adds_up_with_lead_in() -> None:
    good = np.arange(240.0)
    state: list[str | None] = ["Execute"] * 240
    whole = window_of(range(240), values={"good": good}, states={"state": state}, hours=4)
    late = window_of(np.arange(100, 240), values={"good": good[100:]}, states={"state": state[100:]}, hours=4)
    busy = [(hour(0), hour(4))]
    first = machine_kpi(
        window_of(range(120), values={"good": good[:120]}, states={"state": state[:120]}, hours=2),
        machine_class=PRESS,
        ideal_rate={"gear": 60.0},
        busy=busy,
    )
    second = machine_kpi(late, machine_class=PRESS, ideal_rate={"gear": 60.0}, busy=busy, since=hour(2))
    total = machine_kpi(whole, machine_class=PRESS, ideal_rate={"gear": 60.0}, busy=busy)
    both = add([first, second], "L1-press")
    assert both.good == total.good == 239.0
    assert both.production_h == pytest.approx(total.production_h)
    assert both.target_h == pytest.approx(total.target_h)
    assert both.planned_busy_h == total.planned_busy_h


def test_machine_kpi_reads_stepped_windows() -> None:
    window = window_of(
        np.arange(0, 240, 10),
        values={"good": np.arange(24.0) * 10, "energy": np.arange(24.0)},
        states={"state": ["Execute"] * 12 + ["Idle"] * 6 + ["Execute"] * 6, "product": ["gear"] * 24},
        hours=4,
        step=timedelta(minutes=10),
    )
    kpi = machine_kpi(window, machine_class=PRESS, ideal_rate={"gear": 60.0}, busy=[(hour(0), hour(4))])
    assert kpi.production_h == pytest.approx(3.0)
    assert kpi.good == 230.0
    assert kpi.target_h == pytest.approx(230 / 60)
    assert state_hours(window, machine_class=PRESS) == pytest.approx({"Execute": 3.0, "Idle": 1.0})


def test_line_kpi_takes_output_of_the_last_machine_and_scrap_of_all() -> None:
    def kpi(entity: str, produced: float, good: float) -> Kpi:
        return Kpi(
            entity=entity,
            start=START,
            end=hour(8),
            planned_busy_h=8.0,
            production_h=7.0,
            produced=produced,
            good=good,
            target_h=produced / 100,
            energy_kwh=50.0,
        )

    line = line_kpi([kpi("mill", 110, 105), kpi("packer", 105, 100)], "L1")
    assert (line.good, line.produced, line.energy_kwh) == (100.0, 110.0, 100.0)
    assert line.target_h == pytest.approx(1.1)
    assert (line.planned_busy_h, line.production_h) == (8.0, 7.0)
    assert line_kpi([kpi("mill", 10, 5), kpi("packer", 0, 0)], "L1").target_h == pytest.approx(0.05)


def at_each_minute(length: int) -> NDArray[np.int64]:
    return np.arange(length, dtype=np.int64) * 60_000_000


def grown(values: list[float], **options: float) -> list[float]:
    return counter_increase(np.array(values), observed_at=at_each_minute(len(values)), **options).tolist()


def test_counter_increase_counts_on_after_a_reset_to_zero() -> None:
    assert grown([100, 102, 1, 3], maximum_per_h=240) == [0, 2, 1, 2]


def test_counter_increase_counts_through_a_rollover() -> None:
    assert grown([65530, 65534, 3, 5], maximum_per_h=600, rollover=65536) == [0, 4, 5, 2]


def test_counter_increase_ignores_impossible_growth_once() -> None:
    assert grown([10, 12, 15_500, 15_502], maximum_per_h=240) == [0, 2, 0, 2]


@pytest.mark.parametrize("glitch", [0.0, 9e9])
def test_counter_increase_forgets_a_glitch_that_healed(glitch: float) -> None:
    assert sum(grown([1000, 1002, glitch, 1006, 1008], maximum_per_h=240)) == 8


def test_counter_increase_learns_what_is_possible_where_nobody_says() -> None:
    values = [float(v) for v in range(0, 60, 2)] + [15_558.0, 15_560.0]
    assert sum(grown(values)) == 60.0


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.data())
def test_counter_increase_is_exact_over_resets(steps: list[int], data: st.DataObject) -> None:
    reset = data.draw(st.integers(5, len(steps))) if len(steps) > 5 else len(steps)
    readings = [500 + sum(steps[: i + 1]) for i in range(reset)]
    readings += [sum(steps[reset : i + 1]) for i in range(reset, len(steps))]
    total = counter_increase(
        np.array(readings, dtype=np.float64), observed_at=at_each_minute(len(readings)), maximum_per_h=240.0
    ).sum()
    assert total == sum(steps[1:])


@given(st.lists(st.floats(0, 1e7) | st.just(float("nan")), max_size=50))
def test_counter_increase_is_never_negative_nor_impossible(values: list[float]) -> None:
    growth = counter_increase(
        np.array(values, dtype=np.float64),
        observed_at=np.arange(len(values), dtype=np.int64) * US_PER_H,
        maximum_per_h=100.0,
    )
    assert growth.shape == (len(values),)
    assert (growth >= 0).all()
    finite = int(np.isfinite(values).sum()) if values else 0
    assert growth.sum() <= 101.0 * max(0, len(values) - 1) + 1e-6
    assert finite > 1 or growth.sum() == 0


THREE_SHIFTS = tuple(Shift(name=n, start_hour=h, hours=8) for n, h in (("early", 6), ("late", 14), ("night", 22)))


@pytest.mark.parametrize("month", [3, 10])
def test_busy_intervals_fill_every_day_when_clocks_change(month: int) -> None:
    start, end = datetime(2026, month, 1, tzinfo=UTC), datetime(2026, month, 31, tzinfo=UTC)
    busy = busy_intervals(Calendar(shifts=THREE_SHIFTS), timezone="Europe/Vienna", line="L1", start=start, end=end)
    assert busy == ((start, end),)


def test_busy_intervals_leave_out_closures_and_weekends() -> None:
    zone = ZoneInfo("Europe/Vienna")
    calendar = Calendar(
        shifts=(Shift(name="day", start_hour=6, hours=16, weekdays=(0, 1, 2, 3, 4)),),
        closures=(
            Closure(
                line="",
                start=datetime(2026, 3, 3, 0, tzinfo=zone),
                end=datetime(2026, 3, 3, 10, tzinfo=zone),
                reason="holiday morning",
            ),
            Closure(
                line="L2",
                start=datetime(2026, 3, 2, 0, tzinfo=zone),
                end=datetime(2026, 3, 9, 0, tzinfo=zone),
                reason="rebuilding",
            ),
        ),
    )
    start, end = datetime(2026, 3, 2, 0, tzinfo=zone), datetime(2026, 3, 9, 0, tzinfo=zone)
    first = busy_intervals(calendar, timezone="Europe/Vienna", line="L1", start=start, end=end)
    assert sum((b - a for a, b in first), timedelta()) == timedelta(hours=5 * 16 - 4)
    assert first[1] == (datetime(2026, 3, 3, 9, tzinfo=UTC), datetime(2026, 3, 3, 21, tzinfo=UTC))
    assert busy_intervals(calendar, timezone="Europe/Vienna", line="L2", start=start, end=end) == ()


@given(
    st.integers(0, 24 * 400),
    st.integers(1, 96),
    st.lists(st.tuples(st.integers(0, 23), st.integers(1, 24)), max_size=3),
)
def test_busy_intervals_agree_with_the_local_clock_hour_by_hour(
    offset_h: int, length_h: int, shifts: list[tuple[int, int]]
) -> None:
    zone = ZoneInfo("Europe/Vienna")
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=offset_h)
    calendar = Calendar(shifts=tuple(Shift(name=str(i), start_hour=s, hours=h) for i, (s, h) in enumerate(shifts)))
    end = start + timedelta(hours=length_h)
    busy = busy_intervals(calendar, timezone="Europe/Vienna", line="L1", start=start, end=end)
    for index in range(length_h):
        at = start + timedelta(hours=index)
        local = at.astimezone(zone).hour
        planned = any((local - s) % 24 < h for s, h in shifts)
        assert planned == any(a <= at < b for a, b in busy)
