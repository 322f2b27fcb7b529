"""Assess 1,000 machines x 20 signals each minute on one core: CPU seconds per minute of plant, from store to records.

    python tests/benchmarks/risk_live.py [--machines 1000] [--minutes 10] [--history-h 30]

A plant of one class with 20 signals, a message per machine and minute in the embedded store; a model of the product's
default settings trained on lives of such machines. The first look reads every life whole, the next ones go on. What
ingest spends on the same readings is not counted. With `--batch` each look reads every life whole, for comparison.
"""

import argparse
import shutil
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from analytics.lives import Life
from analytics.model_settings import ModelSettings
from analytics.normality_live import learn_from_lives
from analytics.registry import promote, save_model
from analytics.training import Model, train
from linewright.judging import Judge, assess_plant
from linewright.settings.template import write_template
from linewright.wiring import open_keeper, open_records, open_site, open_store
from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind, SignalRole
from plant.clock import microseconds
from plant.quantities import Quantity
from plant.signals import Batch

SIGNALS = 20
MINUTE_US = 60_000_000
PER_LINE = 10
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
PUMP = MachineClass(
    name="pump",
    signals=(
        *(Signal(name=f"temperature_{n}_c", quantity=Quantity.TEMPERATURE) for n in range(SIGNALS)),
        Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE, role=SignalRole.STATE),
    ),
)


def plant_of(machines: int) -> Plant:
    """Lines of ten pumps."""
    names = [f"P{n:04d}" for n in range(machines)]
    lines = [
        Line(
            name=f"L{first}",
            label=f"Line {first}",
            area="hall",
            machines=tuple(
                Machine(name=name, label=name, line=f"L{first}", machine_class="pump")
                for name in names[first : first + PER_LINE]
            ),
        )
        for first in range(0, machines, PER_LINE)
    ]
    return Plant(enterprise="acme", site="linz", timezone="UTC", currency="EUR", lines=tuple(lines), classes=(PUMP,))


def trained(seed: int = 1) -> tuple[Model, list[Life]]:
    """A model of the default settings on 30 lives at 10-minute rows, and those lives."""
    rng = np.random.default_rng(seed)
    lives = []
    for number in range(30):
        rows = int(rng.integers(250, 450))
        wear = np.linspace(0, 1, rows)[:, None] ** 3 * rng.uniform(4, 8, SIGNALS)
        lives.append(
            Life(
                machine=f"T{number}",
                machine_class="pump",
                signals=tuple(signal.name for signal in PUMP.signals[:SIGNALS]),
                settings=(),
                observed_at_us=np.arange(rows, dtype=np.int64) * 10 * MINUTE_US,
                age_units=np.arange(rows) / 6.0,
                values=60 + wear + rng.normal(0, 1, (rows, SIGNALS)),
                failed=number % 3 < 2,
                row_units=1 / 6,
            )
        )
    model = train(lives, machine_class=PUMP, settings=ModelSettings(), seed=seed)
    assert isinstance(model, Model)
    return model, lives


def minutes_of(plant: Plant, *, first: int, count: int, run: str, rng: np.random.Generator) -> Batch:
    """A message per machine and minute."""
    names = [machine.name for machine in plant.machines]
    rows = len(names) * count
    observed = microseconds(BEGIN) + (first + np.repeat(np.arange(count), len(names))) * MINUTE_US
    columns = {
        "machine": pa.array(names * count, pa.string()),
        "observed_at": pa.array(observed, pa.int64()),
        "received_at": pa.array(observed + 1_000_000, pa.int64()),
        "message": pa.array(np.arange(rows), pa.int32()),
        "quality": pa.array(np.zeros(rows), pa.uint8()),
        **{f"temperature_{n}_c": pa.array(60 + rng.normal(0, 1, rows)) for n in range(SIGNALS)},
        "state": pa.array(["Execute"] * rows, pa.string()),
    }
    return Batch(
        run=run,
        tables={"pump": pa.table(columns)},
        filters=("bench",),
        message_filter=np.zeros(rows, dtype=np.int16),
        received=np.full(1, (first + count) * len(names), dtype=np.int64),
    )


def measure(machines: int, *, minutes: int, history_h: int, folder: Path, whole: bool) -> None:
    """Print CPU seconds of the first look and of each one after it."""
    write_template(folder)
    site = replace(open_site(folder, environ={}), plant=plant_of(machines), capabilities=(), simulator=None)
    rng = np.random.default_rng(0)
    model, lives = trained()
    saved = save_model(model, folder=site.data / "models", created_at=BEGIN)
    promote("pump", version=saved.version, folder=site.data / "models")
    learn_from_lives(lives, alarms_per_week=1.0, folder=site.data / "models", created_at=BEGIN)
    writer = open_keeper(site)
    run = writer.begin_run(("bench",))
    for hour in range(history_h):
        writer.write(minutes_of(site.plant, first=hour * 60, count=60, run=run, rng=rng))
    store, records = open_store(site), open_records(site)
    judge = Judge(site=site, store=store, records=records)
    spent = []
    for minute in range(minutes + 1):
        now = BEGIN + timedelta(hours=history_h, minutes=minute + 1)
        writer.write(minutes_of(site.plant, first=history_h * 60 + minute, count=1, run=run, rng=rng))
        if whole:
            judge.lives.clear()
        begun = time.process_time()
        assess_plant(judge, now=now)
        spent.append(time.process_time() - begun)
        print(f"look {minute}: {spent[-1]:.2f} CPU s", flush=True)
    kept = sum(
        each.stream.life.values.nbytes
        for live in judge.lives.values()
        for each in live.tracked.values()
        if each.stream.life is not None
    )
    later = sorted(spent[1:])
    print(
        f"{machines} machines x {SIGNALS} signals, {history_h} h of history: first look {spent[0]:.2f} CPU s, then "
        f"median {later[len(later) // 2]:.2f}, greatest {later[-1]:.2f} CPU s per minute; {kept / 1e6:.0f} MB kept"
    )
    for each in (writer, store, records):
        each.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--history-h", type=int, default=30)
    parser.add_argument("--batch", action="store_true")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="risk-live-"))
    try:
        measure(given.machines, minutes=given.minutes, history_h=given.history_h, folder=home, whole=given.batch)
    finally:
        shutil.rmtree(home)
