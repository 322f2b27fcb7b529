"""The label head on labelled sets that it was not built with, beside boosted trees: one configuration for all.

    python tests/benchmarks/risk_labels.py [--seeds 3] [--only NAME,NAME] [--out docs/benchmarks/risk-labels.md]

Trees see the signals (of readings in time, the same windows), or the inputs that the head chose.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from label_folders import SETS, Made
from numpy.typing import NDArray
from risk_recordings import life_of
from sklearn.ensemble import HistGradientBoostingClassifier

from analytics.evaluate import average_precision, brier, expected_calibration_error
from analytics.labels_head import LabelHead, judge_labels, learn_labels
from analytics.labels_inputs import label_inputs
from analytics.labels_settings import LabelSettings
from analytics.lives import Life

TREES = {"learning_rate": 0.06, "max_iter": 200, "max_leaf_nodes": 15, "min_samples_leaf": 20}
TITLE = "# Labels: the head on made-up plants"
FIRST_SEED = 101
"""The head was developed on draws 1 to 4."""
TABLE = "## Table"
Row = dict[str, float]


def lives_of(made: Made, which: NDArray[np.bool_]) -> tuple[list[Life], list[NDArray[np.float64]]]:
    """Lives and labels of some rows, a life for each machine."""
    lives, labels = [], []
    for group in np.unique(made.group[which]):
        rows = which & (made.group == group)
        lives.append(replace(life_of(made.values[rows], machine=f"machine-{group}"), signals=made.signals))
        labels.append(made.label[rows].astype(np.float64))
    return lives, labels


def parted(made: Made, known: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Rows to learn from. (row,)"""
    if made.in_time:
        return np.asarray(made.group < known)
    which = np.zeros(len(made.label), dtype=bool)
    which[rng.permutation(len(which))[:known]] = True
    return which


def judged(chance: NDArray[np.float64], truth: NDArray[np.bool_]) -> Row:
    """What probabilities are worth."""
    said, p = chance >= 0.5, np.clip(chance, 1e-6, 1 - 1e-6)
    return {
        "ap": average_precision(chance, truth),
        "f1": 2 * int((said & truth).sum()) / max(int(said.sum() + truth.sum()), 1),
        "log_loss": float(-(truth * np.log(p) + ~truth * np.log1p(-p)).mean()),
        "brier": brier(chance, truth),
        "ece": expected_calibration_error(chance, truth),
    }


def compare(name: str, seed: int) -> dict[str, Row]:
    """The head and the trees on one set."""
    make, known, unseen = SETS[name]
    rng = np.random.default_rng(1000 * seed + len(name))
    made = make(rng, known + unseen)
    train = parted(made, known, rng)
    lives, labels = lives_of(made, train)
    began = time.process_time()
    head = learn_labels(lives, labels, in_time=made.in_time, settings=LabelSettings(), seed=seed)
    if not isinstance(head, LabelHead):
        raise SystemExit(f"{name}: {head}")
    learned_s = time.process_time() - began
    later, truth = lives_of(made, ~train)
    truth_all = np.concatenate(truth) > 0.5
    rows = {"network": judged(np.concatenate([judge_labels(life, head=head) for life in later]), truth_all)}
    rows["network"] |= {
        "cpu_s": learned_s,
        "inputs": float(len(head.chosen)),
        "prevalence": float(np.concatenate(labels).mean()),
    }
    ways = {
        "trees": None if made.in_time else np.arange(len(made.signals)),
        "trees, chosen inputs": np.array(head.chosen),
    }
    for way, chosen in ways.items():
        x, unseen_x = (
            np.concatenate([label_inputs(life, head.normaliser, np.arange(len(life)), chosen=chosen) for life in some])
            for some in (lives, later)
        )
        began = time.process_time()
        boosted = HistGradientBoostingClassifier(**TREES, random_state=seed).fit(x, np.concatenate(labels) > 0.5)
        rows[way] = judged(boosted.predict_proba(unseen_x)[:, 1], truth_all) | {"cpu_s": time.process_time() - began}
    return rows


MEASURES = ("ap", "f1", "log_loss", "brier", "ece", "cpu_s")


def table(found: dict[str, list[dict[str, Row]]]) -> str:
    """A row per set and method: means over the seeds; of the average precision its deviation too."""
    lines = ["| set | rows bad | inputs | method | AP | F1 | log loss | Brier | ECE | CPU s |", "|---|" + "---|" * 9]
    for name, runs in found.items():
        for method in runs[0]:
            mean = {key: float(np.mean([run[method][key] for run in runs])) for key in MEASURES}
            spread = float(np.std([run[method]["ap"] for run in runs], ddof=min(1, len(runs) - 1)))
            first = method == "network"
            bad = f"{np.mean([run['network']['prevalence'] for run in runs]):.1%}" if first else ""
            inputs = f"{np.mean([run['network']['inputs'] for run in runs]):.0f}" if first else ""
            lines.append(
                f"| {name if first else ''} | {bad} | {inputs} | {method} | {mean['ap']:.3f} ± {spread:.3f} "
                f"| {mean['f1']:.3f} | {mean['log_loss']:.4f} | {mean['brier']:.4f} | {mean['ece']:.4f} "
                f"| {mean['cpu_s']:.1f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run every set and print, or write, the table: what stands before it on the page stays."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default=",".join(SETS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[dict[str, Row]]] = {}
    for name in options.only.split(","):
        found[name] = [compare(name, seed) for seed in range(FIRST_SEED, FIRST_SEED + options.seeds)]
        print(table({name: found[name]}).split("\n", 2)[2], flush=True)
    if options.out is not None:
        before = options.out.read_text(encoding="utf-8").split(f"\n{TABLE}\n")[0] if options.out.is_file() else TITLE
        options.out.write_text(f"{before.rstrip()}\n\n{TABLE}\n\n{table(found)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
