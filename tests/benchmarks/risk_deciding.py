"""The deciding comparison: grouped cross-validation over two C-MAPSS fleets, network against boosted trees.

    python tests/benchmarks/risk_deciding.py [--folds 0,1,2,3,4] [--out docs/benchmarks/risk-deciding.md]

FD001 and FD003 training engines, five folds by engine in each, five random truncations of every held-out engine. The
trees see the same inputs. Differences are bootstrapped by engine, since the rows of an engine err together. All
fitting, calibration and choosing happens on the training folds.
"""

import argparse
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from risk_cmapss import CAP, ENGINE, HORIZON, load_cmapss
from risk_pages import write_top
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from analytics.assess import failure_probability, score_life
from analytics.features import extract
from analytics.hazard import remaining_quantile, restricted_mean
from analytics.lives import Life
from analytics.model_settings import AgeInput, ModelSettings
from analytics.training import Model, train

FLEETS = ("FD001", "FD003")
FOLDS = 5
CUTS = 5
FIRST_CUT = 30
"""Rows that every truncation leaves [row]."""
LONGEST = 1000.0
"""No interval reaches farther [cycle]."""
BOOTSTRAPS = 2000
COVERAGE = 0.9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """What both say about the rows of the held-out engines of one fold."""

    engine: NDArray[np.intp]
    left: NDArray[np.float64]
    """True cycles left. (row,)"""
    weight: NDArray[np.float64]
    """Share of the truncations that leave the row. (row,)"""
    cuts: NDArray[np.float64]
    """Truncations that end at the row. (row,)"""
    life: NDArray[np.float64]
    """Expected remaining life of network and trees, capped [cycle]. (2, row)"""
    risk: NDArray[np.float64]
    """Probability of failing within the horizon. (2, row)"""
    low: NDArray[np.float64]
    """Of the 90 % interval, capped [cycle]. (2, row)"""
    high: NDArray[np.float64]
    """(2, row)"""
    whole: NDArray[np.float64]
    """Low and high of the network's 90 % interval as it is told, without a cap [cycle]. (2, row)"""


def folds_of(count: int, *, seed: int) -> NDArray[np.intp]:
    """Fold of each engine."""
    fold = np.empty(count, dtype=np.intp)
    fold[np.random.default_rng(seed).permutation(count)] = np.arange(count) % FOLDS
    return fold


def truncations(lives: list[Life], rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of the truncations that leave each row, and how many end there. (row,) each"""
    weights, ends = [], []
    for life in lives:
        cuts = rng.integers(FIRST_CUT, len(life), size=CUTS)
        weights.append((cuts[:, None] >= np.arange(len(life))).mean(axis=0))
        ends.append(np.bincount(cuts, minlength=len(life)).astype(np.float64))
    return np.concatenate(weights), np.concatenate(ends)


def trees(
    lives: list[Life], x: NDArray[np.float64], *, model: Model, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Remaining life and risk of boosted trees on the network's inputs, and the half width of their interval.

    The half width is split conformal: the 90 % quantile of the error at random truncations of a fifth of the training
    engines, by trees that did not see these.
    """
    known = {"normaliser": model.normaliser, "settings": model.settings}
    inputs = [extract(life, **known) for life in lives]
    left = [life.remaining_units for life in lives]
    shape = {"learning_rate": 0.06, "max_iter": 200, "max_leaf_nodes": 15, "min_samples_leaf": 40, "random_state": seed}
    everything, target = np.concatenate(inputs), np.concatenate(left)
    regressor = HistGradientBoostingRegressor(**shape).fit(everything, np.minimum(target, CAP))
    classifier = HistGradientBoostingClassifier(**shape).fit(everything, target <= HORIZON)
    held = folds_of(len(lives), seed=seed) == 0
    seen = [index for index in range(len(lives)) if not held[index]]
    apart = HistGradientBoostingRegressor(**shape).fit(
        np.concatenate([inputs[index] for index in seen]),
        np.minimum(np.concatenate([left[index] for index in seen]), CAP),
    )
    _, ends = truncations([life for life, out in zip(lives, held, strict=True) if out], np.random.default_rng(seed))
    errors = np.abs(
        apart.predict(np.concatenate([part for part, out in zip(inputs, held, strict=True) if out]))
        - np.minimum(np.concatenate([part for part, out in zip(left, held, strict=True) if out]), CAP)
    )
    half = float(np.quantile(np.repeat(errors, ends.astype(int)), COVERAGE))
    return regressor.predict(x), classifier.predict_proba(x)[:, 1], half


def one_fold(lives: list[Life], held: list[Life], *, settings: ModelSettings, seed: int, offset: int) -> Rows:
    """Train both on some engines and ask them about the others."""
    model = train(lives, machine_class=ENGINE, settings=settings, seed=seed)
    if not isinstance(model, Model):
        raise SystemExit(model.reason)
    scores = [score_life(life, model=model) for life in held]
    ends = [
        np.concatenate(
            [
                remaining_quantile(
                    score.log_survived, model.edges, probability=model.calibration.level(share), longest=LONGEST
                )
                for score in scores
            ]
        )
        for share in (0.05, 0.95)
    ]
    x = np.concatenate([extract(life, normaliser=model.normaliser, settings=model.settings) for life in held])
    life, risk, half = trees(lives, x, model=model, seed=seed)
    network_life = np.concatenate([restricted_mean(score.log_survived, model.edges, cap=CAP) for score in scores])
    network_risk = np.concatenate([failure_probability(score, model=model, horizon_units=HORIZON) for score in scores])
    weight, cuts = truncations(held, np.random.default_rng(1000 + seed + offset))
    return Rows(
        engine=np.repeat(np.arange(len(held)) + offset, [len(each) for each in held]),
        left=np.concatenate([each.remaining_units for each in held]),
        weight=weight,
        cuts=cuts,
        life=np.stack([network_life, life]),
        risk=np.stack([network_risk, risk]),
        low=np.stack([np.minimum(ends[0], CAP), np.clip(life - half, 0, CAP)]),
        high=np.stack([np.minimum(ends[1], CAP), np.clip(life + half, 0, CAP)]),
        whole=np.stack(ends),
    )


def joined(parts: list[Rows]) -> Rows:
    """All folds."""
    return Rows(
        **{name: np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in Rows.__slots__},
    )


def rmse_of(rows: Rows, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """At the truncations, of network and trees; counts: how often each engine is drawn. (2,)"""
    weight = rows.cuts * counts[rows.engine]
    error = np.minimum(rows.life, CAP) - np.minimum(rows.left, CAP)
    return np.asarray(np.sqrt((weight * error**2).sum(axis=1) / weight.sum()))


def precision_of(rows: Rows, counts: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.float64]:
    """Average precision of "fails within the horizon" on the rows before a truncation. (2,)"""
    soon = (rows.left <= HORIZON).astype(np.float64)
    found = []
    for who in range(2):
        weight = (rows.weight * counts[rows.engine])[order[who]]
        hit = weight * soon[order[who]]
        precision = np.cumsum(hit) / np.maximum(np.cumsum(weight), 1e-12)
        found.append((precision * hit).sum() / hit.sum())
    return np.array(found)


def compared(rows: Rows, *, seed: int) -> dict[str, str]:
    """The cells of one line of the table."""
    engines = int(rows.engine.max()) + 1
    order = np.argsort(-rows.risk, axis=1, kind="stable")
    once = np.ones(engines)
    rng = np.random.default_rng(seed)
    draws = [rng.multinomial(engines, np.full(engines, 1 / engines)).astype(np.float64) for _ in range(BOOTSTRAPS)]
    rmse, precision = rmse_of(rows, once), precision_of(rows, once, order)
    errors = np.array([np.subtract(*rmse_of(rows, counts)) for counts in draws])
    gains = np.array([np.subtract(*precision_of(rows, counts, order)) for counts in draws])
    at = rows.cuts > 0
    capped = np.minimum(rows.left, CAP)
    inside = ((rows.low <= capped + 1e-9) & (capped <= rows.high + 1e-9))[:, at]
    covered = np.average(inside, axis=1, weights=rows.cuts[at])
    width = np.average((rows.high - rows.low)[:, at], axis=1, weights=rows.cuts[at])
    low, high = rows.whole[:, at]
    whole = np.average((low <= rows.left[at]) & (rows.left[at] <= high), weights=rows.cuts[at])
    return {
        "RMSE": f"{rmse[0]:.2f} / {rmse[1]:.2f}",
        "difference (95 %)": _interval(rmse[0] - rmse[1], errors, digits=2),
        "AP": f"{precision[0]:.4f} / {precision[1]:.4f}",
        "gain (95 %)": _interval(precision[0] - precision[1], gains, digits=4),
        "covered by 90 %": f"{covered[0]:.3f} / {covered[1]:.3f}",
        "width": f"{width[0]:.1f} / {width[1]:.1f}",
        "covered, no cap": f"{whole:.3f}",
    }


def _interval(value: float, draws: NDArray[np.float64], *, digits: int) -> str:
    low, high = np.quantile(draws, (0.025, 0.975))
    return f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def main() -> None:
    """Run both variants and write the page: what it says about the figures stays."""
    parser = argparse.ArgumentParser(description="Network against boosted trees by grouped cross-validation")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared/data/cmapss")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", default="0,1,2,3,4", help="of the five, those that are held out in turn")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    folds = [int(number) for number in options.folds.split(",")]
    if not set(folds) <= set(range(FOLDS)):
        raise SystemExit(f"--folds {options.folds}: numbers from 0 to {FOLDS - 1}, with commas between them")
    lines: list[tuple[str, dict[str, str]]] = []
    for age in AgeInput:
        parts, offset, began = [], 0, time.process_time()
        for fleet in FLEETS:
            lives = load_cmapss(options.data / f"train_{fleet}.txt.gz", failed=True)
            fold = folds_of(len(lives), seed=options.seed)
            for number in folds:
                held = [life for life, at in zip(lives, fold, strict=True) if at == number]
                seen = [life for life, at in zip(lives, fold, strict=True) if at != number]
                settings = ModelSettings(age=age)
                parts.append(one_fold(seen, held, settings=settings, seed=options.seed, offset=offset))
                offset += len(held)
                so_far = compared(joined(parts), seed=options.seed)
                sys.stdout.write(f"{age} age, up to {fleet}, fold {number}: {so_far}\n")
                sys.stdout.flush()
        cells = compared(joined(parts), seed=options.seed)
        cells["CPU s a fold"] = f"{(time.process_time() - began) / len(parts):.0f}"
        lines.append((f"{age} age", cells))
    page = written(lines, folds=folds, engines=offset)
    sys.stdout.write(page)
    if options.out:
        write_top(options.out, page, below="How to read it")


def written(lines: list[tuple[str, dict[str, str]]], *, folds: list[int], engines: int) -> str:
    """The page for docs/benchmarks."""
    columns = list(lines[0][1])
    table = [f"| network / trees | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    table += [f"| {name} | {' | '.join(cells[column] for column in columns)} |" for name, cells in lines]
    named = ",".join(map(str, folds))
    return f"""# The deciding comparison: network against boosted trees

Command: `python tests/benchmarks/risk_deciding.py --folds {named} --out docs/benchmarks/risk-deciding.md`
Machine: {platform.machine()}, {platform.system()}, Python {platform.python_version()}, 2 shared cores, 1 torch thread.

FD001 and FD003 training engines, {len(folds)} of {FOLDS} folds by engine in each fleet held out in turn ({engines}
engines), {CUTS} random truncations of every held-out engine, at least {FIRST_CUT} rows in. The trees (scikit-learn's
histogram boosting, 200 trees, not tuned) see the same inputs. RMSE at the truncations, remaining life capped at
{CAP:g}; average precision of "fails within {HORIZON:g} cycles" over the rows before the truncations; differences are
network minus trees, with 95 % intervals from {BOOTSTRAPS} bootstraps by engine. Coverage and mean width [cycle] of 90 %
intervals at the truncations, capped at {CAP:g}; the trees' are split conformal on a fifth of their training engines.
"Covered, no cap": the true remaining life, however long, lies between the p5 and p95 that the product tells (the trees
learned capped lives only). CPU seconds of both and of their questions.

{chr(10).join(table)}
"""


if __name__ == "__main__":
    main()
