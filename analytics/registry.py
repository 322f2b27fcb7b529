"""Versions of models on disk: weights with everything that makes them believable, or they do not load.

`models/<class>/<version>/weights.safetensors` and `model.json`; `models/<class>/current.json` names the one in use.
"""

import json
import os
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from analytics.calibrate import Calibration
from analytics.features import Feature, features_of
from analytics.model_settings import ModelSettings
from analytics.network import HazardNetwork
from analytics.normalise import Normaliser
from analytics.training import Model
from analytics.versions import (
    CURRENT,
    FACTS,
    FORMAT,
    alerts_in,
    current_version,
    incomplete,
    read_facts,
    reliability_in,
    used_versions,
)

WEIGHTS: Final = "weights.safetensors"
NORMALISER_ARRAYS: Final = ("regimes", "setting_mean", "setting_scale", "effect", "centre", "sigma", "age_knots")


def save_model(model: Model, *, folder: Path, created_at: datetime) -> Model:
    """Write a model as a new version of its class, whole or not at all, and return it under its version.

    It is not in use before `promote`.
    """
    home = folder / model.machine_class
    home.mkdir(parents=True, exist_ok=True)
    stem = f"{created_at:%Y%m%dT%H%M%SZ}-{model.data_hash[:8]}"
    version, number = stem, 2
    while (home / version).exists():
        version, number = f"{stem}-{number}", number + 1
    saved = replace(model, version=version)
    write_model(saved, home=home / version, created_at=created_at)
    return saved


def write_model(model: Model, *, home: Path, created_at: datetime) -> None:
    """Write a model into a folder of its own, whole or not at all; a model that was there is replaced."""
    home.parent.mkdir(parents=True, exist_ok=True)
    draft = home.parent / f".draft-{uuid4().hex}"
    draft.mkdir()
    arrays = {f"network.{name}": value.numpy() for name, value in model.network.state_dict().items()}
    arrays |= {f"normaliser.{name}": getattr(model.normaliser, name) for name in NORMALISER_ARRAYS}
    arrays["edges"] = model.edges
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, draft / WEIGHTS)
    (draft / FACTS).write_text(json.dumps(_facts(model, created_at), indent=1, allow_nan=True), encoding="utf-8")
    if (home / FACTS).exists():
        for name in (FACTS, WEIGHTS):
            (home / name).unlink(missing_ok=True)
        home.rmdir()
    draft.rename(home)


def load_model(machine_class: str, *, version: str, folder: Path) -> Model:
    """Load one version.

    Raises:
        ConfigError: A file or a fact is missing or broken; nothing is guessed.
    """
    return read_model(folder / machine_class / version)


def read_model(home: Path) -> Model:
    """Load a model from its folder. Raises ConfigError as `load_model` does."""
    facts = read_facts(home)
    try:
        arrays = load_file(home / WEIGHTS)
        settings = ModelSettings.model_validate(facts["settings"])
        features = tuple(Feature(**entry) for entry in facts["features"])
        network = _network(arrays, settings, len(features), len(facts["modes"]))
        normaliser = Normaliser(
            signals=tuple(facts["signals"]),
            kept=tuple(facts["kept"]),
            settings=tuple(facts["setting_signals"]),
            **{name: arrays[f"normaliser.{name}"] for name in NORMALISER_ARRAYS},
        )
        if features != features_of(normaliser, settings=settings):
            raise incomplete(home / FACTS, "inputs that this version of Linewright computes otherwise")
        return Model(
            machine_class=facts["machine_class"],
            settings=settings,
            normaliser=normaliser,
            features=features,
            edges=arrays["edges"],
            network=network,
            calibration=_calibration(facts["calibration"]),
            modes=tuple(facts["modes"]),
            base_rate=facts["base_rate"],
            row_units=facts["row_units"],
            cycle_h=facts["cycle_h"],
            seed=facts["seed"],
            data_cut_off=datetime.fromisoformat(facts["data_cut_off"]),
            data_hash=facts["data_hash"],
            metrics=facts["metrics"],
            version=facts["version"],
            horizons=tuple(facts.get("horizons", ())),
            reliability=reliability_in(facts),
            alerts=alerts_in(facts),
        )
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError, ValidationError) as broken:
        raise incomplete(home / WEIGHTS, f"{type(broken).__name__}: {broken}") from broken


def load_current(machine_class: str, *, folder: Path) -> Model | None:
    """The model in use, or None where the class has none yet. Raises ConfigError as `load_model` does."""
    version = current_version(machine_class, folder=folder)
    return None if version is None else load_model(machine_class, version=version, folder=folder)


def promote(machine_class: str, *, version: str, folder: Path) -> None:
    """Put a version in use, after checking that it loads. Raises ConfigError when it does not."""
    load_model(machine_class, version=version, folder=folder)
    _write_history([*used_versions(machine_class, folder), version], machine_class, folder)


def rollback(machine_class: str, *, folder: Path) -> str | None:
    """Put the version used before in use again and return its name; None when there is none.

    Raises ConfigError when it does not load; the current one stays then.
    """
    history = used_versions(machine_class, folder)
    if len(history) < 2:
        return None
    load_model(machine_class, version=history[-2], folder=folder)
    _write_history(history[:-1], machine_class, folder)
    return history[-2]


def _facts(model: Model, created_at: datetime) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "machine_class": model.machine_class,
        "version": model.version,
        "created_at": created_at.isoformat(),
        "settings": model.settings.model_dump(mode="json"),
        "signals": model.normaliser.signals,
        "kept": model.normaliser.kept,
        "setting_signals": model.normaliser.settings,
        "features": [asdict(feature) for feature in model.features],
        "calibration": asdict(model.calibration),
        "modes": model.modes,
        "base_rate": model.base_rate,
        "row_units": model.row_units,
        "cycle_h": model.cycle_h,
        "seed": model.seed,
        "data_cut_off": model.data_cut_off.isoformat(),
        "data_hash": model.data_hash,
        "metrics": model.metrics,
        "horizons": model.horizons,
        "reliability": [asdict(each) for each in model.reliability],
        "alerts": [asdict(each) for each in model.alerts],
    }


def _calibration(facts: dict[str, Any]) -> Calibration:
    found = Calibration(**facts)
    return replace(found, levels=tuple(found.levels))


def _network(arrays: dict[str, Any], settings: ModelSettings, features: int, modes: int) -> HazardNetwork:
    import torch

    network = HazardNetwork(
        features=features,
        knots=settings.knots,
        hidden=settings.hidden,
        bins=settings.bins,
        modes=modes,
        members=settings.members,
        dropout=settings.dropout[0],
    ).double()
    prefix = "network."
    state = {name.removeprefix(prefix): torch.tensor(v) for name, v in arrays.items() if name.startswith(prefix)}
    network.load_state_dict(state)
    return network.eval()


def _write_history(history: list[str], machine_class: str, folder: Path) -> None:
    home = folder / machine_class
    draft = home / f".{CURRENT}-{uuid4().hex}"
    draft.write_text(json.dumps({"current": history[-1], "history": history}), encoding="utf-8")
    os.replace(draft, home / CURRENT)  # noqa: PTH105 - the atomic rename that overwrites, by its own name
