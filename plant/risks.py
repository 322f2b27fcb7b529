"""What the model believes: how likely a machine fails, when, and what shows it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One signal's share of a risk, in numbers and as a sentence."""

    signal: str
    scale: str
    """Time scale of the feature group, e.g. `6 h mean`, `level`, `slope`, `age`."""
    contribution: float
    """Share of the log-hazard above the healthy baseline, in log units; contributions of all groups add up."""
    share: float
    """Part of all positive contributions [0..1]."""
    value: float
    """The signal's value on that scale [canonical unit]."""
    baseline: float
    """The machine's own healthy value [canonical unit]."""
    deviation_sigma: float
    """(value - baseline) in standard deviations of the healthy machine."""
    since: datetime | None
    """Since when the deviation has stayed beyond 2 sigma; None: it has not."""
    sentence: str
    """For a plant engineer, e.g. `vibration 4.1 sigma above its own baseline since 14:20: 62 % of the risk`."""


class Cause(StrEnum):
    """Why a signal is not as it was."""

    SENSOR_FAULT = "sensor_fault"
    """The sensor or its unit, not the machine."""
    NEW_REGIME = "new_regime"
    """The machine works under settings or on a product that the model has not seen."""
    DRIFT = "drift"
    """It moved slowly, and not towards a failure: the surroundings, or all machines at once."""
    DEGRADATION = "degradation"
    """The machine wears; the only one that raises its risk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """What is behind a signal that is not as it was."""

    signal: str
    cause: Cause
    since: datetime | None
    sentence: str
    """For a plant engineer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PastCase:
    """A failure before which a machine looked most as another one looks now."""

    machine: str
    mode: str
    """Empty: unknown."""
    failed_at: datetime
    left_h: float
    """How long before that failure it looked so [h]."""
    likeness: float
    """1: the same causes to the same extent [0..1]."""
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Risk:
    """The failure risk of one machine as seen at one instant."""

    machine: str
    mode: str
    """Likeliest failure mode, or `any` where the model does not tell them apart."""
    assessed_at: datetime
    """Plant time of the newest reading that entered."""
    horizons_h: tuple[float, ...]
    """Increasing; operating hours from `assessed_at` [h]. (horizon,)"""
    survival: tuple[float, ...]
    """Probability of running past each horizon, non-increasing [0..1]. (horizon,)"""
    probability: float
    """Of failing within `horizon_h` [0..1]."""
    horizon_h: float
    """The policy's horizon [h]."""
    remaining_life_p10_h: float
    """[h]; infinite lives are capped at the last horizon."""
    remaining_life_p50_h: float
    remaining_life_p90_h: float
    evidence: tuple[Evidence, ...]
    """Greatest share first."""
    model_version: str
    enough_data: bool
    """False: the numbers are the class's base rate, and `reason` says what is missing."""
    reason: str = ""
    age_h: float = 0.0
    """Operating hours since the last renewal, as far as they were seen [h]."""
    anomaly_p: float | None = None
    """How often normal operation looks at least this unusual (0..1]; None: no normal readings were learned from. It
    speaks of now and raises no failure risk by itself."""
    unusual_since: datetime | None = None
    """Since when readings have added up to more than the bearable false alarms would, where no failure risk can be
    told; None: they do not."""
    diagnoses: tuple[Diagnosis, ...] = ()
    """Signals that are not as they were, and why; only degradation raises the risk."""
    nearest: PastCase | None = None
    """The past case that looked most alike; None: none did."""
