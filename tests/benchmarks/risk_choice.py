"""How the normality head's configuration was chosen: faults injected into normal recordings, no test row touched.

    python tests/benchmarks/risk_choice.py [--data FOLDER] [--seeds 2]

Recordings: SKAB anomaly-free, TEP d00_te (fit on d00), the beginnings of the three Vega lives, the unscored head of the
NAB temperature. Faults on one to three signals: a step of 1.5 sigma, a ramp to 3 sigma, time reversed (means and
spreads stay), added noise of one sigma.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from risk_recordings import DATA, life_of, nab, skab_normal, tep, vega

from analytics.evaluate import average_precision
from analytics.lives import Life, truncated
from analytics.normality import Normality, episodes, judge_normality, learn_normality
from analytics.normality_settings import NormalitySettings

VARIANTS = {
    "scales 1, 4": NormalitySettings(scales_rows=(1, 4)),
    "scales 1, 4, 16 (chosen)": NormalitySettings(),
    "scales 1, 3, 9, 27": NormalitySettings(scales_rows=(1, 3, 9, 27)),
    "scales 1, 4, 16, 64": NormalitySettings(scales_rows=(1, 4, 16, 64)),
    "one scale": NormalitySettings(scales_rows=(1,)),
    "smoothed over 4": NormalitySettings(smoothing_rows=4),
    "smoothed over 10": NormalitySettings(smoothing_rows=10),
    "3 folds": NormalitySettings(folds=3),
    "5 folds": NormalitySettings(folds=5),
}
ALARMS = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
BEARABLE = (5.0, 1.0, 0.2)
"""False alarms a week, of hourly readings."""


def recordings(data: Path) -> list[tuple[Life, NDArray[np.float64], int]]:
    """Normal head to learn from, the whole recording, and the first row that is judged."""
    found = []
    free = skab_normal(data)
    for begin in range(0, len(free) - 1100, 1100):
        part = free[begin : begin + 1100]
        found.append((life_of(part[:400], machine="rig"), part, 400))
    train, test = tep(data)
    found += [(train, test["00"].values[begin : begin + 480], 0) for begin in (0, 240, 480)]
    found += [(life_of(part[:800], machine="cutter"), part[:2000], 800) for part in vega(data).values()]
    temperature, _, _ = nab(data)
    found.append((truncated(temperature, rows=1000), temperature.values[:2200], 1000))
    return found


def injected(
    values: NDArray[np.float64], *, head: Life, first: int, kind: str, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The recording with a fault over 55 % of its judged rows, and which rows those are."""
    changed, length = values.copy(), len(values) - first
    begin, end = first + int(0.3 * length), first + int(0.85 * length)
    signals = rng.choice(values.shape[1], min(values.shape[1], 1 + int(rng.integers(3))), replace=False)
    sigma = np.nanstd(head.values, axis=0)[signals]
    side = rng.choice([-1.0, 1.0], len(signals))
    where = np.ix_(np.arange(begin, end), signals)
    if kind == "step":
        changed[where] += 1.5 * sigma * side
    elif kind == "ramp":
        changed[where] += np.linspace(0, 3, end - begin)[:, None] * sigma * side
    elif kind == "reversed":
        changed[where] = changed[where][::-1]
    else:
        changed[where] += rng.normal(size=(end - begin, len(signals))) * sigma
    truth = np.zeros(len(values), dtype=bool)
    truth[begin:end] = True
    return changed, truth


def alarm_line(name: str, said: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]) -> str:
    """Faults during which an alarm stood, how late in them, false alarms, and F1 and false-alarm rate by rows."""
    caught = false = 0
    late = []
    for stands, truth in said:
        within = np.flatnonzero(stands[truth])
        caught += len(within) > 0
        late.append(within[0] / truth.sum() if len(within) else 1.0)
        found = episodes(stands, quiet_rows=NormalitySettings().quiet_rows)
        false += sum(not truth[first : last + 1].any() for first, last in found)
    stands, truth = (np.concatenate(column) for column in zip(*said, strict=True))
    quiet, hit = int((~truth).sum()), int((stands & truth).sum())
    f1 = 2 * hit / (int(stands.sum()) + int(truth.sum()))
    wrong = int((stands & ~truth).sum()) / quiet
    cells = (caught / len(said), float(np.mean(late)), 1000 * false / quiet, f1, wrong)
    return f"| {name} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |"


def main() -> None:
    """Print a line per variant, and of the chosen one a line per threshold and per way to alarm."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    cases = []
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        for head, values, first in recordings(options.data):
            for kind in ("step", "ramp", "noise", *(("reversed",) if values.shape[1] > 1 else ())):
                cases.append((head, first, kind, *injected(values, head=head, first=first, kind=kind, rng=rng)))
    kinds = ("step", "ramp", "reversed", "noise")
    print(f"{len(cases)} injected faults")
    print("| variant | " + " | ".join(f"AP {kind}" for kind in kinds) + " | mean | false alarms at p <= 0.01 |")
    print("|---|" + "---|" * (len(kinds) + 2))
    for name, settings in VARIANTS.items():
        known: dict[int, Normality] = {}
        gained: dict[str, list[float]] = {kind: [] for kind in kinds}
        said = []
        for head, first, kind, values, truth in cases:
            if id(head) not in known:
                learned = learn_normality([head], settings=settings)
                assert isinstance(learned, Normality)
                known[id(head)] = learned
            p = judge_normality(life_of(values, machine="x"), normality=known[id(head)]).p[first:]
            gained[kind].append(average_precision(-p, truth[first:]))
            said.append((p, truth[first:]))
        means = [float(np.mean(gained[kind])) for kind in kinds]
        false = np.mean([(p[~truth] <= 0.01).mean() for p, truth in said])
        print(f"| {name} | " + " | ".join(f"{mean:.3f}" for mean in means) + f" | {np.mean(means):.3f} | {false:.3f} |")
        if settings == NormalitySettings():
            table = []
            for alarm in ALARMS:
                hit = sum(int((truth & (p <= alarm)).sum()) for p, truth in said)
                wrong = sum(int((~truth & (p <= alarm)).sum()) for p, truth in said)
                there = sum(int(truth.sum()) for _, truth in said)
                quiet = sum(int((~truth).sum()) for _, truth in said)
                table.append(f"| {alarm} | {2 * hit / (hit + wrong + there):.3f} | {wrong / quiet:.3f} |")
            alarming = [alarm_line(f"p <= {alarm}", [(p <= alarm, truth) for p, truth in said]) for alarm in ALARMS]
    print("\n| alarm at p <= | F1 | false-alarm rate |\n|---|---|---|\n" + "\n".join(table))
    for bearable in BEARABLE:
        settings, heads, stands = NormalitySettings(alarms_per_week=bearable), {}, []
        for head, first, _, values, truth in cases:
            if id(head) not in heads:
                heads[id(head)] = learn_normality([head], settings=settings)
            found = judge_normality(life_of(values, machine="x"), normality=heads[id(head)])
            stands.append((found.alarm[first:], truth[first:]))
        alarming.append(alarm_line(f"alarm, {bearable:g} a week bearable", stands))
    print("\n| an alarm stands | caught | begins after | false per 1,000 rows | F1 | false rows |")
    print("\n".join(["|---|---|---|---|---|---|", *alarming]))


if __name__ == "__main__":
    main()
