"""Every protocol beside C-MAPSS: SKAB valve1, Tennessee Eastman, AI4I, Vega, NAB temperature; one configuration.

    python tests/benchmarks/risk_protocols.py [--data FOLDER] [--seeds 3] [--out FILE] [--only skab]

What a row means is in shared/docs/risk.md. Nothing here is chosen on test rows; thresholds are the configuration's.
The normality head has no randomness beyond its regimes; its standard deviation over seeds is 0 where there is one.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from risk_cmapss import ENGINE, load_cmapss
from risk_recordings import DATA, SKAB_HEAD, TEP_BEGINS, VEGA_NEAR, ai4i, life_of, nab, skab_runs, tep, vega
from scipy.signal import lfilter
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold

from analytics.assess import failure_probability, score_life
from analytics.evaluate import average_precision, brier, expected_calibration_error, future_leak, roc_auc
from analytics.labels_head import LabelHead, judge_labels, learn_labels
from analytics.labels_inputs import label_inputs
from analytics.labels_settings import LabelSettings
from analytics.lives import Life, truncated
from analytics.model_settings import ModelSettings
from analytics.normality import Normality, episodes, judge_normality, learn_normality
from analytics.normality_settings import NormalitySettings
from analytics.scoring import against_labels
from analytics.training import Model, train

Row = dict[str, float]
TREES = {"learning_rate": 0.06, "max_iter": 200, "max_leaf_nodes": 15, "min_samples_leaf": 20}
MATCHED_FAR = 0.03


def learned(head: Life, *, seed: int = 1) -> Normality:
    """The normality head, or the end of the run."""
    found = learn_normality([head], settings=NormalitySettings(), seed=seed)
    if not isinstance(found, Normality):
        raise SystemExit(found.reason)
    return found


def level_shift(head: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The simple statistic to beat: exponentially weighted z (30 rows), mean of the top 3 sensors. (row,)"""
    z = (values - head.mean(axis=0)) / (head.std(axis=0) + 1e-12)
    keep = 1 - 2 / 31
    weight = lfilter([1.0], [1.0, -keep], np.ones(len(z)))[:, None]
    mean = np.abs(lfilter([1.0], [1.0, -keep], z, axis=0) / weight)
    return np.asarray(np.sort(mean, axis=1)[:, -3:].mean(axis=1))


def mahalanobis(head: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance over all variables, smoothed over 10 rows. (row,)"""
    centre, spread = head.mean(axis=0), head.std(axis=0) + 1e-9
    z = (values - centre) / spread
    inverse = np.linalg.pinv(np.cov(((head - centre) / spread).T))
    keep = 1 - 2 / 11
    weight = lfilter([1.0], [1.0, -keep], np.ones(len(z)))
    return np.asarray(lfilter([1.0], [1.0, -keep], ((z @ inverse) * z).sum(axis=1)) / weight)


def run_skab(data: Path, seed: int) -> dict[str, Row]:
    """A fresh model per file; rows from 400 on."""
    began = time.process_time()
    said, labels, simple, leak = [], [], [], 0.0
    for run, truth in skab_runs(data):
        head = learned(truncated(run, rows=SKAB_HEAD), seed=seed)
        said.append(judge_normality(run, normality=head).p[SKAB_HEAD:])
        labels.append(truth[SKAB_HEAD:].astype(np.float64))
        simple.append(level_shift(run.values[:SKAB_HEAD], run.values)[SKAB_HEAD:])
    cpu_s = time.process_time() - began
    leak = future_leak(lambda life: np.log(judge_normality(life, normality=head).p), run, cuts=(450, 700))
    macro = float(np.mean([average_precision(-p, y == 1) for p, y in zip(said, labels, strict=True)]))
    shift = float(np.mean([average_precision(s, y == 1) for s, y in zip(simple, labels, strict=True)]))
    rows = {"level shift": {"macro_ap": shift}}
    for alarm in (0.01, 0.005, 0.001):
        found = against_labels(said, labels, settings=NormalitySettings(alarm_p=alarm))
        rows[f"normality, p <= {alarm}"] = {
            "macro_ap": macro,
            "f1": found["anomaly_f1"],
            "far": found["anomaly_false_alarm_rate"],
            "mar": found["anomaly_missed_alarm_rate"],
            "caught": found["anomalies_caught"],
            "of": found["anomalies"],
            "false_episodes": found["false_episodes"],
            "leak": leak,
            "parameters": float(sum(value.numel() for value in head.network.state_dict().values())),
            "cpu_s": cpu_s,
        }
    return rows


def run_tep(data: Path, seed: int) -> dict[str, Row]:
    """Fit on d00; a threshold for each method at a pooled false-alarm rate of 3 %."""
    train, test = tep(data)
    began = time.process_time()
    head = learned(train, seed=seed)
    network = {name: -np.log(judge_normality(life, normality=head).p) for name, life in test.items()}
    cpu_s = time.process_time() - began
    simple = {name: mahalanobis(train.values, life.values) for name, life in test.items()}
    rows = {}
    for method, scores in (("Mahalanobis, smoothed", simple), ("normality", network)):
        half = len(scores["00"]) // 2
        faults = [name for name in scores if name != "00"]
        quiet = np.concatenate([scores["00"][half:], *(scores[name][:TEP_BEGINS] for name in faults)])
        threshold = np.quantile(quiet, 1 - MATCHED_FAR)
        row: Row = {}
        for name in faults:
            unusual = scores[name][TEP_BEGINS:] > threshold
            row[f"found_{name}"] = float(unusual.mean())
            row[f"delay_{name}"] = float(unusual.argmax()) if unusual.any() else float(len(unusual))
        row["found_mean"] = float(np.mean([row[f"found_{name}"] for name in faults]))
        row["delay_mean"] = float(np.mean([row[f"delay_{name}"] for name in faults]))
        rows[method] = row
    quiet_p = np.concatenate([np.exp(-network["00"][480:]), *(np.exp(-network[n][:TEP_BEGINS]) for n in faults)])
    rows["normality"] |= {
        "far_at_p_0.03": float((quiet_p <= 0.03).mean()),
        "leak": future_leak(lambda life: np.log(judge_normality(life, normality=head).p), test["01"], cuts=(100, 500)),
        "parameters": float(sum(value.numel() for value in head.network.state_dict().values())),
        "cpu_s": cpu_s,
    }
    return rows


def run_nab(data: Path, seed: int) -> dict[str, Row]:
    """Learn on the unscored head, which holds one of the four windows."""
    life, windows, first = nab(data)
    began = time.process_time()
    head = learned(truncated(life, rows=first), seed=seed)
    said = judge_normality(life, normality=head)
    cpu_s = time.process_time() - began
    scored = [window for window in windows if window[0] >= first]
    rows = {}
    ways = {f"normality, p <= {alarm}": said.p <= alarm for alarm in (0.05, 0.01, 0.001)}
    weeks = (len(life) - first) / (7 * 24 * 12)
    for way, stands in (ways | {"normality, alarms, 1 a week bearable": said.alarm}).items():
        unusual = stands & (np.arange(len(life)) >= first)
        found = episodes(unusual, quiet_rows=NormalitySettings().quiet_rows)
        false = [e for e in found if not any(e[0] <= last and e[1] >= begin for begin, last in scored)]
        hits = [bool(unusual[begin : last + 1].any()) for begin, last in scored]
        rows[way] = {
            "windows_hit": float(sum(hits)),
            "of": float(len(scored)),
            "before_failure": float(hits[-2]),
            "false_a_week": len(false) / weeks,
            "cpu_s": cpu_s,
        }
    return rows


def run_ai4i(data: Path, seed: int) -> dict[str, Row]:
    """Stratified 5-fold; type and five sensors, nothing else."""
    inputs, truth = ai4i(data)
    values = inputs.to_numpy(dtype=np.float64)
    out, tree, tree_pairs, tree_chosen = np.zeros((4, len(truth)))
    pairs = label_inputs(life_of(values, machine="mill"), None, np.arange(len(values)))
    spent = {"network": 0.0, "trees": 0.0}
    size = 0.0
    for known, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(values, truth):
        began = time.process_time()
        head = learn_labels(
            [life_of(values[known], machine="mill")],
            [truth[known].astype(np.float64)],
            in_time=False,
            settings=LabelSettings(),
            seed=seed,
        )
        assert isinstance(head, LabelHead)
        out[test] = judge_labels(life_of(values[test], machine="mill"), head=head)
        spent["network"] += time.process_time() - began
        size = float(sum(weight.numel() for weight in head.network.parameters()))
        began = time.process_time()
        for said, x in ((tree, values), (tree_pairs, pairs), (tree_chosen, pairs[:, list(head.chosen)])):
            boosted = HistGradientBoostingClassifier(**TREES, random_state=seed).fit(x[known], truth[known])
            said[test] = boosted.predict_proba(x[test])[:, 1]
        spent["trees"] += time.process_time() - began
    trees_s = {"cpu_s": spent["trees"] / 3}
    return {
        "boosted trees": classified(tree, truth) | trees_s,
        "boosted trees, all pairs": classified(tree_pairs, truth) | trees_s,
        "boosted trees, the head's inputs": classified(tree_chosen, truth) | trees_s,
        "label head": classified(out, truth) | {"cpu_s": spent["network"], "parameters": size},
    }


def run_vega(data: Path, seed: int) -> dict[str, Row]:
    """Leave one life out; trees on all the windows of the signals, and on the inputs that the head chose among them."""
    lives = {name: life_of(values, machine=name, failed=True) for name, values in vega(data).items()}
    near = {name: np.arange(len(life))[::-1] < VEGA_NEAR for name, life in lives.items()}
    methods = ("boosted trees", "trees, the head's inputs", "label head")
    rows: dict[str, Row] = {method: {"cpu_s": 0.0} for method in methods}
    for left in lives:
        known_lives = [name for name in lives if name != left]
        began = time.process_time()
        head = learn_labels(
            [lives[name] for name in known_lives],
            [near[name].astype(np.float64) for name in known_lives],
            in_time=True,
            settings=LabelSettings(),
            seed=seed,
        )
        assert isinstance(head, LabelHead)
        assert head.normaliser is not None
        chance = judge_labels(lives[left], head=head)
        rows["label head"]["cpu_s"] += time.process_time() - began
        rows["label head"]["parameters"] = float(sum(weight.numel() for weight in head.network.parameters()))
        every = [(lives[name], np.arange(0, len(lives[name]), 5)) for name in known_lives]
        x = np.concatenate([label_inputs(life, head.normaliser, at) for life, at in every])
        y = np.concatenate([near[name][::5] for name in known_lives])
        unseen = label_inputs(lives[left], head.normaliser, np.arange(len(lives[left])))
        said = {"label head": chance}
        for method, use in (("boosted trees", slice(None)), ("trees, the head's inputs", list(head.chosen))):
            began = time.process_time()
            boosted = HistGradientBoostingClassifier(**TREES, random_state=seed).fit(x[:, use], y)
            said[method] = boosted.predict_proba(unseen[:, use])[:, 1]
            rows[method]["cpu_s"] += time.process_time() - began
        for method in rows:
            rows[method] |= {
                f"ap_{left}": average_precision(said[method], near[left]),
                f"auc_{left}": roc_auc(said[method], near[left]),
                f"prevalence_{left}": float(near[left].mean()),
            }
        print(f"{left}: {rows}", file=sys.stderr, flush=True)
    for row in rows.values():
        row["ap_mean"] = float(np.mean([row[f"ap_{name}"] for name in lives]))
        row["auc_mean"] = float(np.mean([row[f"auc_{name}"] for name in lives]))
    return rows


def run_speed(data: Path, seed: int) -> dict[str, Row]:
    """One row of one machine, inputs included, on one thread, 200 rows of 24 signals behind it [ms of CPU]."""
    fleet = load_cmapss(data / "cmapss" / "train_FD001.txt.gz", failed=True)[:12]
    quick = ModelSettings(epochs=1)
    model = train(fleet, machine_class=ENGINE, settings=quick, seed=seed)
    assert isinstance(model, Model)
    life = fleet[0]
    head = learned(truncated(life, rows=len(life)), seed=seed)

    def hazard() -> None:
        failure_probability(score_life(life, model=model, rows=[len(life) - 1]), model=model, horizon_units=30.0)

    rows = {}
    for name, ask in (("hazard", hazard), ("normality", lambda: judge_normality(life, normality=head))):
        took = []
        for _ in range(200):
            began = time.process_time()
            ask()
            took.append(1000 * (time.process_time() - began))
        rows[f"{name}, one row"] = {"cpu_ms": float(np.median(took)), "cpu_ms_p95": float(np.quantile(took, 0.95))}
    return rows


def classified(chance: NDArray[np.float64], truth: NDArray[np.bool_]) -> Row:
    """F1 at 0.5, average precision, Brier and ECE."""
    said = chance >= 0.5
    return {
        "f1": 2 * int((said & truth).sum()) / int(said.sum() + truth.sum()),
        "ap": average_precision(chance, truth),
        "brier": brier(chance, truth),
        "ece": expected_calibration_error(chance, truth),
    }


PROTOCOLS: dict[str, Callable[[Path, int], dict[str, Row]]] = {
    "skab": run_skab,
    "tep": run_tep,
    "nab": run_nab,
    "ai4i": run_ai4i,
    "vega": run_vega,
    "speed": run_speed,
}


def markdown(name: str, runs: list[dict[str, Row]]) -> str:
    """A table of one protocol: a row per measure, a column per method, mean ± sd over seeds."""
    methods = list(runs[0])
    measures = list(dict.fromkeys(measure for method in methods for measure in runs[0][method]))
    summary = (PROTOCOLS[name].__doc__ or "").strip()
    lines = [f"## {name}", "", summary, "", "| | " + " | ".join(methods) + " |", "|---|" + "---|" * len(methods)]
    for measure in measures:
        cells = []
        for method in methods:
            values = np.array([run[method][measure] for run in runs if measure in run[method]])
            if not len(values):
                cells.append("-")
            elif measure == "leak":
                cells.append(f"{values.max():.1e}")
            else:
                cells.append(f"{values.mean():.4g} ± {values.std(ddof=min(1, len(values) - 1)):.2g}")
        lines.append(f"| {measure} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the protocols and write the page: what stands before its tables stays, and the tables that were not run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default=",".join(PROTOCOLS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    pages: dict[str, str] = {}
    for name in options.only.split(","):
        runs = [PROTOCOLS[name](options.data, seed) for seed in range(1, options.seeds + 1)]
        pages[name] = markdown(name, runs)
        print(pages[name], end="\n\n", flush=True)
        if name in ("skab", "tep") and any(row.get("leak", 0.0) > 1e-6 for run in runs for row in run.values()):
            sys.exit(f"{name}: a score changed when the future was cut off")
    if options.out is not None:
        before = options.out.read_text(encoding="utf-8") if options.out.is_file() else "# Failure risk: every protocol"
        options.out.write_text(merged(before, pages), encoding="utf-8")


def merged(page: str, tables: dict[str, str]) -> str:
    """The page with new tables in the place of those of the same name; what else stands on it stays."""
    start, *parts = re.split(rf"\n(?=## (?:{'|'.join(PROTOCOLS)})\n)", page)
    known = {part.split("\n", 1)[0].removeprefix("## "): part.rstrip() for part in parts} | tables
    ordered = [known[name] for name in PROTOCOLS if name in known]
    return "\n\n".join([start.rstrip(), *ordered]) + "\n"


if __name__ == "__main__":
    main()
