"""The normality head on made-up recordings, through the data folder, beside simple statistics.

    python tests/benchmarks/risk_anomalies.py [--seeds 2] [--only NAME] [--out FILE]

Each recording is one machine in hours: normal rows to learn from (`normal_rows`), as many again that stay normal, then
six stretches, each with one kind of fault and normal operation around it. Everything is drawn anew for each seed.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest

from analytics.datafolder import read_dataset
from analytics.evaluate import average_precision
from analytics.heads import learn_heads
from analytics.model_settings import ModelSettings
from analytics.normality import episodes
from analytics.scoring import score_dataset

FAULTS = ("step", "ramp", "variance", "correlation", "stuck", "spikes")
BEARABLE = 1.0
"""False alarms a week."""
QUIET_ROWS = 60
"""Alarms nearer than this are one [row]."""
SMOOTHED_ROWS = 5
"""Of the statistics beside the head [row]."""
HOURS_A_WEEK = 168.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """How a recording is made."""

    signals: int
    rows: int
    """Normal rows to learn from."""
    kept: float = 0.0
    """Autocorrelation from row to row [0..1]."""
    daily: float = 0.0
    """Swing of a daily cycle [sigma]."""
    regimes: int = 1
    """Levels of a setting that shifts the signals, changed every 30 to 90 rows."""
    drift: float = 0.0
    """Slow wandering that is normal [sigma over the training rows]."""
    heavy: bool = False
    """Student's t with 3 degrees of freedom."""
    odd: bool = False
    """One signal constant, one in steps of a sigma, one of two states."""
    missing: float = 0.0
    """Share of cells that are empty [0..1]."""


FLEETS = {
    "1 white signal": Fleet(signals=1, rows=1000),
    "1 slow signal": Fleet(signals=1, rows=1000, kept=0.95),
    "5 white": Fleet(signals=5, rows=2000),
    "5 slow": Fleet(signals=5, rows=2000, kept=0.95),
    "8 daily": Fleet(signals=8, rows=2000, kept=0.5, daily=2.0),
    "8, 4 regimes": Fleet(signals=8, rows=2000, kept=0.5, regimes=4),
    "8 drifting": Fleet(signals=8, rows=2000, kept=0.5, drift=2.0),
    "8 heavy tails": Fleet(signals=8, rows=2000, heavy=True),
    "8, three odd": Fleet(signals=8, rows=2000, kept=0.5, odd=True),
    "8, 30 % missing": Fleet(signals=8, rows=2000, kept=0.5, missing=0.3),
    "60, 5 % missing": Fleet(signals=60, rows=2000, kept=0.7, missing=0.05),
    "20, 300 rows": Fleet(signals=20, rows=300, kept=0.7),
    "60, 600 rows": Fleet(signals=60, rows=600, kept=0.7),
    "60, 20,000 rows": Fleet(signals=60, rows=20_000, kept=0.7),
}


def recording(fleet: Fleet, *, rng: np.random.Generator) -> tuple[pd.DataFrame, NDArray[np.str_]]:
    """Readings, and of each row the fault ("" where it is normal)."""
    stretch = min(max(fleet.rows // 3, 200), 1000)
    rows = 2 * fleet.rows + len(FAULTS) * stretch
    factors = max(1, fleet.signals // 3)
    shape = (rows, fleet.signals + factors)
    noise = rng.standard_t(3, shape) / np.sqrt(3) if fleet.heavy else rng.normal(size=shape)
    noise = lfilter([np.sqrt(1 - fleet.kept**2)], [1.0, -fleet.kept], noise, axis=0)
    load = rng.normal(size=(factors, fleet.signals))
    load *= np.sqrt(0.6 / (load**2).sum(axis=0))
    values = noise[:, :factors] @ load + np.sqrt(0.4) * noise[:, factors:]
    hours = np.arange(rows)[:, None]
    values += (
        fleet.daily * np.sin(2 * np.pi * hours / 24 + rng.uniform(0, 6, fleet.signals)) * rng.random(fleet.signals)
    )
    setting = np.zeros(rows)
    if fleet.regimes > 1:
        changes = rng.integers(30, 90, rows).cumsum()
        setting = rng.integers(0, fleet.regimes, rows)[np.searchsorted(changes, np.arange(rows))].astype(float)
        values += rng.normal(0, 2, (fleet.regimes, fleet.signals))[setting.astype(int)]
    walk = rng.normal(size=(rows, fleet.signals)).cumsum(axis=0)
    values += fleet.drift * walk / np.sqrt(fleet.rows)
    fault = np.full(rows, "", dtype="U12")
    sigma = values[: fleet.rows].std(axis=0)
    for number, kind in enumerate(FAULTS):
        begin = 2 * fleet.rows + number * stretch + stretch // 2
        hurt(values, kind, begin=begin, end=begin + stretch // 4, sigma=sigma, rng=rng)
        fault[begin : begin + stretch // 4] = kind
    if fleet.odd:
        values[:, 0] = 3.0
        values[:, 1] = np.round(values[:, 1])
        values[:, 2] = values[:, 2] > 1.0
    values[rng.random(values.shape) < fleet.missing] = np.nan
    table = pd.DataFrame(50 + 5 * values, columns=[f"s{column}" for column in range(fleet.signals)])
    table.insert(0, "machine", "m1")
    table.insert(1, "observed_at", np.arange(rows))
    if fleet.regimes > 1:
        table["setting"] = setting
    return table, fault


def hurt(
    values: NDArray[np.float64],
    kind: str,
    *,
    begin: int,
    end: int,
    sigma: NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Put a fault into up to three signals of some rows, in place; of the last ones, which are never odd."""
    count = min(values.shape[1], 1 + int(rng.integers(3)))
    columns = rng.choice(np.arange(min(3, values.shape[1] - count), values.shape[1]), count, replace=False)
    where = np.ix_(np.arange(begin, end), columns)
    if kind == "step":
        values[where] += 2.0 * sigma[columns] * rng.choice([-1.0, 1.0], count)
    elif kind == "ramp":
        values[where] += np.linspace(0, 4, end - begin)[:, None] * sigma[columns]
    elif kind == "variance":
        values[where] += rng.normal(0, 1.5, (end - begin, count)) * sigma[columns]
    elif kind == "correlation":
        values[where] = values[where][::-1]
    elif kind == "stuck":
        values[where] = values[begin, columns]
    else:
        spikes = rng.random((end - begin, count)) < 0.1
        values[where] += 6.0 * sigma[columns] * spikes


def folder_of(table: pd.DataFrame, fleet: Fleet, *, home: Path) -> Path:
    """A data folder with the readings, without any label."""
    table.to_parquet(home / "readings.parquet")
    settings = 'settings = ["setting"]\n' if fleet.regimes > 1 else ""
    (home / "dataset.toml").write_text(f"normal_rows = {fleet.rows}\nalarms_per_week = {BEARABLE}\n{settings}")
    return home


def beside(values: NDArray[np.float64], *, known: int) -> dict[str, NDArray[np.float64]]:
    """Scores of the simple statistics, greater is more unusual; missing cells take the last value. (row,) each"""
    filled = pd.DataFrame(values).ffill().bfill().to_numpy()
    filled = filled[:, filled[:known].std(axis=0) > 0]
    z = (filled - filled[:known].mean(axis=0)) / filled[:known].std(axis=0)
    forest = IsolationForest(n_estimators=100, random_state=1, n_jobs=1).fit(z[:known])
    steps = np.abs(pd.DataFrame(z).rolling(20, min_periods=1).median() - pd.DataFrame(z).shift(20).rolling(60).median())
    return {
        "Mahalanobis": smoothed(LedoitWolf().fit(z[:known]).mahalanobis(z)),
        "level shift": steps.max(axis=1).fillna(0.0).to_numpy(),
        "forest": smoothed(-forest.score_samples(z)),
    }


def smoothed(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the last few. (row,)"""
    return np.asarray(pd.Series(score).rolling(SMOOTHED_ROWS, min_periods=1).mean())


def measured(
    score: NDArray[np.float64], stands: NDArray[np.bool_], fault: NDArray[np.str_], *, known: int
) -> dict[str, float]:
    """AP over the faulty part; alarms a week in the normal part; faults caught and how late in them [0..1]."""
    quiet = slice(known, 2 * known)
    hurt_part = slice(2 * known, None)
    caught = [stands[fault == kind] for kind in FAULTS]
    weeks = known / HOURS_A_WEEK
    return {
        "AP": average_precision(score[hurt_part], fault[hurt_part] != ""),
        "a week": len(episodes(stands[quiet], quiet_rows=QUIET_ROWS)) / weeks,
        "caught": float(np.mean([each.any() for each in caught])),
        "late": float(np.mean([each.argmax() / len(each) if each.any() else 1.0 for each in caught])),
    } | {kind: average_precision(score[hurt_part], fault[hurt_part] == kind) for kind in FAULTS}


def tried(fleet: Fleet, *, seed: int) -> dict[str, dict[str, float]]:
    """The head and each statistic on one recording."""
    table, fault = recording(fleet, rng=np.random.default_rng(seed))
    values = table.drop(columns=["machine", "observed_at"]).to_numpy()
    found = {}
    with tempfile.TemporaryDirectory() as home:
        begun = time.process_time()
        dataset = read_dataset(folder_of(table, fleet, home=Path(home)))
        heads, absent = learn_heads(dataset, settings=ModelSettings(), seed=seed, progress=lambda _share, _text: None)
        assert heads is not None, absent
        learned = time.process_time()
        scores = score_dataset(dataset, heads=heads, horizons=())
    p, stands = scores["anomaly_p"].to_numpy(), scores["anomaly_alarm"].to_numpy() == 1
    found["head"] = measured(-np.log(p), stands, fault, known=fleet.rows)
    quiet = slice(fleet.rows, 2 * fleet.rows)
    found["head"] |= {"p<=0.01": float((p[quiet] <= 0.01).mean())}
    found["head"] |= {"learn s": learned - begun, "score s": time.process_time() - learned}
    for name, score in beside(values, known=fleet.rows).items():
        # as high as known rows let it be crossed about so often as is bearable
        level = np.quantile(score[: fleet.rows], 1 - min(BEARABLE / HOURS_A_WEEK, 0.5))
        found[name] = measured(score, score > level, fault, known=fleet.rows)
    return found


def row_of(name: str, mean: Callable[[str, str], float]) -> str:
    """A line of the table."""
    cells = [f"{mean('head', 'AP'):.2f}"]
    cells += [f"{mean(other, 'AP'):.2f}" for other in ("Mahalanobis", "level shift", "forest")]
    cells += [f"{mean('head', 'p<=0.01'):.3f}"]
    cells += [f"{mean(who, what):.2f}" for who in ("head", "Mahalanobis") for what in ("a week", "caught", "late")]
    cells += [f"{mean('head', 'learn s') + mean('head', 'score s'):.1f}"]
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print a line per fleet, and one per kind of fault."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="", help="Part of the names of the fleets to be tried.")
    parser.add_argument("--out", type=Path, help="File for the table.")
    options = parser.parse_args()
    lines = [
        "| recording | AP | Mahalanobis | level shift | forest | p <= 0.01 when normal | alarms a week | caught "
        "| late | Mahalanobis: a week | caught | late | CPU s |",
        "|---|" + "---|" * 12,
    ]
    every: list[dict[str, dict[str, float]]] = []
    for name, fleet in FLEETS.items():
        if options.only in name:
            mine = [tried(fleet, seed=seed) for seed in range(options.seeds)]
            every += mine
            lines.append(row_of(name, lambda who, what, mine=mine: float(np.mean([one[who][what] for one in mine]))))
            print(lines[-1], flush=True)
    lines.append(row_of("mean", lambda who, what: float(np.mean([one[who][what] for one in every]))))
    lines += ["", "| AP of one kind | " + " | ".join(FAULTS) + " |", "|---|" + "---|" * len(FAULTS)]
    for who in every[0]:
        cells = [f"{np.mean([one[who][kind] for one in every]):.2f}" for kind in FAULTS]
        lines.append(f"| {who} | " + " | ".join(cells) + " |")
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
