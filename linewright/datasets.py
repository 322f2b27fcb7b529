"""Models on data folders, outside the live store: train, score, evaluate, explain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from analytics.assess import HORIZONS_H, assess
from analytics.cases import moments_of
from analytics.datafolder import Dataset, TimeUnit, read_dataset
from analytics.heads import Heads, holds_model, learn_heads, read_heads, write_heads
from analytics.labels_head import explain_label, judge_labels
from analytics.model_settings import AgeInput, ModelSettings
from analytics.normality import judge_normality
from analytics.normality_evidence import normality_evidence
from analytics.scoring import as_learned, evaluate_dataset, score_dataset, usual_horizons
from plant.errors import ConfigError, DataError, Fault
from plant.risks import Evidence

TABLES: Final = (".csv", ".csv.gz", ".parquet")
SOURCES: Final = ("readings.", "failures.", "labels.", "maintenance.", "events.")
"""Begins the names of the tables of a data folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderTraining:
    """How to train on a data folder; what is None stays as the data or the model's defaults say."""

    horizons: tuple[float, ...] = ()
    """[life units]"""
    age: AgeInput = AgeInput.WITH
    members: int | None = None
    seed: int = 1
    threads: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """Why a machine is at risk, or unlike itself, at its newest reading."""

    machine: str
    horizon: float | None = None
    """[life units]; None: no failure was learned from."""
    probability: float | None = None
    """Of a failure within the horizon [0..1]."""
    enough_data: bool = True
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()
    nearest: str = ""
    """The past failure of another machine that looked most alike; empty: none did."""
    anomaly_p: float | None = None
    """How often normal operation looks at least this unusual; None: without normality head."""
    unusual: tuple[Evidence, ...] = ()
    """The signals that make it so, greatest share first."""
    label_probability: float | None = None
    label_parts: Mapping[str, float] = field(default_factory=dict)
    """What each signal adds to the label's logit; greatest first."""


def train_folder(
    folder: Path, *, out: Path, how: FolderTraining, progress: Callable[[float, str], None]
) -> dict[str, Any]:
    """Train on a data folder and write the model into a folder of its own; returns what it is and its metrics.

    Raises:
        ConfigError: The folder cannot be used, or has too few failures to learn from.
    """
    if out.exists() and not holds_model(out) and (not out.is_dir() or any(out.iterdir())):
        raise _refused("--out", str(out), "a new or empty folder, or one that holds a model to replace")
    _check_writable(out, folder=folder)
    progress(0.0, f"Reading {folder.name}")
    dataset = read_dataset(folder)
    _check_spans(how.horizons, dataset, where="--horizons")
    _check_spans(dataset.horizons, dataset, where=f"{folder / 'dataset.toml'}: horizons")
    changes: dict[str, Any] = {"age": how.age, "threads": how.threads}
    if how.members is not None:
        changes["members"] = how.members
    settings = ModelSettings().model_copy(update=changes)
    heads, absent = learn_heads(dataset, settings=settings, seed=how.seed, progress=progress)
    if heads is None:
        raise DataError(
            tuple(
                Fault(where=str(folder), found=sentence, expected="enough for at least one of the heads")
                for sentence in absent
            )
        )
    now = datetime.now(UTC)
    digest = next(head.data_hash for head in (heads.hazard, heads.normality, heads.labels) if head is not None)
    hazard = heads.hazard
    if hazard is not None:
        horizons = how.horizons or dataset.horizons or usual_horizons(dataset.lives)
        hazard = replace(hazard, horizons=horizons)
    heads = replace(heads, hazard=hazard, version=f"{now:%Y%m%dT%H%M%SZ}-{digest[:8]}")
    try:
        write_heads(heads, home=out, created_at=now)
    except OSError as broken:
        raise _refused("--out", str(broken), "a folder that can be written") from broken
    told: dict[str, Any] = {
        "model": str(out),
        "version": heads.version,
        "machine_class": heads.machine_class,
        "unit": dataset.unit.value,
        "heads": [name for name in ("hazard", "normality", "labels") if getattr(heads, name) is not None],
        "absent": list(absent),
        "notes": list(dataset.notes),
        "seed": how.seed,
    }
    if hazard is not None:
        told |= {
            "horizons": list(hazard.horizons),
            "inputs": len(hazard.features),
            "members": settings.members,
            "calibrated": hazard.calibration.calibrated,
            "metrics": hazard.metrics,
        }
    if heads.normality is not None:
        told["normality"] = heads.normality.metrics
    if heads.labels is not None:
        told["labels"] = heads.labels.metrics
    return told


def score_folder(home: Path, *, folder: Path, out: Path, horizons: Sequence[float], split: bool) -> str:
    """Write a row per reading with what the model says; returns a sentence.

    Raises:
        ConfigError: The model or the folder cannot be used, or the file's ending is unknown.
    """
    if not out.name.endswith(TABLES):
        raise _refused("--out", out.name, f"a file ending in {', '.join(TABLES)}")
    _check_writable(out, folder=folder)
    heads, dataset = read_heads(home), read_dataset(folder)
    table = score_dataset(dataset, heads=heads, horizons=_horizons(horizons, dataset, heads), split=split)
    draft = out.with_name(f".{uuid4().hex}-{out.name}")
    try:
        if out.suffix == ".parquet":
            table.to_parquet(draft, index=False)
        else:
            table.to_csv(draft, index=False)
        draft.replace(out)
    except OSError as broken:
        draft.unlink(missing_ok=True)
        raise _refused("--out", str(broken), "a file that can be written") from broken
    silent = int((table["enough_data"] == 0).sum())
    said = (
        f"Wrote {len(table)} rows of {table['machine'].nunique()} machines to {out}; "
        f"{silent} of them have fewer readings since the renewal than the model needs (enough_data 0)."
    )
    return "\n".join((said, *(f"{note}." for note in dataset.notes)))


def evaluate_folder(home: Path, *, folder: Path, horizons: Sequence[float], cap: float | None) -> dict[str, Any]:
    """What a model is worth on a folder with failures or labels.

    Raises:
        ConfigError: The model or the folder cannot be used, or there is nothing to compare the model with.
    """
    heads, dataset = read_heads(home), read_dataset(folder)
    comparable = heads.hazard is not None and any(life.failed for life in dataset.lives)
    labelled = dataset.labelled and (heads.normality is not None or heads.labels is not None)
    if not comparable and not labelled:
        needed = "failures.csv" if heads.hazard is not None else "labels.csv"
        raise _refused(str(folder / needed), "no failure and no label", "what the model is to be compared with")
    longest = cap if cap is not None else float(heads.hazard.edges[-1]) if heads.hazard is not None else 1.0
    asked = _horizons(horizons, dataset, heads)
    return evaluate_dataset(dataset, heads=heads, horizons=asked, cap=longest)


def explain_folder(home: Path, *, folder: Path, machine: str, horizon: float | None) -> Explained:
    """Why the model sees a machine at risk, or unlike itself, at its newest reading.

    Raises:
        ConfigError: The model or the folder cannot be used, or the machine has no readings.
    """
    heads, dataset = read_heads(home), read_dataset(folder)
    mine = [life for life in dataset.lives if life.machine == machine]
    if not mine:
        known = sorted({life.machine for life in dataset.lives})
        raise _refused("--machine", repr(machine), f"one of {', '.join(known[:5])} ({len(known)} machines)")
    life = as_learned(mine[-1], signals=heads.signals)
    told = Explained(machine=machine)
    if heads.hazard is not None:
        model = heads.hazard
        asked = _horizons(() if horizon is None else (horizon,), dataset, heads)
        middle = asked[len(asked) // 2]
        (risk,) = assess(
            [life],
            model,
            machine_class=dataset.machine_class,
            horizon_h=middle * model.cycle_h,
            now=datetime.now(UTC),
            moments=moments_of(
                [as_learned(each, signals=heads.signals) for each in dataset.lives if each.machine != machine],
                model=model,
                horizon_units=middle,
            ),
        )
        told = replace(
            told,
            horizon=middle,
            probability=risk.probability,
            enough_data=risk.enough_data,
            reason=risk.reason,
            evidence=risk.evidence,
            nearest=risk.nearest.sentence if risk.nearest else "",
        )
    if heads.normality is not None:
        unusual = judge_normality(life, normality=heads.normality)
        found = normality_evidence(life, unusual, normality=heads.normality, machine_class=dataset.machine_class)
        told = replace(told, anomaly_p=float(unusual.p[-1]), unusual=found)
    if heads.labels is not None:
        parts = explain_label(life, head=heads.labels, row=len(life) - 1)
        chance = float(judge_labels(life, head=heads.labels)[-1])
        told = replace(told, label_probability=chance, label_parts=parts)
    return told


def report_folder(home: Path, *, folder: Path, out: Path, horizon: float | None) -> str:
    """Write pictures of what a model says of a folder's lives; returns a sentence.

    Raises:
        ConfigError: The model or the folder cannot be used, or the model learned from no failure.
    """
    from analytics.report import report_model
    from linewright.report_pictures import draw

    heads, dataset = read_heads(home), read_dataset(folder)
    if heads.hazard is None:
        raise _refused(str(home), "a model that learned from no failure", "one with a hazard head, for risks to report")
    _check_writable(out / "risk.png", folder=folder)
    asked = _horizons(() if horizon is None else (horizon,), dataset, heads)
    lives = [as_learned(life, signals=heads.signals) for life in dataset.lives]
    try:
        report = report_model(
            lives, model=heads.hazard, machine_class=dataset.machine_class, horizon=asked[len(asked) // 2]
        )
    except ValueError as short:
        raise _refused(str(folder), str(short), "longer lives") from short
    unit = "cycles" if dataset.unit is TimeUnit.CYCLE else dataset.unit.value
    files = draw(report, unit=unit, folder=out)
    best = min(report.outcomes, key=lambda each: each.cost)
    return (
        f"Wrote {len(files)} pictures of {len(report.courses)} lives to {out}. Alerts from {best.threshold:.0%} on "
        f"cost least: {best.sentence}; without alerts {report.never:,.0f}."
    )


def _horizons(asked: Sequence[float], dataset: Dataset, heads: Heads) -> tuple[float, ...]:
    """As asked, else as the model was trained for, else as the folder says; none without a hazard head."""
    model = heads.hazard
    if model is None:
        if asked:
            raise _refused("--horizons", str(tuple(asked)), "none: the model learned from no failure")
        return ()
    chosen = tuple(asked) or model.horizons or dataset.horizons
    longest = max(HORIZONS_H[-1] / model.cycle_h, float(model.edges[-1]))
    if not chosen or any(not 0 < horizon <= longest for horizon in chosen):
        raise _refused("--horizons", str(chosen), f"one or more spans above 0, up to {longest:g}")
    return chosen


def _check_spans(spans: Sequence[float], dataset: Dataset, *, where: str) -> None:
    """Before the training, that no span asked for is longer than what is told of any life."""
    lengths = [float(life.remaining_units[0]) for life in dataset.lives if life.failed]
    longest = max([HORIZONS_H[-1] / dataset.machine_class.cycle_h, *lengths])
    if any(not 0 < span <= longest for span in spans):
        raise _refused(where, str(tuple(spans)), f"spans above 0, up to {longest:g} {dataset.unit}")


def _check_writable(out: Path, *, folder: Path) -> None:
    """Before the work, that its result can be kept and takes the place of no table that it comes from."""
    if out.exists() and out.resolve().parent == folder.resolve() and out.name.startswith(SOURCES):
        raise _refused("--out", str(out), "another file than the tables of the data folder")
    try:
        if out.is_dir() and out.name.endswith(TABLES):
            raise IsADirectoryError(f"{out} is a folder")
        out.parent.mkdir(parents=True, exist_ok=True)
        probe = out.parent / f".probe-{uuid4().hex}"
        probe.touch()
        probe.unlink()
    except OSError as broken:
        raise _refused("--out", str(broken), "a place that can be written") from broken


def _refused(where: str, found: str, expected: str) -> ConfigError:
    return DataError((Fault(where=where, found=found, expected=expected),))
