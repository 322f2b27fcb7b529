"""Models on data folders, outside the live store: train, score, evaluate, explain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from analytics.assess import HORIZONS_H, assess
from analytics.datafolder import Dataset, read_dataset
from analytics.model_settings import AgeInput, ModelSettings
from analytics.registry import read_model, write_model
from analytics.scoring import as_learned, evaluate_dataset, score_dataset, usual_horizons
from analytics.training import Model, NotTrained, train
from analytics.versions import FACTS
from plant.errors import ConfigError, Fault
from plant.risks import Evidence

TABLES: Final = (".csv", ".csv.gz", ".parquet")


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
    """Why a machine is at risk at its newest reading."""

    machine: str
    horizon: float
    """[life units]"""
    probability: float
    """Of a failure within the horizon [0..1]."""
    enough_data: bool
    reason: str
    evidence: tuple[Evidence, ...]


def train_folder(
    folder: Path, *, out: Path, how: FolderTraining, progress: Callable[[float, str], None]
) -> dict[str, Any]:
    """Train on a data folder and write the model into a folder of its own; returns what it is and its metrics.

    Raises:
        ConfigError: The folder cannot be used, or has too few failures to learn from.
    """
    if out.exists() and not (out / FACTS).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise _refused("--out", str(out), "a new or empty folder, or one that holds a model to replace")
    if any(horizon <= 0 for horizon in how.horizons):
        raise _refused("--horizons", str(how.horizons), "spans above 0")
    progress(0.0, f"Reading {folder.name}")
    dataset = read_dataset(folder)
    changes: dict[str, Any] = {"age": how.age, "threads": how.threads}
    if how.members is not None:
        changes["members"] = how.members
    settings = ModelSettings().model_copy(update=changes)
    model = train(
        dataset.lives, machine_class=dataset.machine_class, settings=settings, seed=how.seed, progress=progress
    )
    if isinstance(model, NotTrained):
        failures = f"{model.failures} failures in {len(dataset.lives)} lives"
        needed = f"{settings.training_failures} failures in failures.csv, each after {settings.minimum_rows} readings"
        raise _refused(str(folder), failures, f"at least {needed}")
    now = datetime.now(UTC)
    model = replace(
        model,
        version=f"{now:%Y%m%dT%H%M%SZ}-{model.data_hash[:8]}",
        horizons=how.horizons or dataset.horizons or usual_horizons(dataset.lives),
    )
    if out.is_dir() and not (out / FACTS).is_file():
        out.rmdir()
    write_model(model, home=out, created_at=now)
    return {
        "model": str(out),
        "version": model.version,
        "machine_class": model.machine_class,
        "unit": dataset.unit.value,
        "horizons": list(model.horizons),
        "inputs": len(model.features),
        "members": settings.members,
        "seed": how.seed,
        "calibrated": model.calibration.calibrated,
        "metrics": model.metrics,
    }


def score_folder(home: Path, *, folder: Path, out: Path, horizons: Sequence[float], split: bool) -> str:
    """Write a row per reading with what the model says; returns a sentence.

    Raises:
        ConfigError: The model or the folder cannot be used, or the file's ending is unknown.
    """
    if not out.name.endswith(TABLES):
        raise _refused("--out", out.name, f"a file ending in {', '.join(TABLES)}")
    model, dataset = read_model(home), read_dataset(folder)
    table = score_dataset(dataset, model=model, horizons=_horizons(horizons, dataset, model), split=split)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".parquet":
        table.to_parquet(out, index=False)
    else:
        table.to_csv(out, index=False)
    silent = int((table["enough_data"] == 0).sum())
    return (
        f"Wrote {len(table)} rows of {table['machine'].nunique()} machines to {out}; "
        f"{silent} of them have fewer readings since the renewal than the model needs (enough_data 0)."
    )


def evaluate_folder(home: Path, *, folder: Path, horizons: Sequence[float], cap: float | None) -> dict[str, float]:
    """What a model is worth on a folder with failures.

    Raises:
        ConfigError: The model or the folder cannot be used, or no failure is recorded.
    """
    model, dataset = read_model(home), read_dataset(folder)
    if not any(life.failed for life in dataset.lives):
        raise _refused(str(folder / "failures.csv"), "no failure", "failures to compare the model with")
    longest = float(model.edges[-1]) if cap is None else cap
    return evaluate_dataset(dataset, model=model, horizons=_horizons(horizons, dataset, model), cap=longest)


def explain_folder(home: Path, *, folder: Path, machine: str, horizon: float | None) -> Explained:
    """Why the model sees a machine at risk at its newest reading.

    Raises:
        ConfigError: The model or the folder cannot be used, or the machine has no readings.
    """
    model, dataset = read_model(home), read_dataset(folder)
    mine = [life for life in dataset.lives if life.machine == machine]
    if not mine:
        known = sorted({life.machine for life in dataset.lives})
        raise _refused("--machine", repr(machine), f"one of {', '.join(known[:5])} ({len(known)} machines)")
    asked = _horizons(() if horizon is None else (horizon,), dataset, model)
    middle = asked[len(asked) // 2]
    life = as_learned(mine[-1], model=model)
    (risk,) = assess(
        [life],
        model,
        machine_class=dataset.machine_class,
        horizon_h=middle * model.cycle_h,
        now=datetime.now(UTC),
    )
    return Explained(
        machine=machine,
        horizon=middle,
        probability=risk.probability,
        enough_data=risk.enough_data,
        reason=risk.reason,
        evidence=risk.evidence,
    )


def _horizons(asked: Sequence[float], dataset: Dataset, model: Model) -> tuple[float, ...]:
    """As asked, else as the model was trained for, else as the folder says."""
    chosen = tuple(asked) or model.horizons or dataset.horizons
    longest = HORIZONS_H[-1] / model.cycle_h
    if not chosen or any(not 0 < horizon <= longest for horizon in chosen):
        raise _refused("--horizons", str(chosen), f"one or more spans above 0, up to {longest:g}")
    return chosen


def _refused(where: str, found: str, expected: str) -> ConfigError:
    return ConfigError((Fault(where=where, found=found, expected=expected),))
