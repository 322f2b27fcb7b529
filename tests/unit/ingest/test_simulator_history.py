"""History: enough failures to learn from, in the columns of live, ending where live begins."""

import csv
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ingest.simulator.canonical import demo_facts
from ingest.simulator.export import export
from ingest.simulator.history import History, generate
from ingest.simulator.settings import SimulatorSettings
from plant.assets import SignalKind
from plant.clock import microseconds

UNTIL = datetime(2026, 11, 22, 18, tzinfo=UTC)
FACTS = demo_facts(UNTIL)


def make_history(**changes: object) -> History:
    return generate(
        FACTS.plant,
        products=FACTS.products,
        capabilities=FACTS.capabilities,
        calendar=FACTS.calendar,
        settings=SimulatorSettings.model_validate(changes),
        until=UNTIL,
    )


@pytest.fixture(scope="module")
def history() -> History:
    return make_history(history_h=3000)


def test_history_has_enough_failures_of_each_class_and_mode(history: History) -> None:
    failed = [one for one in history.renewals if one.kind == "failed"]
    by_class = Counter(FACTS.plant.class_of(one.machine).name for one in failed)
    assert all(15 <= by_class[name] <= 32 for name in ("press", "mill", "oven", "packer")), by_class
    modes = Counter(one.mode for one in failed)
    assert all(modes[mode] >= 2 for mode in ("bearing", "seal", "spindle", "tool", "fan", "heater", "belt", "gripper"))
    assert modes["shock"] <= 0.15 * len(failed)
    assert any(one.kind == "maintained" for one in history.renewals)


def test_history_is_in_the_columns_of_a_batch(history: History) -> None:
    for batch in history.batches:
        assert set(batch.tables) == {"press", "mill", "oven", "packer"}
        indices = np.concatenate([table["message"].to_numpy() for table in batch.tables.values()])
        assert sorted(indices.tolist()) == list(range(batch.messages))
        for name, table in batch.tables.items():
            for signal in FACTS.plant.class_index[name].signals:
                text = signal.kind in (SignalKind.STATE, SignalKind.EVENT)
                assert str(table.schema.field(signal.name).type) == ("string" if text else "double")
            assert [str(table.schema.field(column).type) for column in ("machine", "observed_at", "received_at")] == [
                "string",
                "int64",
                "int64",
            ]
    assert history.batches[-1].received[0] == sum(batch.messages for batch in history.batches) == 12 * 18_000


def test_history_ends_exactly_where_live_begins(history: History) -> None:
    first = min(table["observed_at"][0].as_py() for table in history.batches[0].tables.values())
    last = max(table["observed_at"][-1].as_py() for table in history.batches[-1].tables.values())
    assert last == microseconds(UNTIL) == history.world.at_us
    assert first == microseconds(UNTIL - timedelta(hours=3000) + timedelta(minutes=10))


def test_live_continues_the_counters_of_history() -> None:
    short = make_history(history_h=60)
    table = short.batches[-1].tables["press"].to_pylist()[-1]
    reading = next(one for one in short.world.step(short.world.at_us + 60_000_000) if one.machine == table["machine"])
    assert 0.0 <= float(reading.values["energy_kwh"]) - table["energy_kwh"] < 2.0
    assert 0.0 <= float(reading.values["good_parts"]) - table["good_parts"] < 10.0


def test_renewals_agree_with_the_events_in_the_readings(history: History) -> None:
    told = {
        (row["machine"], row["observed_at"], row["maintenance"])
        for batch in history.batches
        for table in batch.tables.values()
        for row in table.select(["machine", "observed_at", "maintenance"])
        .filter(table["maintenance"].is_valid())
        .to_pylist()
    }
    noted = {(one.machine, microseconds(one.at), one.kind) for one in history.renewals if one.at < UNTIL}
    assert noted <= told
    assert len(told - noted) <= 1


def test_plant_is_in_order_when_live_begins_but_for_the_worn_machine(history: History) -> None:
    for course in history.world.courses:
        if course.name != "L2-press":
            assert max(course.life.wear) < 0.75
    worn = history.world.course("L2-press")
    assert 0.7 < worn.life.wear[0] < 0.9
    assert worn.life.wear[1] < 0.5
    assert all(course.is_ready or not course.is_down for course in history.world.lines[1].machines)


def test_history_is_repeatable_and_its_seed_matters() -> None:
    first, again, other = make_history(history_h=60), make_history(history_h=60), make_history(history_h=60, seed=1)
    assert [batch.tables for batch in first.batches] == [batch.tables for batch in again.batches]
    assert first.truth == again.truth
    assert [batch.tables for batch in first.batches] != [batch.tables for batch in other.batches]


def test_truth_is_not_among_the_readings(history: History) -> None:
    assert {line["kind"] for line in history.truth} >= {"wear", "failed", "repaired", "maintained"}
    for table in history.batches[0].tables.values():
        assert not {"wear", "mode", "failed"} & set(table.schema.names)


def test_export_writes_files_that_add_up(tmp_path: Path) -> None:
    history = make_history(history_h=160)
    written = export(history, tmp_path)
    with written.readings.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == written.rows == 12 * 960
    assert rows[0]["observed_at"].endswith("Z")
    with written.failures.open(encoding="utf-8") as file:
        failures = list(csv.DictReader(file))
    assert len(failures) == sum(one.kind == "failed" for one in history.renewals)
    kinds = Counter(json.loads(line)["kind"] for line in written.truth.read_text(encoding="utf-8").splitlines())
    assert kinds["failed"] == len(failures)
    assert kinds["wear"] == 12 * 160
