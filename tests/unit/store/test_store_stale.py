"""Values whose source was declared dead: the last known ones, told apart until a newer one comes."""

from datetime import timedelta
from pathlib import Path

from plant.clock import PlantClock
from plant.signals import Quality
from store.embedded.reader import open_reader
from store.embedded.writer import open_writer
from tests.contract.batches import PLANT, at, batch, row

DEAD = {"quality": int(Quality.STALE)}


def stale(folder: Path) -> dict[tuple[str, str], bool]:
    reader = open_reader(folder, plant=PLANT)
    try:
        return {(value.machine, value.signal): value.stale for value in reader.last_values()}
    finally:
        reader.close()


def test_values_are_stale_after_their_source_died_and_fresh_with_the_next_one(open_store, folder: Path) -> None:
    writer = open_store()
    writer.write(batch(row("L1-press", 0, temperature_c=40.0, state="Execute"), row("L2-press", 0, temperature_c=1.0)))
    assert not any(stale(folder).values())
    receipt = writer.write(batch(row("L1-press", 5, received=6, **DEAD)))
    assert (receipt.stored, receipt.samples_stored) == (1, 0)
    writer.seal()
    assert stale(folder) == {
        ("L1-press", "temperature_c"): True,
        ("L1-press", "state"): True,
        ("L2-press", "temperature_c"): False,
    }
    window = writer.read(["L1-press"], start=at(0), end=at(10), step=timedelta(seconds=5))["L1-press"]
    assert [bool(flag & Quality.STALE) for flag in window.quality] == [False, True]
    writer.write(batch(row("L1-press", 9, temperature_c=41.0)))
    writer.seal()
    assert stale(folder)["L1-press", "temperature_c"] is False
    assert stale(folder)["L1-press", "state"] is True


def test_a_late_value_of_before_the_death_leaves_its_signal_stale(open_store, folder: Path) -> None:
    writer = open_store()
    writer.write(batch(row("L1-press", 10, temperature_c=40.0), row("L1-press", 11, received=12, **DEAD)))
    writer.write(batch(row("L1-press", 4, received=20, temperature_c=39.0)))  # historical: the newest one stays
    writer.seal()
    (value,) = writer.last_values(["L1-press"])
    assert (value.value, value.stale) == (40.0, True)


def test_order_within_one_read_decides_between_death_and_birth(open_store) -> None:
    writer = open_store()
    life = row("L1-press", 10, received=20, temperature_c=40.0)
    death = row("L1-press", 20, received=20, **DEAD)
    writer.write(batch(life, death))
    assert [value.stale for value in writer.last_values(["L1-press"])] == [True]
    writer.write(batch(row("L2-press", 20, received=20, **DEAD), row("L2-press", 21, received=20, temperature_c=1.0)))
    assert [value.stale for value in writer.last_values(["L2-press"])] == [False]


def test_staleness_survives_a_restart(open_store, folder: Path) -> None:
    writer = open_store()
    writer.write(batch(row("L1-press", 0, temperature_c=40.0), row("L1-press", 5, **DEAD)))
    writer.close()
    with_hot_rows = open_writer(folder, plant=PLANT, clock=PlantClock())
    assert [value.stale for value in with_hot_rows.last_values()] == [True]
    with_hot_rows.write(batch(row("L1-press", 6, temperature_c=41.0)))
    assert [value.stale for value in with_hot_rows.last_values()] == [False]
    with_hot_rows.close()


def test_readers_know_what_the_writer_knows_between_two_times_of_persisting(open_store, folder: Path) -> None:
    writer = open_store()
    writer.write(batch(row("L1-press", 0, temperature_c=0.0, state="Idle")))
    reader = open_reader(folder, plant=PLANT)
    for number in range(1, 20):
        late = row("L2-press", 100 - number, received=100 + number, temperature_c=float(number))
        dead = [row("L1-press", number, received=number + 1, **DEAD)] if number % 5 == 0 else []
        writer.write(batch(row("L1-press", number, temperature_c=float(number)), late, *dead))
        if number == 11:
            writer.seal()
        assert reader.last_values() == writer.last_values()
    reader.close()
