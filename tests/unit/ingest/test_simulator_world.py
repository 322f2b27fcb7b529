"""The simulated plant: lines in series, counters, maintenance, plans, and the failures that maintenance avoids."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ingest.simulator.canonical import PlantFacts, demo_facts
from ingest.simulator.checkpoint import load, save
from ingest.simulator.line import STATE_CODE, STATES
from ingest.simulator.machine import Phase
from ingest.simulator.settings import SimulatorSettings, WornSettings, check
from ingest.simulator.world import Reading, World
from plant.assets import MachineState
from plant.clock import instant, microseconds
from plant.plans import MaintenanceWindow, Plan, PlannedRun, SolveStatus

START = datetime(2026, 11, 22, 18, tzinfo=UTC)
FACTS = demo_facts(START)
HOUR_US = 3_600_000_000


def make_world(facts: PlantFacts = FACTS, *, tick: timedelta | None = None, **changes: object) -> World:
    options = {"seed": 11, "tick_s": 60, "message_period_s": 60, "worn": None, "preventive_share": 0.0, **changes}
    return World(
        facts.plant,
        products=facts.products,
        capabilities=facts.capabilities,
        calendar=facts.calendar,
        settings=SimulatorSettings.model_validate(options),
        start=START,
        tick=tick,
    )


def make_plan(runs: tuple[PlannedRun, ...], maintenance: tuple[MaintenanceWindow, ...], *, hours: int = 24) -> Plan:
    return Plan(
        number="P-1",
        created_at=START,
        start=START,
        end=START + timedelta(hours=hours),
        status=SolveStatus.OPTIMAL,
        reason="test",
        runs=runs,
        maintenance=maintenance,
        costs=(),
        hours=(),
        late=(),
        peak_kw=0.0,
        co2_kg=0.0,
        certificate=None,
        headline="",
        saving=None,
    )


def a_run(product: str, start_h: int, end_h: int, units: int, *, line: str = "L2") -> PlannedRun:
    return PlannedRun(
        line=line,
        product=product,
        start=START + timedelta(hours=start_h),
        end=START + timedelta(hours=end_h),
        gross_units=units,
        good_units=units * 0.97,
        energy_kwh=0.0,
        setup=True,
    )


def a_window(machine: str, start_h: int, hours: float) -> MaintenanceWindow:
    return MaintenanceWindow(
        machine=machine,
        line=machine[:2],
        start=START + timedelta(hours=start_h),
        end=START + timedelta(hours=start_h + hours),
        expected_failure_cost=0.0,
        expected_failure_cost_without=0.0,
    )


def of(readings: list[Reading], machine: str) -> list[Reading]:
    return [reading for reading in readings if reading.machine == machine]


def test_world_is_the_same_for_the_same_seed_however_it_is_stepped() -> None:
    at_once, in_steps, other = make_world(), make_world(), make_world(seed=12)
    until_us = microseconds(START) + 3 * HOUR_US
    whole = at_once.step(until_us)
    parts = [reading for k in range(1, 55) for reading in in_steps.step(microseconds(START) + k * 200_000_000)]
    assert whole == parts
    assert other.step(until_us) != whole


def test_fate_of_a_machine_does_not_depend_on_machines_of_other_lines() -> None:
    quiet, broken = make_world(), make_world()
    broken.break_machine("L1-mill", mode="tool", wear=0.97, hours_left=1.0)
    until_us = microseconds(START) + 8 * HOUR_US
    undisturbed, disturbed = quiet.step(until_us), broken.step(until_us)
    assert broken.course("L1-mill").failed_mode == "tool"
    for machine in ("L2-press", "L3-packer"):
        assert of(undisturbed, machine) == of(disturbed, machine)
    assert of(undisturbed, "L1-press") != of(disturbed, "L1-press")


def test_signals_rise_with_wear() -> None:
    world = make_world(tick=timedelta(minutes=10))
    course = world.course("L2-press")
    means = []
    for wear in (0.1, 0.7, 0.95):
        course.life.wear[:] = [wear, 0.1]
        course.life.rates_per_h[:] = [1e-6, 1e-6]
        stretch = world.advance(60)
        column = [machine.name for machine in FACTS.plant.machines].index("L2-press")
        rows = stretch.block.running[:, column]
        means.append(
            [np.mean(stretch.measured.values[name][rows, column]) for name in ("vibration_mm_s", "temperature_c")]
        )
    healthy, worn, failing = means
    assert healthy[0] < worn[0] < failing[0] > 2.0 * healthy[0]
    assert failing[1] > healthy[1] + 6.0


def test_each_mode_has_its_own_signature() -> None:
    shifts = {}
    for mode in ("spindle", "tool"):
        world = make_world(tick=timedelta(minutes=10))
        course = world.course("L1-mill")
        course.life.wear[course.modes.index(mode)] = 0.95
        course.life.rates_per_h[:] = [1e-6, 1e-6]
        stretch = world.advance(40)
        rows = stretch.block.running[:, 1]
        power = stretch.measured.values["power_kw"][rows, 1] / stretch.measured.values["power_kw"][rows, 0]
        shifts[mode] = (np.mean(stretch.measured.values["vibration_mm_s"][rows, 1]), np.mean(power))
    assert shifts["spindle"][0] > 1.4 * shifts["tool"][0]
    assert shifts["tool"][1] > 1.1 * shifts["spindle"][1]


def test_energy_counter_is_the_integral_of_power_and_counters_never_decrease() -> None:
    stretch = make_world(tick=timedelta(minutes=10)).advance(3000)
    values = stretch.measured.values
    assert np.allclose(np.cumsum(values["power_kw"], axis=0) / 6.0, values["energy_kwh"], rtol=1e-12)
    for counter in ("energy_kwh", "good_parts", "scrap_parts"):
        assert (np.diff(values[counter], axis=0) >= 0.0).all()


def test_line_in_series_passes_only_good_parts_on() -> None:
    stretch = make_world(tick=timedelta(minutes=10)).advance(500)
    good, scrap = stretch.measured.values["good_parts"][-1], stretch.measured.values["scrap_parts"][-1]
    for first in (0, 4, 8):
        assert good[first] + scrap[first] == stretch.block.units[:, first].sum()
        for machine in range(first + 1, first + 4):
            assert good[machine] + scrap[machine] == good[machine - 1]


def test_machine_down_suspends_its_line_and_only_that() -> None:
    world = make_world()
    world.break_machine("L1-oven", mode="fan", wear=0.99, hours_left=0.05)
    stretch = world.advance(3 * 360)
    names = [machine.name for machine in FACTS.plant.machines]
    aborted = np.flatnonzero(stretch.block.state[:, names.index("L1-oven")] == STATE_CODE[MachineState.ABORTED])
    assert aborted.size
    after = aborted[0] + 2
    assert STATES[stretch.block.state[after, names.index("L1-press")]] is MachineState.SUSPENDED
    assert stretch.measured.values["speed_ratio"][after, names.index("L1-packer")] == 0.0
    assert stretch.block.running[after:, names.index("L3-press")].any()


def test_failure_is_repaired_and_renews_the_machine() -> None:
    world = make_world()
    world.break_machine("L3-press", mode="seal", wear=0.99, hours_left=0.1)
    readings = of(world.step(microseconds(START) + 48 * HOUR_US), "L3-press")
    events = [reading.values["maintenance"] for reading in readings if "maintenance" in reading.values]
    assert events == ["failed", "repaired"]
    assert max(world.course("L3-press").life.wear) < 0.4
    kinds = [line["kind"] for line in world.take_truth() if line["machine"] == "L3-press" and line["kind"] != "wear"]
    assert kinds == ["failed", "repaired"]


def test_plan_is_obeyed_in_its_hours() -> None:
    world = make_world()
    plan = make_plan((a_run("shaft", 0, 4, 100), a_run("gear", 6, 9, 10_000)), (a_window("L2-press", 9, 4.0),))
    world.apply_plan(plan)
    readings = of(world.step(microseconds(START) + 20 * HOUR_US), "L2-press")

    def at(hours: float) -> Reading:
        return max(
            (one for one in readings if one.at_us <= microseconds(START) + hours * HOUR_US), key=lambda r: r.at_us
        )

    assert at(0.5).values["state"] == "Resetting"
    assert (at(2.0).values["product"], at(2.0).values["state"]) == ("shaft", "Execute")
    assert at(3.9).values["state"] == "Complete"
    assert float(at(3.9).values["good_parts"]) + float(at(3.9).values["scrap_parts"]) == 100.0
    assert at(5.0).values["state"] == "Idle"
    assert (at(8.0).values["product"], at(8.0).values["state"]) == ("gear", "Execute")
    assert at(10.0).values["state"] == "Stopped"
    maintained = [one for one in readings if one.values.get("maintenance") == "maintained"]
    assert [one.at_us for one in maintained] == [microseconds(START) + 13 * HOUR_US]
    assert at(15.0).values["state"] == "Idle"


def test_maintenance_renews_once_even_when_the_plan_comes_twice() -> None:
    world = make_world()
    plan = make_plan((), (a_window("L2-press", 1, 4.0),))
    for hour in range(1, 24):
        world.apply_plan(plan)
        world.step(microseconds(START) + hour * HOUR_US)
    kinds = [line["kind"] for line in world.take_truth() if line["kind"] in ("maintenance_began", "maintained")]
    assert kinds == ["maintenance_began", "maintained"]
    assert world.course("L2-press").life.wear == [0.0, 0.0]


def test_avoided_failure_is_the_one_that_would_have_come() -> None:
    spared, doomed = make_world(), make_world()
    runs = tuple(a_run("shaft", hour, hour + 2, 10_000) for hour in range(0, 40, 2))
    for world in (spared, doomed):
        world.break_machine("L2-press", mode="bearing", wear=0.9, hours_left=8.0)
    spared.apply_plan(make_plan(runs, (a_window("L2-press", 4, 4.0),), hours=40))
    doomed.apply_plan(make_plan(runs, (), hours=40))
    spared.step(microseconds(START) + 30 * HOUR_US)
    doomed.step(microseconds(START) + 30 * HOUR_US)
    (avoided,) = spared.avoided
    failed_at = next(line["at"] for line in doomed.take_truth() if line["kind"] == "failed")
    assert (avoided.machine, avoided.mode) == ("L2-press", "bearing")
    assert instant(avoided.maintained_at_us) == START + timedelta(hours=8)
    truly_us = microseconds(datetime.fromisoformat(str(failed_at)))
    assert abs(avoided.would_have_failed_at_us - truly_us) < 1.0 * HOUR_US
    assert not [line for line in spared.take_truth() if line["kind"] == "failed"]


def test_worn_machine_grows_worn_and_fails_within_the_stated_hours() -> None:
    world = make_world(worn=WornSettings())
    world.begin_live()
    world.step(microseconds(START) + 4 * HOUR_US)
    assert 0.93 < world.course("L2-press").life.wear[0] < 0.985
    world.step(microseconds(START) + 32 * HOUR_US)
    failed = [line for line in world.take_truth() if line["kind"] == "failed" and line["machine"] == "L2-press"]
    assert [line["mode"] for line in failed] == ["bearing"]
    assert START + timedelta(hours=14) < datetime.fromisoformat(str(failed[0]["at"])) < START + timedelta(hours=31)


def test_world_goes_on_from_its_checkpoint_as_if_never_stopped(tmp_path: Path) -> None:
    world = make_world()
    world.apply_plan(make_plan((a_run("shaft", 0, 9, 10_000),), (a_window("L2-mill", 2, 3.0),)))
    world.break_machine("L1-oven", wear=0.95, hours_left=2.0)
    world.step(microseconds(START) + 3 * HOUR_US)
    save(world, tmp_path / "world.json")
    restored = load(
        tmp_path / "world.json",
        plant=FACTS.plant,
        products=FACTS.products,
        capabilities=FACTS.capabilities,
        calendar=FACTS.calendar,
        settings=world.settings,
    )
    world.take_truth()
    until_us = microseconds(START) + 9 * HOUR_US
    assert restored.step(until_us) == world.step(until_us)
    assert restored.take_truth() == world.take_truth()
    assert restored.course("L2-mill").phase is Phase.READY


def test_machine_that_the_plant_does_not_have_is_named() -> None:
    world = make_world()
    with pytest.raises(KeyError, match="L9-press"):
        world.break_machine("L9-press")
    with pytest.raises(KeyError, match="bearing, seal"):
        world.break_machine("L1-press", mode="rust")


def test_settings_that_do_not_fit_the_plant_are_all_reported() -> None:
    assert check(SimulatorSettings(), FACTS.plant) == ()
    bad = SimulatorSettings(topic="{entreprise}/x", worn=WornSettings(machine="L2-pres"))
    faults = check(bad, FACTS.plant)
    assert [fault.where for fault in faults] == ["simulator.topic", "simulator.worn.machine"]
    assert "L2-press" in faults[1].expected
    (fault,) = check(SimulatorSettings(worn=WornSettings(mode="rust")), FACTS.plant)
    assert "bearing, seal" in fault.expected


def test_plant_that_makes_nothing_yet_stands_idle() -> None:
    world = World(
        FACTS.plant,
        products=(),
        capabilities=(),
        calendar=FACTS.calendar,
        settings=SimulatorSettings(worn=None),
        start=START,
    )
    readings = world.step(microseconds(START) + HOUR_US // 10)
    assert {reading.values["state"] for reading in readings} == {"Idle"}
    assert all("product" not in reading.values for reading in readings)
