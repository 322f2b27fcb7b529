"""The failure risk on fleets that it was not built with: made-up data folders, through `model train` and `model score`.

    python tests/benchmarks/risk_fleets.py [--seed 1] [--only NAME] [--without-age] [--out FILE]

Beside it boosted trees on the same inputs and rows, and what the age alone says (Kaplan and Meier). All are judged on
machines that run to failure and that none of them saw, on the rows that the product calls enough data.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fleet_folders import FLEETS, Fleet, write_fleet
from numpy.typing import NDArray
from risk_pages import write_top
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from analytics.assess import score_features
from analytics.datafolder import read_dataset
from analytics.evaluate import average_precision, brier, expected_calibration_error, rmse
from analytics.features import extract
from analytics.hazard import restricted_mean
from analytics.heads import read_heads
from analytics.lives import Life
from analytics.model_settings import AgeInput
from analytics.scoring import usual_horizons
from analytics.training import Model
from linewright.datasets import FolderTraining, score_folder, train_folder
from plant.errors import ConfigError

SHAPE = {"learning_rate": 0.1, "max_iter": 100, "max_leaf_nodes": 15, "min_samples_leaf": 20, "random_state": 0}
BOOTSTRAPS = 300
MOST_ROWS = 12_000
"""Rows that are judged, evenly thinned."""
WHO = ("net", "trees", "age")
Found = dict[str, Any]


def survived(lives: list[Life], ages: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kaplan-Meier survival of the training lives at these ages."""
    length = np.array([float(life.age_units[0] + life.remaining_units[0]) for life in lives])
    failed = np.array([life.failed for life in lives])
    order = np.argsort(length)
    left = np.cumprod(1.0 - failed[order] / np.arange(len(lives), 0, -1))
    return np.append(1.0, left)[np.searchsorted(length[order], ages, side="right")]


def by_age(lives: list[Life], age: NDArray[np.float64], horizons: list[float], cap: float) -> list[NDArray[np.float64]]:
    """Expected remaining life up to the cap, then the risk within each horizon, from the age alone. (row,) each"""
    now = np.maximum(survived(lives, age), 1e-9)
    grid = np.linspace(0, cap, 60)
    ahead = np.stack([survived(lives, age + step) for step in grid], axis=1) / now[:, None]
    return [np.trapezoid(ahead, grid, axis=1), *(1.0 - survived(lives, age + h) / now for h in horizons)]


def by_trees(
    lives: list[Life], x: NDArray[np.float64], *, model: Model, horizons: list[float], cap: float
) -> list[NDArray[np.float64]]:
    """The same from boosted trees on the network's inputs and rows, of those whose end is known."""
    known = {"normaliser": model.normaliser, "settings": model.settings}
    usable = [life for life in lives if len(life) >= model.settings.minimum_rows]
    chosen = [np.arange(0, len(life), max(1, len(life) // model.settings.rows_per_life)) for life in usable]
    seen = np.concatenate([extract(life, rows=rows, **known) for life, rows in zip(usable, chosen, strict=True)])
    left = np.concatenate([life.remaining_units[rows] for life, rows in zip(usable, chosen, strict=True)])
    failed = np.concatenate([np.full(len(rows), life.failed) for life, rows in zip(usable, chosen, strict=True)])
    told = failed | (left >= cap)
    regressor = HistGradientBoostingRegressor(**SHAPE).fit(seen[told], np.minimum(left, cap)[told])
    said = [regressor.predict(x)]
    for horizon in horizons:
        told = failed | (left > horizon)
        happened = (failed & (left <= horizon))[told]
        classifier = HistGradientBoostingClassifier(**SHAPE).fit(seen[told], happened)
        said.append(classifier.predict_proba(x)[:, 1])
    return said


def judge(fleet: Fleet, *, home: Path, seed: int, age: AgeInput) -> Found:
    """Train, score and compare on one fleet."""
    train_home, asked_home = write_fleet(fleet, home=home, seed=seed)
    began = time.process_time()
    try:
        told = train_folder(
            train_home, out=home / "model", how=FolderTraining(age=age), progress=lambda _share, _text: None
        )
    except ConfigError as refused:
        return {"fleet": fleet.name, "message": str(refused)}
    train_s = time.process_time() - began
    began = time.process_time()
    dataset, asked = read_dataset(train_home), read_dataset(asked_home)
    horizons = list(usual_horizons(dataset.lives))[1:] if "hazard" in told["heads"] else []
    score_folder(home / "model", folder=asked_home, out=home / "scores.parquet", horizons=horizons, split=False)
    score_s = time.process_time() - began
    scores = pd.read_parquet(home / "scores.parquet")
    model = read_heads(home / "model").hazard
    facts = {
        "fleet": fleet.name,
        "lives": len(dataset.lives),
        "failures": sum(life.failed for life in dataset.lives),
        "train_s": train_s,
        "score_ms_row": 1e3 * score_s / len(scores),
        "absent": told["absent"],
    }
    if model is None:
        return facts
    cap = float(np.median([life.remaining_units[0] for life in dataset.lives if life.failed]))
    left = np.concatenate([life.remaining_units for life in asked.lives])
    life = np.repeat(np.arange(len(asked.lives)), [len(each) for each in asked.lives])
    use = np.flatnonzero(scores["enough_data"].to_numpy() == 1)
    use = use[:: max(1, len(use) // MOST_ROWS)]
    x = np.concatenate([extract(each, normaliser=model.normaliser, settings=model.settings) for each in asked.lives])
    x, left, life, scores = x[use], left[use], life[use], scores.iloc[use]
    age_at = np.concatenate([each.age_units for each in asked.lives])[use]
    began = time.process_time()
    trees = by_trees(list(dataset.lives), x, model=model, horizons=horizons, cap=cap)
    facts["trees_s"] = time.process_time() - began
    network = [restricted_mean(score_features(x, model=model).log_survived, model.edges, cap=cap)]
    network += [scores[f"failure_within_{horizon:g}"].to_numpy() for horizon in horizons]
    said = np.array([network, trees, by_age(list(dataset.lives), age_at, horizons, cap)])  # (who, question, row)
    return facts | compared(said, left, life, scores, horizons=horizons, cap=cap, seed=seed)


def compared(
    said: NDArray[np.float64],
    left: NDArray[np.float64],
    life: NDArray[np.intp],
    scores: pd.DataFrame,
    *,
    horizons: list[float],
    cap: float,
    seed: int,
) -> Found:
    """Metrics of each, and 95 % intervals of network minus trees from resampled machines."""
    found: Found = {"horizons": horizons, "cap": cap}
    median = scores["remaining_p50"].to_numpy()
    found["rmse"] = {who: rmse(said[n, 0], left, cap=cap) / cap for n, who in enumerate(WHO)}
    found["rmse_p50"] = rmse(np.minimum(median, cap), left, cap=cap) / cap
    for low, high, name in (("p10", "p90", "covered_80"), ("p5", "p95", "covered_90")):
        inside = (scores[f"remaining_{low}"] <= left) & (left <= scores[f"remaining_{high}"])
        found[name] = float(np.mean([inside.to_numpy()[life == one].mean() for one in np.unique(life)]))
    for column, horizon in enumerate(horizons, start=1):
        happened = left <= horizon
        name = ("near", "far")[column - 1]
        found[f"prevalence_{name}"] = float(happened.mean())
        for metric, what in (("ap", average_precision), ("brier", brier), ("ece", expected_calibration_error)):
            found[f"{metric}_{name}"] = {who: what(said[n, column], happened) for n, who in enumerate(WHO)}
    rows = [np.flatnonzero(life == one) for one in np.unique(life)]
    found["difference"] = differences(said, left, rows, horizons=horizons, cap=cap, seed=seed)
    return found


def differences(
    said: NDArray[np.float64],
    left: NDArray[np.float64],
    rows: list[NDArray[np.intp]],
    *,
    horizons: list[float],
    cap: float,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """95 % intervals of network minus trees over resampled machines."""
    rng = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {}
    for _ in range(BOOTSTRAPS):
        drawn = np.concatenate([rows[one] for one in rng.integers(len(rows), size=len(rows))])
        mine, theirs = (rmse(said[n, 0, drawn], left[drawn], cap=cap) / cap for n in range(2))
        draws.setdefault("rmse", []).append(mine - theirs)
        for column, (name, horizon) in enumerate(zip(("near", "far"), horizons, strict=True), start=1):
            happened = left[drawn] <= horizon
            for metric, what in (("ap", average_precision), ("brier", brier)):
                mine, theirs = (what(said[n, column, drawn], happened) for n in range(2))
                draws.setdefault(f"{metric}_{name}", []).append(mine - theirs)
    low_high = {name: np.quantile(values, (0.025, 0.975)) for name, values in draws.items()}
    return {name: (float(low), float(high)) for name, (low, high) in low_high.items()}


def table(results: list[Found]) -> str:
    """A line per fleet: network / trees / age, * where network and trees differ beyond the interval."""
    columns = ("AP near", "AP far", "Brier near", "Brier far", "ECE near", "ECE far", "RMSE")
    lines = [
        f"| fleet | lives, failed | {' | '.join(columns)} | covered by 80 %, 90 % | CPU s | ms a row |",
        "|---" * (len(columns) + 5) + "|",
    ]
    for found in results:
        cells = [found["fleet"]]
        if "message" in found:
            lines.append(f"| {found['fleet']} | refused: {found['message']} |" + " |" * (len(columns) + 3))
            continue
        cells.append(f"{found['lives']}, {found['failures']}")
        for column in columns:
            name = column.lower().replace(" ", "_")
            if name not in found:
                cells.append("-")
                continue
            low, high = found["difference"].get(name, (-1.0, 1.0))
            mark = "*" if low > 0 or high < 0 else ""
            cells.append(" / ".join(f"{found[name][who]:.3f}" for who in WHO) + mark)
        told = f"{found['covered_80']:.2f}, {found['covered_90']:.2f}" if "covered_80" in found else "-"
        cells += [told, f"{found['train_s']:.0f}", f"{found['score_ms_row']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the fleets and write the page."""
    parser = argparse.ArgumentParser(description="The failure risk on made-up fleets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="fleets with this in their name")
    parser.add_argument("--without-age", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    results = []
    for fleet in FLEETS:
        if options.only not in fleet.name:
            continue
        age = AgeInput.WITHOUT if options.without_age else AgeInput.WITH
        with tempfile.TemporaryDirectory() as home:
            results.append(judge(fleet, home=Path(home), seed=options.seed, age=age))
        sys.stdout.write(json.dumps(results[-1]) + "\n")
        sys.stdout.flush()
    page = written(results, seed=options.seed, age=age)
    sys.stdout.write(page)
    if options.out:
        write_top(options.out, page, below="What these fleets changed")


def written(results: list[Found], *, seed: int, age: AgeInput) -> str:
    """The page for docs/benchmarks."""
    flag = "" if age is AgeInput.WITH else " --without-age"
    return f"""# The failure risk on fleets that it was not built with

Command: `python tests/benchmarks/risk_fleets.py --seed {seed}{flag} --out docs/benchmarks/risk-fleets.md`
Machine: {platform.machine()}, {platform.system()}, Python {platform.python_version()}, 2 shared cores, 1 torch thread.

Made-up fleets (`tests/benchmarks/fleet_folders.py`) as data folders, through `model train` and `model score`, {age}
age. Judged on machines that run to failure and were not trained on (40, fewer of those with long lives), on the rows
with `enough_data`: "fails within" 10 % (near) and 25 % (far) of the median failed life; RMSE of the expected remaining
life, as a share of that median, at which it is capped; each cell network / boosted trees on the same inputs and rows /
the age alone by Kaplan and Meier. * marks a difference between network and trees whose 95 % interval (machines
resampled) leaves out zero. Coverage is the mean over machines of the share of rows whose remaining life lies in p10 to
p90, p5 to p95. CPU s: `model train` with all heads; ms a row: `model score`, files included. "-": too few failures for
a failure risk, which the training says.

{table(results)}
"""


if __name__ == "__main__":
    main()
