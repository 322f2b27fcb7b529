"""Sealing, merging and what stays recognised, looked at from the folder."""

import sqlite3
from pathlib import Path

import pyarrow.parquet as pq

from store.embedded.layout import hot_path
from store.embedded.reader import open_reader
from tests.contract.batches import PLANT, at, batch, row, series
from tests.unit.store.conftest import Open


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "segments").glob("*/*.parquet"))


def test_seal_moves_hot_rows_into_one_file_per_class_sorted_by_machine_and_time(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write(batch(*series("L2-press", 30, message=0), *series("L1-press", 30, message=30)))
    store.write(batch(row("L1-oven", 0, pressure_bar=1.5)))
    assert store.seal() == 61
    table = pq.read_table(next(path for path in segments(folder) if path.parent.name == "press"))
    assert table.column_names[:4] == ["machine", "observed_at", "received_at", "quality"]
    assert table["machine"].to_pylist() == ["L1-press"] * 30 + ["L2-press"] * 30
    assert table["good_parts"].to_pylist() == [float(index) for index in range(30)] * 2
    assert len(segments(folder)) == 2
    assert store.seal() == 0


def test_write_seals_by_itself_when_span_and_rows_are_reached(open_store: Open, folder: Path) -> None:
    store = open_store(seal_span_s=60, seal_rows=50)
    store.write(batch(*series("L1-press", 49, step_s=10)))
    assert segments(folder) == []
    store.write(batch(*series("L1-press", 1, first=49, step_s=10)))
    assert len(segments(folder)) == 1
    store.write(batch(*series("L1-press", 60, first=50, step_s=0.5)))
    assert len(segments(folder)) == 1


def test_write_seals_by_itself_when_the_hot_part_is_large(open_store: Open, folder: Path) -> None:
    store = open_store(seal_bytes=2_000)
    store.write(batch(*series("L1-press", 500, step_s=0.001)))
    assert len(segments(folder)) == 1


def test_ledger_learns_at_sealing_that_old_messages_came_again(open_store: Open) -> None:
    store = open_store(window_rows=0)
    store.write(batch(*series("L1-press", 40)))
    store.seal()
    again = store.write(batch(*series("L1-press", 40), row("L1-press", 50, temperature_c=1.0, message=40), received=81))
    assert again.stored == 41  # recognised later
    store.seal()
    (line,) = store.ledger()
    assert (line.received, line.stored, line.duplicate, line.in_flight) == (81, 41, 40, 0)
    assert (line.samples_stored, line.samples_duplicate) == (121, 120)
    assert len(store.read(["L1-press"], start=at(0), end=at(100))["L1-press"]) == 41


def test_sealed_rows_are_recognised_at_once_when_the_store_was_opened_again(open_store: Open) -> None:
    first = open_store()
    first.write(batch(*series("L1-press", 40)))
    first.seal()
    first.write(batch(*series("L1-press", 10, first=40), received=50))
    first.close()
    second = open_store()
    receipt = second.write(batch(*series("L1-press", 51), run="next"))
    assert (receipt.stored, receipt.duplicate) == (1, 50)


def test_late_revision_of_a_sealed_value_wins_and_the_older_answers_as_of(open_store: Open) -> None:
    store = open_store(window_rows=0)
    store.write(batch(*series("L1-press", 20)))
    store.seal()
    for _ in ("hot", "sealed", "merged"):
        store.write(batch(row("L1-press", 7, temperature_c=70.0, received=500)))
        new = store.read(["L1-press"], start=at(7), end=at(8))["L1-press"]
        old = store.read(["L1-press"], start=at(7), end=at(8), as_of=at(400))["L1-press"]
        assert (new.values["temperature_c"].tolist(), new.values["good_parts"].tolist()) == ([70.0], [7.0])
        assert old.values["temperature_c"].tolist() == [7.0]
        store.seal()
    (line,) = store.ledger()
    assert (line.stored, line.duplicate) == (21, 2)


def test_compaction_keeps_files_few_and_every_row_once(open_store: Open, folder: Path) -> None:
    store = open_store(unlink_after_s=0, seal_rows=10, seal_span_s=1, merge_segments=2)
    for first in range(0, 300, 10):
        store.write(batch(*series("L1-press", 10, first=first)))
    store.seal()
    assert len(segments(folder)) < 20
    window = store.read(["L1-press"], start=at(0), end=at(1000))["L1-press"]
    assert window.values["good_parts"].tolist() == [float(index) for index in range(300)]


def test_files_stay_for_slow_readers_after_they_left_the_manifest(open_store: Open, folder: Path) -> None:
    store = open_store(unlink_after_s=3600)
    for first in range(0, 40, 10):
        store.write(batch(*series("L1-press", 10, first=first)))
        store.seal()
    assert store.compact() == 1
    with sqlite3.connect(hot_path(folder)) as connection:
        listed = {file for (file,) in connection.execute("SELECT file FROM segments")}
        waiting = {file for (file,) in connection.execute("SELECT file FROM retired")}
    connection.close()
    assert waiting
    assert {f"press/{path.name}" for path in segments(folder)} == listed
    assert {f"press/{path.name}" for path in (folder / "retired" / "press").iterdir()} == waiting
    store.close()
    open_store(unlink_after_s=0).close()
    assert {f"press/{path.name}" for path in segments(folder)} == listed


def test_open_removes_what_a_crash_left_half_done(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write(batch(*series("L1-press", 10)))
    store.seal()
    store.close()
    (sealed,) = segments(folder)
    (sealed.parent / "20260101T000000-99.parquet").write_bytes(b"half a file")
    open_store()
    assert segments(folder) == [sealed]


def test_retain_lets_go_of_old_segments(open_store: Open) -> None:
    store = open_store()
    for first in (0, 1000):
        store.write(batch(*series("L1-press", 10, first=first)))
        store.seal()
    assert store.retain(at(500)) == 1
    window = store.read(["L1-press"], start=at(0), end=at(2000))["L1-press"]
    assert window.values["good_parts"].tolist() == [float(index) for index in range(1000, 1010)]


def test_reader_follows_the_hot_part_through_sealing(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write(batch(*series("L1-press", 10)))
    reader = open_reader(folder, plant=PLANT)
    version = reader.version()
    for first in (10, 20, 30):
        store.write(batch(*series("L1-press", 10, first=first)))
        if first == 20:
            store.seal()
        window = reader.read(["L1-press"], signals=["good_parts"], start=at(0), end=at(99))["L1-press"]
        assert window.values["good_parts"].tolist() == [float(index) for index in range(first + 10)]
    assert reader.version() > version
    reader.close()
    reader.close()


def test_open_finds_columns_that_the_plant_no_longer_has_and_those_it_has_now(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write(batch(row("L1-press", 0, temperature_c=1.0)))
    store.write(batch(row("L1-press", 1, current_a=2.0)))
    store.seal()
    table = pq.read_table(segments(folder)[0])
    assert table["temperature_c"].to_pylist() == [1.0, None]
    assert "state" not in table.column_names
    window = store.read(["L1-press"], start=at(0), end=at(2))["L1-press"]
    assert window.states["state"].tolist() == [None, None]
