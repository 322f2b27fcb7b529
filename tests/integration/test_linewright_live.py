"""Running lives from a real store, minute by minute, are those that reading everything gives; late data heals."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from analytics.lives import Life, Renewal, current_lives
from analytics.model_settings import ModelSettings
from analytics.streaming import compact, memory_for
from linewright.live import REREAD, LiveLives
from linewright.pipeline import look_back
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.wiring import Keeper, StoreReader, open_keeper, open_site, open_store
from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind, SignalRole
from plant.clock import microseconds
from plant.quantities import Quantity
from plant.signals import Batch

BEGIN = datetime(2026, 11, 1, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MEMORY = memory_for(ModelSettings(scales_rows=(2, 4), baseline_rows=5))
PUMP = MachineClass(
    name="pump",
    signals=(
        Signal(name="temperature_c", quantity=Quantity.TEMPERATURE),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE, role=SignalRole.STATE),
    ),
)
NAMES = ("P1", "P2", "P3")
MACHINES = tuple(Machine(name=name, label=name, line="L1", machine_class="pump") for name in NAMES)
LINES = (Line(name="L1", label="Line 1", area="hall", machines=MACHINES),)
PLANT = Plant(enterprise="acme", site="linz", timezone="UTC", currency="EUR", lines=LINES, classes=(PUMP,))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    write_template(tmp_path)
    return replace(open_site(tmp_path, environ={}), plant=PLANT, capabilities=(), simulator=None)


@pytest.fixture
def writer(site: Site) -> Iterator[Keeper]:
    opened = open_keeper(site)
    yield opened
    opened.close()


@pytest.fixture
def store(site: Site, writer: Keeper) -> Iterator[StoreReader]:
    opened = open_store(site)
    yield opened
    opened.close()


def write(writer: Keeper, run: str, minutes: range, *, names: tuple[str, ...] = NAMES) -> None:
    """A message per machine and minute; now and then a machine stops."""
    rows = [(name, minute) for minute in minutes for name in names]
    observed = [microseconds(BEGIN + minute * MINUTE) for _, minute in rows]
    table = pa.table(
        {
            "machine": pa.array([name for name, _ in rows], pa.string()),
            "observed_at": pa.array(observed, pa.int64()),
            "received_at": pa.array(observed, pa.int64()),
            "message": pa.array(range(len(rows)), pa.int32()),
            "quality": pa.array([0] * len(rows), pa.uint8()),
            "temperature_c": pa.array([60 + np.sin(minute + ord(name[1])) for name, minute in rows], pa.float64()),
            "state": pa.array(["Held" if minute % 97 < 4 else "Execute" for _, minute in rows], pa.string()),
        }
    )
    counted = np.zeros(len(rows), dtype=np.int16)
    writer.write(
        Batch(run=run, tables={"pump": table}, filters=("f",), message_filter=counted, received=np.array([len(rows)]))
    )


def whole(store: StoreReader, *, now: datetime, renewals: list[Renewal]) -> tuple[Life, ...]:
    renewed_at = {each.machine: each.at for each in renewals}
    windows = look_back(store, machine_class=PUMP, machines=NAMES, renewed_at=renewed_at, now=now)
    lives = current_lives(windows, machine_class=PUMP, renewals=renewals)
    return tuple(compact(life, memory=MEMORY) for life in lives)


def look(
    live: LiveLives, store: StoreReader, *, now: datetime, renewals: list[Renewal], model: str = "v1"
) -> tuple[Life, ...]:
    return live.look(store, machine_class=PUMP, machines=NAMES, renewals=renewals, model=model, memory=MEMORY, now=now)


def same(ours: tuple[Life, ...], theirs: tuple[Life, ...]) -> bool:
    return all(
        np.array_equal(one.observed_at_us, other.observed_at_us)
        and np.allclose(one.age_units, other.age_units, atol=1e-9)
        and np.allclose(one.values, other.values, atol=1e-12, equal_nan=True)
        for one, other in zip(ours, theirs, strict=True)
    )


def test_looking_on_equals_reading_all_through_renewals_models_and_late_readings(
    writer: Keeper, store: StoreReader
) -> None:
    run = writer.begin_run(("f",))
    live = LiveLives()
    renewals: list[Renewal] = []
    write(writer, run, range(600))
    late = range(610, 640)
    for minute in range(600, 800, 7):
        rows = range(minute, minute + 7)
        on_time = NAMES if not set(rows) & set(late) else NAMES[1:]  # P1 is held up for half an hour
        write(writer, run, rows, names=on_time)
        if minute == 649:  # and delivers within the hour
            write(writer, run, range(607, 649), names=("P1",))
        if minute == 705:
            renewals.append(Renewal(machine="P2", kind="maintained", at=BEGIN + 701 * MINUTE))
        now = BEGIN + (minute + 7) * MINUTE
        lives = look(live, store, now=now, renewals=renewals, model="v1" if minute < 750 else "v2")
        assert same(lives, whole(store, now=now, renewals=renewals)), minute
    assert len(lives[1]) < 12


def test_reading_on_reads_only_what_is_new(writer: Keeper, store: StoreReader) -> None:
    run = writer.begin_run(("f",))
    live = LiveLives()
    write(writer, run, range(2000))
    look(live, store, now=BEGIN + 2000 * MINUTE, renewals=[])
    asked = []

    class Watched:
        def read(self, machines, **how):
            asked.append((len(machines), how["end"] - how["start"]))
            return store.read(machines, **how)

    look(live, Watched(), now=BEGIN + 2001 * MINUTE, renewals=[])
    assert [count for count, _ in asked] == [len(NAMES)]
    assert asked[0][1] < timedelta(hours=1, minutes=25)


def test_what_comes_after_an_outage_of_hours_is_seen_at_once(writer: Keeper, store: StoreReader) -> None:
    run = writer.begin_run(("f",))
    live = LiveLives()
    write(writer, run, range(600), names=("P2",))
    write(writer, run, range(300), names=("P1",))  # P3 was never heard of
    now = BEGIN + 600 * MINUTE
    look(live, store, now=now, renewals=[])
    write(writer, run, range(300, 500), names=("P1",))
    write(writer, run, range(500), names=("P3",))
    for later in (MINUTE, 2 * MINUTE):
        lives = look(live, store, now=now + later, renewals=[])
        assert same(lives, whole(store, now=now + later, renewals=[]))


def test_what_comes_hours_late_behind_newer_readings_is_seen_when_the_life_is_read_whole_again(
    writer: Keeper, store: StoreReader
) -> None:
    run = writer.begin_run(("f",))
    live = LiveLives()
    write(writer, run, range(600), names=("P2", "P3"))
    write(writer, run, range(300), names=("P1",))
    write(writer, run, range(500, 600), names=("P1",))
    now = BEGIN + 600 * MINUTE
    look(live, store, now=now, renewals=[])
    write(writer, run, range(300, 500), names=("P1",))
    before = look(live, store, now=now + MINUTE, renewals=[])
    assert not same(before, whole(store, now=now + MINUTE, renewals=[]))
    write(writer, run, range(600, 1000))
    healed = look(live, store, now=now + REREAD, renewals=[])
    assert same(healed, whole(store, now=now + REREAD, renewals=[]))
