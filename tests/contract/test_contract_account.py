"""What every store accounts for: outcomes of messages, duplicates, revisions, last values."""

from pathlib import Path

from store.contract import TimeSeriesStore
from store.embedded.care import removed
from store.embedded.retention import Removal
from tests.contract.batches import START_US, at, batch, row, series


def test_write_counts_messages_and_samples_when_they_are_new(store: TimeSeriesStore) -> None:
    receipt = store.write(batch(*series("L1-press", 4), row("L1-oven", 0, pressure_bar=2.0, message=4)))
    (line,) = store.ledger()
    assert (receipt.stored, receipt.duplicate, receipt.quarantined, receipt.samples_stored) == (5, 0, 0, 13)
    assert (line.received, line.stored, line.samples_stored, line.in_flight) == (5, 5, 13, 0)


def test_ledger_counts_a_message_once_when_it_is_delivered_three_times(store: TimeSeriesStore) -> None:
    for delivery in range(3):
        store.write(batch(*series("L1-press", 20), received=20 * (delivery + 1)))
    (line,) = store.ledger()
    assert (line.received, line.stored, line.duplicate, line.in_flight) == (60, 20, 40, 0)
    assert (line.samples_stored, line.samples_duplicate) == (60, 120)
    window = store.read(["L1-press"], start=at(0), end=at(100))["L1-press"]
    assert window.values["temperature_c"].tolist() == [float(index) for index in range(20)]


def test_ledger_counts_a_repeated_row_as_duplicate_when_both_come_in_one_batch(store: TimeSeriesStore) -> None:
    receipt = store.write(
        batch(row("L1-press", 0, temperature_c=1.0, current_a=2.0), row("L1-press", 0, temperature_c=1.0))
    )
    assert (receipt.stored, receipt.duplicate, receipt.samples_stored, receipt.samples_duplicate) == (1, 1, 2, 1)


def test_read_gives_the_newest_value_when_a_sample_was_revised(store: TimeSeriesStore) -> None:
    store.write(batch(row("L1-press", 0, temperature_c=1.0, current_a=5.0)))
    store.write(batch(row("L1-press", 0, temperature_c=2.0, received=60), received=2))
    store.write(batch(row("L1-press", 0, temperature_c=1.0, received=120), received=3))
    now = store.read(["L1-press"], start=at(0), end=at(1))["L1-press"]
    between = store.read(["L1-press"], start=at(0), end=at(1), as_of=at(60))["L1-press"]
    first = store.read(["L1-press"], start=at(0), end=at(1), as_of=at(59))["L1-press"]
    before = store.read(["L1-press"], start=at(0), end=at(1), as_of=at(0.5))["L1-press"]
    assert now.values["temperature_c"].tolist() == [1.0]
    assert between.values["temperature_c"].tolist() == [2.0]
    assert between.values["current_a"].tolist() == [5.0]
    assert first.values["temperature_c"].tolist() == [1.0]
    assert len(before) == 0
    (line,) = store.ledger()
    assert (line.stored, line.duplicate, line.samples_stored) == (3, 0, 4)


def test_ledger_moves_only_the_samples_when_a_repeated_message_brings_one_more_signal(store: TimeSeriesStore) -> None:
    store.write(batch(row("L1-press", 0, temperature_c=1.0)))
    store.write(batch(row("L1-press", 0, temperature_c=1.0, state="Idle", received=9), received=2))
    (line,) = store.ledger()
    assert (line.stored, line.duplicate, line.samples_stored, line.samples_duplicate) == (2, 0, 2, 1)
    window = store.read(["L1-press"], start=at(0), end=at(1))["L1-press"]
    assert window.states["state"].tolist() == ["Idle"]
    assert window.values["temperature_c"].tolist() == [1.0]


def test_write_stores_the_sound_part_when_a_message_has_a_rejection(store: TimeSeriesStore) -> None:
    receipt = store.write(batch(row("L1-press", 0, temperature_c=1.0), rejected=[0, 1]))
    assert (receipt.stored, receipt.quarantined, receipt.samples_stored, receipt.samples_quarantined) == (0, 2, 1, 2)
    store.write(batch(row("L1-press", 0, temperature_c=1.0), rejected=[0, 1], received=4))
    (line,) = store.ledger()
    assert (line.stored, line.duplicate, line.quarantined, line.in_flight) == (0, 0, 4, 0)
    assert (line.samples_stored, line.samples_duplicate, line.samples_quarantined) == (1, 1, 4)


def test_write_never_calls_a_row_duplicate_when_it_has_no_device_time(store: TimeSeriesStore) -> None:
    flag = 64
    store.write(batch(row("L1-press", 0, temperature_c=1.0, quality=flag)))
    store.write(batch(row("L1-press", 0, temperature_c=1.0, quality=flag), received=2))
    (line,) = store.ledger()
    assert (line.stored, line.duplicate) == (2, 0)


def test_ledger_has_a_line_per_filter_when_there_are_several(store: TimeSeriesStore) -> None:
    store.write(batch(*series("L1-press", 10), filters=3, received=4))
    lines = store.ledger()
    assert [line.received for line in lines] == [4, 4, 4]
    assert [line.stored for line in lines] == [4, 3, 3]
    assert [line.in_flight for line in lines] == [0, 1, 1]


def test_write_counts_a_message_as_stored_when_it_was_kept_elsewhere(store: TimeSeriesStore) -> None:
    receipt = store.write(batch(row("L1-press", 0, temperature_c=1.0, message=1)))  # message 0 is an order, say
    assert (receipt.stored, receipt.duplicate, receipt.samples_stored) == (2, 0, 1)


def test_last_values_are_the_newest_observed_when_late_ones_come_after(store: TimeSeriesStore) -> None:
    store.write(batch(*series("L1-press", 20)))
    store.write(batch(row("L1-press", 5.5, temperature_c=99.0, current_a=7.0, received=200), received=21))
    last = {value.signal: value for value in store.last_values(["L1-press"])}
    assert (last["temperature_c"].value, last["state"].value, last["current_a"].value) == (19.0, "Execute", 7.0)
    assert last["temperature_c"].observed_at_us == START_US + 19_000_000
    assert store.last_values(["L2-press"]) == []
    assert len(store.last_values()) == 4


def test_write_keeps_nothing_when_the_batch_is_empty(store: TimeSeriesStore) -> None:
    receipt = store.write(batch())
    assert receipt.stored == receipt.duplicate == receipt.samples_stored == 0
    assert all(line.in_flight == 0 for line in store.ledger())


def test_deletion_is_noted_with_machine_span_and_rows(store: TimeSeriesStore, tmp_path: Path) -> None:
    store.write(batch(*series("L1-press", 20)))
    assert store.delete("L1-press", start=at(10), end=at(15)) == 5
    assert store.delete("L2-press", start=at(10), end=at(15)) == 0
    (note,) = (each for each in removed(tmp_path / "site") if each.machine == "L1-press")
    assert (note.what, note.machine_class, note.rows) == (Removal.DELETED, "press", 5)
    assert (note.start, note.end) == (at(10), at(15))
