"""Which versions of models there are, and which is in use; reads files only and loads no network.

`models/<class>/<version>/model.json` tells what a version is; `models/<class>/current.json` names the one in use.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from plant.errors import ConfigError, DataError, Fault

FACTS: Final = "model.json"
CURRENT: Final = "current.json"
FORMAT: Final = 3
NEEDED: Final = (
    *("format", "machine_class", "version", "created_at", "settings", "signals", "kept", "setting_signals", "features"),
    *("calibration", "modes", "base_rate", "row_units", "cycle_h", "seed", "data_cut_off", "data_hash", "metrics"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOutBin:
    """One bin of the reliability diagram on lives that the model did not learn from, calibrated like the model."""

    predicted: float
    """Mean probability [0..1]."""
    observed: float
    """Share that failed [0..1]."""
    rows: int
    low: float
    """95 % of resampled lives lie between low and high [0..1]; NaN: none has rows here."""
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOutAlerts:
    """What alerting at a threshold would have been worth on lives that the model did not learn from."""

    threshold: float
    """Probability at which alerts open; they close at half of it [0..1]."""
    caught: int
    missed: int
    false: int
    median_lead_h: float
    """From the first valid alert to the failure; NaN where none was caught [h]."""
    least_lead_h: float
    """A tenth of the caught failures had less; NaN where none was caught [h]."""
    cost: float
    """Of failures missed, alerts in vain and maintenance in time, as the machine class states them [currency]."""
    never: float
    """Of never alerting [currency]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """One saved model."""

    machine_class: str
    version: str
    created_at: datetime
    data_cut_off: datetime
    metrics: dict[str, float]
    calibrated: bool
    current: bool
    """Whether it is the one in use."""
    cycle_h: float
    """Hours of one life unit [h]."""
    reliability: tuple[HeldOutBin, ...]
    """Empty: too little was held out, or the version was trained before this was kept."""
    alerts: tuple[HeldOutAlerts, ...] = ()
    """By threshold; empty: as above."""


def versions(folder: Path, *, machine_class: str | None = None) -> tuple[Version, ...]:
    """All complete versions, by class and age; broken ones are left out."""
    found = []
    for facts_file in sorted(folder.glob(f"{machine_class or '*'}/[!.]*/{FACTS}")):
        try:
            facts = read_facts(facts_file.parent)
        except ConfigError:
            continue
        name = facts["machine_class"]
        found.append(
            Version(
                machine_class=name,
                version=facts["version"],
                created_at=datetime.fromisoformat(facts["created_at"]),
                data_cut_off=datetime.fromisoformat(facts["data_cut_off"]),
                metrics=facts["metrics"],
                calibrated=facts["calibration"]["calibrated"],
                current=facts["version"] == current_version(name, folder=folder),
                cycle_h=facts["cycle_h"],
                reliability=reliability_in(facts),
                alerts=alerts_in(facts),
            )
        )
    return tuple(found)


def current_version(machine_class: str, *, folder: Path) -> str | None:
    """Name of the version in use, or None."""
    history = used_versions(machine_class, folder)
    return history[-1] if history else None


def read_facts(home: Path) -> dict[str, Any]:
    """What `model.json` in a version's folder tells. Raises ConfigError where anything needed is missing."""
    try:
        facts = json.loads((home / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as broken:
        raise incomplete(home / FACTS, str(broken)) from broken
    missing = [name for name in NEEDED if name not in facts] if isinstance(facts, dict) else list(NEEDED)
    if missing:
        raise incomplete(home / FACTS, f"no {', '.join(missing)}")
    if facts["format"] != FORMAT:
        raise incomplete(home / FACTS, f"format {facts['format']}, this version reads {FORMAT}")
    checked: dict[str, Any] = facts
    return checked


def reliability_in(facts: dict[str, Any]) -> tuple[HeldOutBin, ...]:
    """The held-out reliability in what `model.json` tells; empty where it was not kept."""
    return tuple(HeldOutBin(**each) for each in facts.get("reliability", ()))


def alerts_in(facts: dict[str, Any]) -> tuple[HeldOutAlerts, ...]:
    """The held-out worth of alerts in what `model.json` tells; empty where it was not kept."""
    return tuple(HeldOutAlerts(**each) for each in facts.get("alerts", ()))


def used_versions(machine_class: str, folder: Path) -> list[str]:
    """Versions in the order in which they came into use, the present one last."""
    try:
        pointer = json.loads((folder / machine_class / CURRENT).read_text(encoding="utf-8"))
        return [str(version) for version in pointer["history"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise incomplete(folder / machine_class / CURRENT, f"{type(broken).__name__}: {broken}") from broken


def incomplete(path: Path, found: str) -> ConfigError:
    """The refusal of a model with a file or fact that is missing or broken."""
    expected = "a model needs its weights, settings, data cut-off, metrics and calibration: train it again"
    return DataError((Fault(where=str(path), found=found, expected=expected),))
