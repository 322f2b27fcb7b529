"""How well the plant runs: sums first, ratios last.

Source: ISO 22400-2, availability, effectiveness, quality ratio, OEE; ISO 50006, energy per good unit.
Sums of several lines or shifts are added before dividing; ratios are never averaged.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Kpi:
    """The sums of one machine or line over a half-open range of time."""

    entity: str
    """Machine or line name."""
    start: datetime
    end: datetime
    planned_busy_h: float
    """PBT [h]."""
    production_h: float
    """APT, time in Execute [h]."""
    produced: float
    """PQ, good and scrap [unit]."""
    good: float
    """GQ [unit]."""
    target_h: float
    """Sum of PRI x PQ over products: the time the produced units should have taken [h]."""
    energy_kwh: float

    @property
    def availability(self) -> float | None:
        """APT / PBT; None where PBT is 0."""
        return self.production_h / self.planned_busy_h if self.planned_busy_h > 0 else None

    @property
    def effectiveness(self) -> float | None:
        """PRI x PQ / APT; above 1 means a wrong PRI and is shown as it is."""
        return self.target_h / self.production_h if self.production_h > 0 else None

    @property
    def quality_ratio(self) -> float | None:
        """GQ / PQ."""
        return self.good / self.produced if self.produced > 0 else None

    @property
    def oee(self) -> float | None:
        """PRI x GQ / PBT."""
        if self.planned_busy_h <= 0:
            return None
        return self.target_h * self.good / self.produced / self.planned_busy_h if self.produced > 0 else 0.0

    @property
    def scrap_ratio(self) -> float | None:
        """SQ / PQ."""
        return (self.produced - self.good) / self.produced if self.produced > 0 else None

    @property
    def energy_per_good_kwh(self) -> float | None:
        """SEC [kWh/unit]."""
        return self.energy_kwh / self.good if self.good > 0 else None
