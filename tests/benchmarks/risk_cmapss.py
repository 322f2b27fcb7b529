"""C-MAPSS FD001: one command that trains, measures on every test row, and writes the table.

    python tests/benchmarks/risk_cmapss.py [--data FOLDER] [--seeds 3] [--out docs/benchmarks/risk-cmapss.md]

Protocol: all fitting on the training engines, the epoch by held-out training engines; one remaining life per test
engine at its last row; risk "fails within 30 cycles" on all test rows. Nothing is chosen on test rows.
"""

import argparse
import gzip
import platform
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from risk_pages import write_top
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from analytics.assess import failure_probability, score_life
from analytics.evaluate import asymmetric_score, average_precision, brier, expected_calibration_error, future_leak, rmse
from analytics.features import extract
from analytics.hazard import remaining_quantile, restricted_mean
from analytics.lives import Life
from analytics.model_settings import AgeInput, ModelSettings
from analytics.training import Model, train
from plant.assets import MachineClass, Signal, SignalRole
from plant.quantities import Quantity

SETTINGS = tuple(f"setting_{number}" for number in (1, 2, 3))
SENSORS = tuple(f"sensor_{number}" for number in range(1, 22))
ENGINE = MachineClass(
    name="engine",
    signals=(
        *(Signal(name=name, quantity=Quantity.DIMENSIONLESS, role=SignalRole.SETTING) for name in SETTINGS),
        *(Signal(name=name, quantity=Quantity.DIMENSIONLESS) for name in SENSORS),
    ),
    mtbf_h=200.0,
)
CAP = 125.0
"""Remaining life beyond which the protocol asks for no more [cycle]."""
HORIZON = 30.0
"""[cycle]"""
HOUR_US = 3_600_000_000
COLUMNS = ("rmse_cap125", "rmse_uncapped", "score", "ap", "brier", "ece", "covered_80", "cpu_s")


def load_cmapss(path: Path, *, failed: bool) -> list[Life]:
    """Engines of one C-MAPSS file: unit, cycle, 3 settings, 21 sensors; a cycle counts as an hour."""
    with gzip.open(path, "rt") as lines:
        table = np.loadtxt(lines)
    lives = []
    for unit in np.unique(table[:, 0]):
        rows = table[table[:, 0] == unit]
        lives.append(
            Life(
                machine=f"engine-{int(unit):03d}",
                machine_class=ENGINE.name,
                signals=SETTINGS + SENSORS,
                settings=SETTINGS,
                observed_at_us=(rows[:, 1] * HOUR_US).astype(np.int64),
                age_units=rows[:, 1] - rows[0, 1],
                values=rows[:, 2:],
                failed=failed,
            )
        )
    return lives


def load_truth(path: Path, lives: list[Life]) -> list[NDArray[np.float64]]:
    """Cycles left at each row of each test engine."""
    with gzip.open(path, "rt") as lines:
        left = np.loadtxt(lines)
    return [last + life.remaining_units for last, life in zip(left, lives, strict=True)]


def measures(
    remaining: NDArray[np.float64],
    probability: NDArray[np.float64],
    truth: list[NDArray[np.float64]],
    cpu_s: float,
) -> dict[str, float]:
    """The protocol's numbers from predictions on all test rows. (row,) each"""
    every = np.concatenate(truth)
    last = np.cumsum([len(part) for part in truth]) - 1
    soon = every <= HORIZON
    return {
        "rmse_cap125": rmse(remaining[last], every[last], cap=CAP),
        "rmse_uncapped": rmse(remaining[last], every[last]),
        "score": asymmetric_score(remaining[last], np.minimum(every[last], CAP)),
        "ap": average_precision(probability, soon),
        "brier": brier(probability, soon),
        "ece": expected_calibration_error(probability, soon),
        "cpu_s": cpu_s,
    }


def run_network(
    fleet: list[Life], test: list[Life], truth: list[NDArray[np.float64]], *, settings: ModelSettings, seed: int
) -> tuple[Model, dict[str, float]]:
    """Train with one seed and measure."""
    began = time.process_time()
    model = train(fleet, machine_class=ENGINE, settings=settings, seed=seed)
    cpu_s = time.process_time() - began
    if not isinstance(model, Model):
        raise SystemExit(model.reason)
    scores = [score_life(life, model=model) for life in test]
    remaining = [restricted_mean(score.log_survived, model.edges, cap=CAP) for score in scores]
    probability = [failure_probability(score, model=model, horizon_units=HORIZON) for score in scores]
    low, high = (
        np.concatenate(
            [remaining_quantile(score.log_survived, model.edges, probability=p, longest=1e4) for score in scores]
        )
        for p in map(model.calibration.level, (0.1, 0.9))
    )
    every = np.concatenate(truth)
    last = np.cumsum([len(part) for part in truth]) - 1
    covered = {"covered_80": float(((low <= every) & (every <= high))[last].mean())}
    return model, measures(np.concatenate(remaining), np.concatenate(probability), truth, cpu_s) | covered


def run_trees(
    fleet: list[Life], test: list[Life], truth: list[NDArray[np.float64]], *, model: Model, seed: int
) -> dict[str, float]:
    """Boosted trees on the same inputs: one for the remaining life, one for the risk."""
    began = time.process_time()
    known = {"normaliser": model.normaliser, "settings": model.settings}
    x = np.concatenate([extract(life, **known) for life in fleet])
    left = np.concatenate([life.remaining_units for life in fleet])
    shape = {"learning_rate": 0.06, "max_iter": 200, "max_leaf_nodes": 15, "min_samples_leaf": 40, "random_state": seed}
    lives = HistGradientBoostingRegressor(**shape).fit(x, np.minimum(left, CAP))
    risks = HistGradientBoostingClassifier(**shape).fit(x, left <= HORIZON)
    cpu_s = time.process_time() - began
    rows = np.concatenate([extract(life, **known) for life in test])
    return measures(lives.predict(rows), risks.predict_proba(rows)[:, 1], truth, cpu_s)


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Markdown, mean ± standard deviation over seeds."""
    lines = ["| model | " + " | ".join(COLUMNS) + " |", "|---|" + "---|" * len(COLUMNS)]
    for name, runs in results.items():
        cells = []
        for column in COLUMNS:
            values = np.array([run[column] for run in runs if column in run])
            if not len(values):
                cells.append("-")
                continue
            digits = 4 if column in ("ap", "brier", "ece", "covered_80") else 1 if column in ("score", "cpu_s") else 2
            cells.append(f"{values.mean():.{digits}f} ± {values.std(ddof=min(1, len(values) - 1)):.{digits}f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the protocol and write the page."""
    parser = argparse.ArgumentParser(description="C-MAPSS FD001 benchmark of the failure-risk model")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared/data/cmapss")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    fleet = load_cmapss(options.data / "train_FD001.txt.gz", failed=True)
    test = load_cmapss(options.data / "test_FD001.txt.gz", failed=False)
    truth = load_truth(options.data / "RUL_FD001.txt.gz", test)
    results: dict[str, list[dict[str, float]]] = {}
    facts = ""
    for age in AgeInput:
        settings = ModelSettings(age=age)
        for seed in range(options.seeds):
            model, run = run_network(fleet, test, truth, settings=settings, seed=seed)
            results.setdefault(f"hazard network, {age} age", []).append(run)
            sys.stdout.write(f"{age} age, seed {seed}: {run}\n")
            sys.stdout.flush()
        results[f"boosted trees, {age} age"] = [run_trees(fleet, test, truth, model=model, seed=0)]
        if age is AgeInput.WITH:
            facts = page_facts(model, test)
    page = table(results)
    sys.stdout.write(f"{page}\n\n{facts}\n")
    if options.out:
        write_top(
            options.out, written(page, facts, options.seeds), below="Grouped cross-validation on training engines"
        )


def page_facts(model: Model, test: list[Life]) -> str:
    """Size of the network and the causality check, as sentences."""
    leak = max(
        future_leak(lambda life: score_life(life, model=model).log_survived, life, cuts=(15, len(life) // 2))
        for life in test[:10]
    )
    weights = sum(part.numel() for part in model.network.parameters()) // model.settings.members
    return (
        f"{model.settings.members} members of {weights} parameters each, {len(model.features)} inputs. "
        f"Causality: truncating the future changes no score by more than {leak:.1e} (log-survival, 10 engines, 2 cuts)."
    )


def written(page: str, facts: str, seeds: int) -> str:
    """The page for docs/benchmarks."""
    return f"""# C-MAPSS FD001: failure risk

Command: `python tests/benchmarks/risk_cmapss.py --seeds {seeds} --out docs/benchmarks/risk-cmapss.md`
Machine: {platform.machine()}, {platform.system()}, Python {platform.python_version()}, 1 torch thread; CPU seconds
of training, features included, on a machine shared with other work.

100 training engines, 100 test engines, one configuration (`ModelSettings()`), mean ± sd over
{seeds} seeds (trees: one).
`rmse_cap125`, `rmse_uncapped` and the score S (truth capped at 125) at the last row of each test engine; prediction:
expected remaining life counted up to 125 cycles. `ap`, `brier`, `ece`: "fails within 30 cycles" on all 13,096 test
rows. `covered_80`: test engines whose true remaining life lies between p10 and p90 at their last row. The recipe (the
age in parts, whole courses of training, weight of the expected life, pooled hazards, calibration, the long window) was
chosen by grouped folds over training engines of FD001 and FD003; in how many parts the age enters, and the dropout, are
chosen in each training by held-out loss. The test rows were scored with six configurations before; none was picked by
its test figures. The configuration before this one, of one dropout, had RMSE 10.02 / 12.76, AP 0.9809 / 0.9691, Brier
0.0031 / 0.0040, ECE 0.0026 / 0.0036 with / without age; what changed since was chosen on [made-up
fleets](risk-fleets.md). The trees' settings were not tuned. 100 engines give an RMSE a standard error near 0.7.

{page}

{facts}
"""


if __name__ == "__main__":
    main()
