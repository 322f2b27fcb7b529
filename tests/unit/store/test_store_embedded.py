"""The embedded writer: runs, quarantine, last values, and what it says when the folder lets it down."""

import logging
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from plant.clock import PlantClock
from plant.errors import Unavailable
from store.embedded.reader import open_reader
from store.embedded.writer import EmbeddedWriter, open_writer
from tests.contract.batches import FILTER, PLANT, at, batch, row, series
from tests.unit.store.conftest import Open


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


def test_open_writer_says_who_writes_when_there_is_one_already(open_store: Open, folder: Path) -> None:
    open_store()
    with pytest.raises(Unavailable, match="already being written by process"):
        open_writer(folder, plant=PLANT, clock=PlantClock())


def test_open_reader_says_what_to_start_when_there_is_no_store(folder: Path) -> None:
    with pytest.raises(Unavailable, match=r"There is no store at .* yet\. Start `linewright ingest`"):
        open_reader(folder, plant=PLANT)


def test_open_writer_is_unavailable_when_a_file_is_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("not a folder")
    with pytest.raises(Unavailable, match=r"Cannot use the store at .*blocked"):
        open_writer(tmp_path / "blocked", plant=PLANT, clock=PlantClock())


def test_store_of_a_newer_format_is_refused_with_its_number(open_store: Open, folder: Path) -> None:
    open_store().close()
    connection = sqlite3.connect(folder / "hot.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(Unavailable, match="is of format 99; this version reads up to 5"):
        open_store()
    with pytest.raises(Unavailable, match="is of format 99"):
        open_reader(folder, plant=PLANT)


def test_write_is_unavailable_when_the_disk_is_full_and_goes_on_once_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    store = open_writer(small_disk / "site", plant=PLANT, clock=PlantClock())
    store.write(batch(*series("L1-press", 10)))
    _fill(ballast)
    with pytest.raises(Unavailable, match="disk"):
        _write_for_ever(store)
    kept = len(store.read(["L1-press"], start=at(0), end=at(9_999))["L1-press"])
    ballast.unlink()
    receipt = store.write(batch(*series("L1-press", 1, first=6_000), received=9_999))
    assert receipt.stored == 1
    assert len(store.read(["L1-press"], start=at(0), end=at(9_999))["L1-press"]) == kept + 1
    assert {value.value for value in store.last_values() if value.signal == "good_parts"} == {6_000.0}
    assert store.ledger()[0].stored == kept + 1
    store.close()


def test_read_only_folder_is_named_to_a_writer_and_still_read(small_disk: Path) -> None:
    store = open_writer(small_disk / "site", plant=PLANT, clock=PlantClock())
    store.write(batch(*series("L1-press", 10)))
    store.seal()
    store.write(batch(*series("L1-press", 10, first=10)))
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(Unavailable, match=r"Cannot use the store at .*Read-only file system.*writable"):
        open_writer(small_disk / "site", plant=PLANT, clock=PlantClock())
    reader = open_reader(small_disk / "site", plant=PLANT)
    assert len(reader.read(["L1-press"], start=at(0), end=at(99))["L1-press"]) == 20
    assert reader.ledger()[0].stored == 20
    reader.close()


def test_write_refuses_what_the_plant_does_not_have(open_store: Open) -> None:
    store = open_store()
    good = batch(row("L1-press", 0, temperature_c=1.0))
    table = good.tables["press"].rename_columns(
        ["humidity" if name == "current_a" else name for name in good.tables["press"].column_names]
    )
    with pytest.raises(ValueError, match="Machine class press has no signal humidity"):
        store.write(replace(good, tables={"press": table}))
    with pytest.raises(ValueError, match="no machine class lathe; there are press, oven"):
        store.write(replace(good, tables={"lathe": good.tables["press"]}))
    assert store.ledger() == []


def test_run_that_was_never_ended_leaves_nothing_in_flight_once_the_next_begins(open_store: Open) -> None:
    store = open_store()
    run = store.begin_run((FILTER,))
    store.note_received(run, [25])
    store.write(batch(*series("L1-press", 10), run=run))
    assert store.ledger()[0].in_flight == 15
    following = store.begin_run((FILTER,))
    assert following != run
    store.write(batch(*series("L1-press", 25), run=following))
    store.end_run(following)
    (line,) = store.ledger()
    assert (line.received, line.stored, line.duplicate, line.in_flight) == (35, 25, 10, 0)


def test_open_closes_the_run_of_a_killed_writer(open_store: Open, folder: Path) -> None:
    store = open_store()
    run = store.begin_run((FILTER,))
    store.note_received(run, [7])
    store._connection.close()  # as a kill does: nothing is closed, only the lock goes
    store._lock.release()
    again = open_store()
    assert again.ledger()[0].in_flight == 0
    assert again.begin_run((FILTER,)) != run
    store._closed = True


def test_quarantine_keeps_message_and_reason_until_it_is_removed(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write(batch(rejected=[0, 1]))
    reader = open_reader(folder, plant=PLANT)
    newest, oldest = reader.quarantine()
    assert newest.number > oldest.number
    assert (newest.reason, newest.payload, newest.filter) == ("wrong_type", b'{"temperature_c": "hot"}', FILTER)
    assert reader.quarantine_item(oldest.number) == oldest
    assert store.quarantine_remove([oldest.number, 999]) == 1
    assert reader.quarantine_item(oldest.number) is None
    assert reader.quarantine(limit=10) == [newest]
    reader.close()


def test_a_released_message_leaves_quarantine_with_its_batch_and_stays_received_once(open_store: Open) -> None:
    store = open_store()
    store.write(batch(rejected=[0, 1]))
    again = replace(batch(row("L1-press", 0, temperature_c=1.0), run="later"), released=(2,))
    store.write(again)
    (line,) = store.ledger()
    assert (line.received, line.stored, line.quarantined, line.in_flight) == (2, 1, 1, 0)
    assert (line.samples_stored, line.samples_quarantined) == (1, 1)
    assert [message.number for message in store.quarantine()] == [1]


def test_quarantine_drops_the_oldest_and_says_so_when_it_is_full(
    open_store: Open, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(quarantine_max_bytes=100)  # four payloads of 24 bytes
    with caplog.at_level(logging.WARNING):
        for _ in range(6):
            store.write(batch(rejected=[0]))
    assert [message.number for message in store.quarantine()] == [6, 5, 4, 3]
    assert store.quarantine_dropped() == 2
    assert [record.message for record in caplog.records] == ["quarantine_dropped"] * 2
    assert store.ledger()[0].quarantined == 6


def test_last_values_are_read_from_another_connection_and_survive_a_kill(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write(batch(*series("L1-press", 5)))
    store.write(batch(*series("L1-press", 5, first=5)))
    reader = open_reader(folder, plant=PLANT)
    assert {value.value for value in reader.last_values() if value.signal == "good_parts"} == {9.0}
    store._connection.close()
    store._lock.release()
    store._closed = True
    again = open_store()
    assert {value.value for value in again.last_values() if value.signal == "good_parts"} == {9.0}
    again.close()
    assert {value.value for value in reader.last_values() if value.signal == "good_parts"} == {9.0}
    reader.close()


def test_sealing_that_fails_does_not_fail_the_write(
    open_store: Open, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(seal_span_s=1, seal_rows=1)
    (folder / "segments" / "press").write_text("a file where the class' folder should be")
    with caplog.at_level(logging.WARNING):
        receipt = store.write(batch(*series("L1-press", 10)))
    assert receipt.stored == 10
    assert [record.message for record in caplog.records] == ["sealing_failed"]
    (folder / "segments" / "press").unlink()
    assert store.seal() == 10


def _fill(ballast: Path) -> None:
    """Take what room there is."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass


def _write_for_ever(store: EmbeddedWriter) -> None:
    for first in range(10, 1_000_000, 500):
        store.write(batch(*series("L1-press", 500, first=first), received=first + 490))


def as_format_1(folder: Path) -> None:
    """Make a closed store look as version 0.1 first wrote it."""
    connection = sqlite3.connect(folder / "hot.db")
    for statement in (
        "DROP TABLE newest",
        "DROP TABLE damaged",
        "DROP TABLE rolled",
        "DROP TABLE removals",
        "ALTER TABLE segments DROP COLUMN revisions",
        "ALTER TABLE segments DROP COLUMN checksum",
        "ALTER TABLE segments DROP COLUMN rollups",
        "ALTER TABLE counts DROP COLUMN in_flight",
        "ALTER TABLE counts DROP COLUMN samples_received",
        "CREATE TABLE last_values (machine TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
        """INSERT INTO last_values VALUES ('L1-press', '{"state":["Idle",5,6],"good_parts":[7.0,8,9]}')""",
        "PRAGMA user_version=1",
    ):
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_store_of_format_1_is_brought_over_when_a_writer_opens_it(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write(batch(*series("L1-press", 10)))
    store.seal()
    store.close()
    as_format_1(folder)
    with pytest.raises(Unavailable, match="is of format 1; this version reads format 5"):
        open_reader(folder, plant=PLANT)
    again = open_store()
    assert {(v.signal, v.value, v.observed_at_us) for v in again.last_values()} == {
        ("state", "Idle", 5),
        ("good_parts", 7.0, 8),
    }
    assert len(again.read(["L1-press"], start=at(0), end=at(99))["L1-press"]) == 10
    again.write(batch(row("L1-press", 50, good_parts=50.0), received=11))
    again.close()
    reader = open_reader(folder, plant=PLANT)
    assert {value.signal: value.value for value in reader.last_values()} == {"state": "Idle", "good_parts": 50.0}
    reader.close()
