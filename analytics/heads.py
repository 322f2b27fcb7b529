"""Which heads a data folder's model has, how they are learned, and their files.

Heads follow from what is known, never from the set: failures train the hazard, labels of both kinds the classifier,
and normal readings in time always the normality head. A model's folder holds `model.json` and `weights.safetensors`
for the hazard, `normality.json` and `.safetensors`, `labels.json` and `.safetensors`: two files each, or none.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from analytics.datafolder import Dataset
from analytics.labels_head import LabelHead, learn_labels
from analytics.labels_network import LabelNetwork
from analytics.labels_settings import LabelSettings
from analytics.lives import Life, truncated
from analytics.model_settings import ModelSettings
from analytics.normalise import HEALTHY_SHARE, Normaliser
from analytics.normality import NoNormality, Normality, NormalityCalibration, learn_normality
from analytics.normality_network import NormalityNetwork
from analytics.normality_settings import NormalitySettings
from analytics.registry import NORMALISER_ARRAYS, WEIGHTS, read_model, write_model
from analytics.training import Model, NotTrained, train
from analytics.versions import FACTS, incomplete

FORMAT: Final = 2
LABELS_FORMAT: Final = 3
FILES: Final = (FACTS, WEIGHTS, "normality.json", "normality.safetensors", "labels.json", "labels.safetensors")
Progress = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Heads:
    """A model with the heads that could be learned; at least one."""

    machine_class: str
    hazard: Model | None
    normality: Normality | None
    labels: LabelHead | None
    version: str = "unsaved"

    @property
    def signals(self) -> tuple[str, ...]:
        """Those that it learned from, in its order."""
        for head in (self.hazard, self.normality):
            if head is not None:
                return head.normaliser.signals
        assert self.labels is not None
        return self.labels.signals


def learn_heads(
    dataset: Dataset, *, settings: ModelSettings, seed: int, progress: Progress
) -> tuple[Heads | None, tuple[str, ...]]:
    """Learn every head that the folder allows; also a sentence for each one that could not be learned."""
    torch.set_num_threads(settings.threads)
    absent: list[str] = []
    hazard = normality = labels = None
    name = dataset.machine_class.name
    if any(life.failed for life in dataset.lives):
        found = train(
            dataset.lives, machine_class=dataset.machine_class, settings=settings, seed=seed, progress=progress
        )
        hazard = found if isinstance(found, Model) else None
        if isinstance(found, NotTrained) and found.failures >= settings.training_failures:
            absent.append(f"failure risk: {found.reason.rstrip('.')}")
        elif isinstance(found, NotTrained):
            absent.append(
                f"failure risk: too few failures, {found.failures} in {len(dataset.lives)} lives; at least "
                f"{settings.training_failures} in failures.csv, each after {settings.minimum_rows} readings"
            )
    else:
        absent.append("failure risk: no failure in failures.csv")
    if dataset.in_time:
        progress(0.95, f"{name}: what is normal")
        bearable = NormalitySettings(alarms_per_week=dataset.alarms_per_week)
        normal = learn_normality(normal_readings(dataset), settings=bearable, seed=seed)
        normality = normal if isinstance(normal, Normality) else None
        if isinstance(normal, NoNormality):
            absent.append(f"normality: {normal.reason}")
    if dataset.labelled:
        learned = learn_labels(
            dataset.lives,
            dataset.labels,
            in_time=dataset.in_time,
            settings=LabelSettings(),
            seed=seed,
            progress=progress,
        )
        labels = learned if isinstance(learned, LabelHead) else None
        if isinstance(learned, str):
            absent.append(f"labels: {learned}")
    if hazard is None and normality is None and labels is None:
        return None, tuple(absent)
    return Heads(machine_class=name, hazard=hazard, normality=normality, labels=labels), tuple(absent)


def normal_readings(dataset: Dataset) -> list[Life]:
    """The beginnings of the lives that count as normal.

    As far as `normal_rows` says; else up to the first anomalous label; of a life that failed, its first part.
    """
    found = []
    for life, label in zip(dataset.lives, dataset.labels, strict=True):
        end = len(life)
        if dataset.normal_rows is not None:
            end = min(end, dataset.normal_rows)
        elif life.failed:
            end = max(5, round(HEALTHY_SHARE * end))
        anomalous = np.flatnonzero(label == 1)
        found.append(part_of(life, min(end, int(anomalous[0])) if len(anomalous) else end))
    return found


def part_of(life: Life, rows: int) -> Life:
    """The first rows of a life, as of one that runs on."""
    return replace(truncated(life, rows=rows), failed=False, unread_units=0.0)


def write_heads(heads: Heads, *, home: Path, created_at: datetime) -> None:
    """Write a model into a folder of its own, whole or not at all; a model that was there is replaced."""
    home.parent.mkdir(parents=True, exist_ok=True)
    draft = home.parent / f".draft-{uuid4().hex}"
    if heads.hazard is not None:
        write_model(replace(heads.hazard, version=heads.version), home=draft, created_at=created_at)
    else:
        draft.mkdir()
    common = {"format": FORMAT, "machine_class": heads.machine_class, "version": heads.version}
    common |= {"created_at": created_at.isoformat()}
    if heads.normality is not None:
        write_normality(replace(heads.normality, version=heads.version), home=draft, created_at=created_at)
    if heads.labels is not None:
        head = heads.labels
        arrays = {f"network.{name}": value.numpy() for name, value in head.network.state_dict().items()}
        _save(arrays | _normaliser_arrays(head.normaliser), draft / "labels.safetensors")
        facts = (
            common
            | _normaliser_facts(head.normaliser)
            | {
                "format": LABELS_FORMAT,
                "inputs_from": head.signals,
                "chosen": head.chosen,
                "settings": head.settings.model_dump(mode="json"),
                "calibration": {"slope": head.slope, "offset": head.offset},
                "seed": head.seed,
                "data_hash": head.data_hash,
                "metrics": head.metrics,
            }
        )
        (draft / "labels.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    if home.is_dir():
        for name in FILES:
            (home / name).unlink(missing_ok=True)
        home.rmdir()
    draft.rename(home)


def holds_model(home: Path) -> bool:
    """Whether a folder holds a model that may be replaced."""
    return any((home / name).is_file() for name in FILES if name.endswith(".json"))


def read_heads(home: Path) -> Heads:
    """Load a model from its folder.

    Raises:
        ConfigError: There is none, or a file or a fact is missing or broken.
    """
    if not holds_model(home):
        raise incomplete(home / FACTS, "no such file")
    hazard = read_model(home) if (home / FACTS).is_file() else None
    normality = read_normality(home) if (home / "normality.json").is_file() else None
    labels = _read_labels(home) if (home / "labels.json").is_file() else None
    first = next(head for head in (hazard, normality, labels) if head is not None)
    if isinstance(first, LabelHead):
        facts = _read_facts(home / "labels.json", written=LABELS_FORMAT)
        return Heads(
            machine_class=facts["machine_class"], version=facts["version"], hazard=None, normality=None, labels=first
        )
    return Heads(
        machine_class=first.machine_class, version=first.version, hazard=hazard, normality=normality, labels=labels
    )


def write_normality(normality: Normality, *, home: Path, created_at: datetime) -> None:
    """Write a normality head into an existing folder."""
    calibration = normality.calibration
    arrays = {f"network.{name}": value.numpy() for name, value in normality.network.state_dict().items()}
    arrays |= _normaliser_arrays(normality.normaliser) | {"calibration.scores": calibration.scores}
    _save(arrays, home / "normality.safetensors")
    facts = {
        "format": FORMAT,
        "machine_class": normality.machine_class,
        "version": normality.version,
        "created_at": created_at.isoformat(),
        **_normaliser_facts(normality.normaliser),
        "settings": normality.settings.model_dump(mode="json"),
        "calibration": {
            "tail": calibration.tail,
            "blocks": calibration.blocks,
            "rows": calibration.rows,
            "alarm_at": calibration.alarm_at,
        },
        "own_baseline": normality.own_baseline,
        "row_units": normality.row_units,
        "cycle_h": normality.cycle_h,
        "data_cut_off": normality.data_cut_off.isoformat(),
        "data_hash": normality.data_hash,
        "metrics": normality.metrics,
    }
    (home / "normality.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def read_normality(home: Path) -> Normality:
    """Load a normality head. Raises ConfigError where anything is missing or broken."""
    path = home / "normality.json"
    facts = _read_facts(path)
    try:
        arrays = load_file(home / "normality.safetensors")
        settings = NormalitySettings.model_validate(facts["settings"])
        normaliser = _normaliser(facts, arrays)
        network = NormalityNetwork(inputs=len(settings.scales_rows) * len(normaliser.kept))
        network.load_state_dict(_state(arrays))
        return Normality(
            machine_class=facts["machine_class"],
            settings=settings,
            normaliser=normaliser,
            network=network,
            calibration=NormalityCalibration(scores=arrays["calibration.scores"], **facts["calibration"]),
            own_baseline=facts["own_baseline"],
            row_units=facts["row_units"],
            cycle_h=facts["cycle_h"],
            data_cut_off=datetime.fromisoformat(facts["data_cut_off"]),
            data_hash=facts["data_hash"],
            metrics=facts["metrics"],
            version=facts["version"],
        )
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError, ValidationError) as broken:
        raise incomplete(path, f"{type(broken).__name__}: {broken}") from broken


def _read_labels(home: Path) -> LabelHead:
    path = home / "labels.json"
    facts = _read_facts(path, written=LABELS_FORMAT)
    try:
        arrays = load_file(home / "labels.safetensors")
        settings = LabelSettings.model_validate(facts["settings"])
        normaliser = _normaliser(facts, arrays) if facts["kept"] is not None else None
        inputs, parts = arrays["network.low"].shape
        network = LabelNetwork(
            inputs=inputs, parts=parts, hidden=settings.hidden, members=settings.members, dropout=settings.dropout
        ).double()
        network.load_state_dict(_state(arrays))
        return LabelHead(
            signals=tuple(facts["inputs_from"]),
            settings=settings,
            normaliser=normaliser,
            chosen=tuple(facts["chosen"]),
            network=network.eval(),
            **facts["calibration"],
            seed=facts["seed"],
            data_hash=facts["data_hash"],
            metrics=facts["metrics"],
        )
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError, ValidationError) as broken:
        raise incomplete(path, f"{type(broken).__name__}: {broken}") from broken


def _read_facts(path: Path, *, written: int = FORMAT) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as broken:
        raise incomplete(path, str(broken)) from broken
    missing = [
        name
        for name in ("format", "machine_class", "version", "settings", "calibration", "metrics", "data_hash")
        if name not in facts
    ]
    if missing:
        raise incomplete(path, f"no {', '.join(missing)}")
    if facts["format"] != written:
        raise incomplete(path, f"format {facts['format']}, this version reads {written}")
    return facts


def _normaliser_arrays(normaliser: Normaliser | None) -> dict[str, Any]:
    if normaliser is None:
        return {}
    return {f"normaliser.{name}": getattr(normaliser, name) for name in NORMALISER_ARRAYS}


def _normaliser_facts(normaliser: Normaliser | None) -> dict[str, Any]:
    if normaliser is None:
        return {"signals": None, "kept": None, "setting_signals": None}
    return {"signals": normaliser.signals, "kept": normaliser.kept, "setting_signals": normaliser.settings}


def _normaliser(facts: dict[str, Any], arrays: dict[str, Any]) -> Normaliser:
    return Normaliser(
        signals=tuple(facts["signals"]),
        kept=tuple(facts["kept"]),
        settings=tuple(facts["setting_signals"]),
        **{name: arrays[f"normaliser.{name}"] for name in NORMALISER_ARRAYS},
    )


def _state(arrays: dict[str, Any]) -> dict[str, torch.Tensor]:
    prefix = "network."
    return {name.removeprefix(prefix): torch.tensor(v) for name, v in arrays.items() if name.startswith(prefix)}


def _save(arrays: dict[str, Any], path: Path) -> None:
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, path)
