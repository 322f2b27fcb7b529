"""The account: every number counted by itself, so that what went wrong shows instead of being what is left over."""

from dataclasses import replace

import numpy as np
import pytest

from plant.clock import PlantClock
from store.embedded.writer import open_writer
from tests.contract.batches import FILTER, PLANT, batch, row, series


@pytest.fixture
def writer(tmp_path):
    opened = open_writer(tmp_path / "site", plant=PLANT, clock=PlantClock())
    yield opened
    opened.close()


def counted(count: int, *, first: int = 0, **told):
    """A batch of an ingestor that counts what it holds and what its decoders gave: 3 samples a message."""
    made = batch(*series("L1-press", count, first=first))
    numbers = {"received": [first + count], "in_flight": [0], "samples": [3 * count]} | told
    return replace(made, **{name: np.array(value, dtype=np.int64) for name, value in numbers.items()})


def test_a_sound_account_leaves_nothing_missing(writer):
    writer.write(counted(10))
    writer.write(counted(10, first=10, received=[25], in_flight=[5]))
    writer.write(counted(20, received=[45], in_flight=[5]))
    (line,) = writer.ledger()
    assert (line.received, line.stored, line.duplicate, line.quarantined, line.in_flight) == (45, 20, 20, 0, 5)
    assert (line.samples_received, line.samples_stored, line.samples_duplicate) == (120, 60, 60)
    assert (line.missing, line.samples_missing) == (0, 0)


@pytest.mark.parametrize(
    ("told", "missing", "samples_missing"),
    [
        ({"received": [12]}, 2, 0),
        ({"received": [9]}, -1, 0),
        ({"received": [12], "in_flight": [1]}, 1, 0),
        ({"samples": [33]}, 0, 3),
        ({"samples": [29]}, 0, -1),
    ],
)
def test_what_the_account_cannot_explain_shows_and_stays_over_a_restart(tmp_path, told, missing, samples_missing):
    for _ in range(2):
        writer = open_writer(tmp_path / "site", plant=PLANT, clock=PlantClock())
        if not writer.ledger():
            writer.begin_run((FILTER,))
            writer.write(counted(10, **told))
        (line,) = writer.ledger()
        assert (line.missing, line.samples_missing) == (missing, samples_missing)
        writer.close()


def test_a_kill_abandons_what_was_in_flight_and_it_counts_again_when_it_comes_again(tmp_path):
    writer = open_writer(tmp_path / "site", plant=PLANT, clock=PlantClock())
    writer.write(counted(10, received=[14], in_flight=[4]))
    writer._connection.close()  # as a kill does: nothing is closed, only the lock goes
    writer._lock.release()
    writer._closed = True
    again = open_writer(tmp_path / "site", plant=PLANT, clock=PlantClock())
    (line,) = again.ledger()
    assert (line.received, line.stored, line.in_flight, line.missing) == (10, 10, 0, 0)
    again.close()


def test_runs_beside_each_other_keep_their_own_accounts(writer):
    one = writer.begin_run((FILTER,))
    other = writer.begin_run((FILTER,), beside=(one,))
    for run in (one, other):
        at = 0 if run == one else 50
        rows = [row("L1-press", at + number, temperature_c=1.0) for number in range(4)]
        counts = {"received": np.array([4]), "in_flight": np.array([0]), "samples": np.array([4])}
        writer.write(replace(batch(*rows, run=run), **counts))
    (line,) = writer.ledger()
    assert (line.received, line.stored, line.missing) == (8, 8, 0)
