"""A long read in parts: joined, they are the whole read; a part needs the files it names and nothing else."""

import pickle
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plant.clock import PlantClock
from plant.errors import Unavailable
from plant.signals import Aggregation, Window
from store.embedded.layout import segment_path
from store.embedded.partitions import divided, joined, load
from store.embedded.reader import EmbeddedReader, open_reader
from store.embedded.segments import Segment
from store.embedded.views import Question, View
from store.embedded.windows import Frame
from store.embedded.writer import open_writer
from store.settings import StoreSettings
from tests.contract.batches import PLANT, at, batch, row, series

MACHINES = ["L1-press", "L2-press", "L1-oven"]
DAY_S = 86_400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days: two compacted, one with late and loose files, and rows that are only hot."""
    made = tmp_path_factory.mktemp("parts") / "site"
    writer = open_writer(made, plant=PLANT, clock=PlantClock(), settings=StoreSettings(seal_span_s=1e12))
    for machine in ("L1-press", "L2-press"):
        writer.write(batch(*series(machine, 4_000, step_s=61.0)))
    writer.write(batch(*(row("L1-oven", 300.0 * n, pressure_bar=float(n % 7), state="Execute") for n in range(800))))
    writer.compact()
    late = [row("L1-press", DAY_S + 7.5 * n, received=3.0 * DAY_S, temperature_c=1.5 * n) for n in range(40)]
    writer.write(batch(*late))
    writer.seal()
    writer.write(batch(*series("L2-press", 300, first=4_000, step_s=61.0)))
    writer.close()
    return made


def same(one: dict[str, Window], other: dict[str, Window]) -> None:
    assert one.keys() == other.keys()
    for machine, window in one.items():
        there = other[machine]
        assert (window.start, window.end, window.step) == (there.start, there.end, there.step)
        np.testing.assert_array_equal(window.observed_at, there.observed_at)
        np.testing.assert_array_equal(window.quality, there.quality)
        for name, values in window.values.items():
            np.testing.assert_array_equal(values, there.values[name])
        for name, words in window.states.items():
            assert words.tolist() == there.states[name].tolist()


def in_parts(reader: EmbeddedReader, rows: int, **asked) -> dict[str, Window]:
    """The same read in parts of so many rows, each pickled as on its way to a worker and back."""
    found = []
    for whole in reader.partitions(MACHINES, **asked):
        for part in divided(whole.folder, whole.view, whole.question, rows=rows):
            loaded = load(pickle.loads(pickle.dumps(part)))
            assert not loaded.damaged
            found.append(pickle.loads(pickle.dumps(loaded)).windows)
    return joined(found)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    begin_s=st.integers(0, 3 * DAY_S),
    length_s=st.integers(0, 3 * DAY_S),
    step=st.sampled_from([None, 60, 600, 3_600, 7 * 3_600]),
    rows=st.sampled_from([1, 500, 3_000, 10**9]),
    how=st.sampled_from([Aggregation.MEAN, Aggregation.LAST, Aggregation.MAX, Aggregation.SUM]),
)
def test_parts_joined_are_the_whole_read_bit_for_bit(folder, begin_s, length_s, step, rows, how):
    reader = open_reader(folder, plant=PLANT)
    asked = {
        "start": at(begin_s),
        "end": at(begin_s + length_s),
        "step": None if step is None else timedelta(seconds=step),
        "aggregation": how,
    }
    same(reader.read(MACHINES, **asked), in_parts(reader, rows, **asked))
    reader.close()


@pytest.mark.parametrize("how", [Aggregation.INTEGRAL, Aggregation.DURATION])
def test_time_weighted_parts_joined_are_the_whole_read_but_for_rounding(folder, how):
    reader = open_reader(folder, plant=PLANT)
    asked = {"start": at(0), "end": at(3 * DAY_S), "step": timedelta(hours=1), "aggregation": how}
    whole, parts = reader.read(MACHINES, **asked), in_parts(reader, 1, **asked)
    for machine, window in whole.items():
        for name, values in window.values.items():
            np.testing.assert_allclose(values, parts[machine].values[name], rtol=1e-9, atol=1e-9)
        for name, held in window.durations.items():
            for word, seconds in held.items():
                np.testing.assert_allclose(seconds, parts[machine].durations[name][word], rtol=1e-9, atol=1e-9)
    reader.close()


def test_parts_are_days_and_of_less_machines_where_a_day_is_large():
    segment = Segment(
        number=1, machine_class="press", file="f", level=2, rows=600, bytes=1, start_us=0, end_us=3 * DAY_S * 10**6,
        ranges={},
    )  # fmt: skip
    reader_like = Question(
        machines=("a", "b", "c", "d"), columns=None, whole=None, aggregation=Aggregation.MEAN,  # type: ignore[arg-type]  # nothing else is read
        frame=Frame(start=at(-1_700_000_000), end=at(3 * DAY_S - 1_700_000_000), step=None, as_of=None),
    )  # fmt: skip
    view = View(segments=(segment,), rolled=(), hot=None)

    def spans(rows: int) -> list[tuple[int, float]]:
        parts = divided(Path("x"), view, reader_like, rows=rows)
        return [
            (len(p.question.machines), (p.question.frame.end - p.question.frame.start) / timedelta(1)) for p in parts
        ]

    assert spans(10**6) == [(4, 3.0)]
    assert spans(400) == [(4, 2.0), (4, 1.0)]
    assert spans(100) == [(2, 1.0)] * 6


def test_part_whose_file_was_compacted_away_says_so_and_is_made_again(folder, tmp_path):
    reader = open_reader(folder, plant=PLANT)
    (part,) = reader.partitions(["L1-oven"], start=at(0), end=at(3 * DAY_S))
    file = part.view.segments[0].file
    path = segment_path(folder, file)
    path.rename(tmp_path / "away")
    try:
        lost = load(part)
        assert lost.gone
        assert lost.damaged == (f"{file}: the file is gone",)
    finally:
        (tmp_path / "away").rename(path)
    found = load(reader.again(part))
    assert not found.damaged
    assert len(found.windows["L1-oven"]) > len(lost.windows["L1-oven"])
    reader.close()


def test_worker_that_does_not_see_the_folder_says_where_and_what_to_do(folder):
    reader = open_reader(folder, plant=PLANT)
    (part, *_) = reader.partitions(["L1-oven"], start=at(0), end=at(DAY_S))
    reader.close()
    elsewhere = divided(Path("/nowhere/site"), part.view, part.question)[0]
    with pytest.raises(Unavailable, match=r"does not see /nowhere/site/segments\. Mount the instance's folder"):
        load(elsewhere)
