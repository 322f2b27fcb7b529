"""Events of a data folder are counted by kind between readings, and what the model learned of them is scored."""

import numpy as np
import pandas as pd
import pytest

from analytics.datafolder import read_dataset
from analytics.scoring import as_learned
from plant.errors import ConfigError


def folder_of(folder, events, failed=(5,)):
    readings = {"machine": ["p1"] * 8 + ["p2"] * 3, "cycle": [*range(1, 9), 3, 1, 2], "heat": np.arange(11.0)}
    pd.DataFrame(readings).to_csv(folder / "readings.csv", index=False)
    pd.DataFrame({"machine": "p1", "failed_at": failed}).to_csv(folder / "failures.csv", index=False)
    pd.DataFrame(events).to_csv(folder / "events.csv", index=False)
    return folder


def counted(life, kind):
    return life.values[:, life.signals.index(f"events:{kind}")].tolist()


def test_events_become_counts_by_kind_since_the_reading_before(tmp_path):
    events = {"machine": ["p1"] * 5 + ["p2"], "cycle": [0.5, 2.5, 3, 6, 7, 3], "event": ["jam"] * 3 + ["E7"] * 3}
    first, second, other = read_dataset(folder_of(tmp_path, events)).lives
    assert first.signals == ("heat", "events:E7", "events:jam")
    assert counted(first, "jam") == [0, 0, 2, 0, 0]
    assert counted(second, "E7") == [0, 1, 0]  # what came before a life's first reading is not this life's
    assert (counted(other, "E7"), other.values[:, 0].tolist()) == ([0, 0, 1], [9.0, 10.0, 8.0])


def test_a_kind_that_did_not_happen_counts_as_none_when_scored(tmp_path):
    events = {"machine": ["p1"], "cycle": [2], "event": ["jam"]}
    (life, *_) = read_dataset(folder_of(tmp_path, events)).lives
    seen = as_learned(life, signals=("events:E7", "heat"))
    assert seen.values[:, 0].tolist() == [0.0] * 5
    with pytest.raises(ConfigError, match="no signal noise"):
        as_learned(life, signals=("noise", "heat"))


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ({"machine": ["p1"], "cycle": [2]}, "columns `machine`, `cycle` and `event`"),
        ({"machine": ["p9"], "cycle": [2], "event": ["jam"]}, "machines p9"),
        ({"machine": ["p1"], "cycle": ["soon"], "event": ["jam"]}, "1 time that is none, the first 'soon' in row 1"),
    ],
)
def test_events_that_cannot_be_used_are_refused_by_name(tmp_path, events, said):
    with pytest.raises(ConfigError, match=r"events\.csv") as refused:
        read_dataset(folder_of(tmp_path, events))
    assert said in str(refused.value)
