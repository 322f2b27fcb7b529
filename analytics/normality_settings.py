"""How the normality head looks at readings, and when it calls them unusual."""

from pydantic import BaseModel, ConfigDict, Field


class NormalitySettings(BaseModel):
    """Configuration of the normality head; one for every machine class and data set.

    Scales, smoothing and folds were chosen by faults injected into normal recordings (docs/benchmarks/risk.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scales_rows: tuple[int, ...] = Field(default=(1, 4, 16), min_length=1)
    """Lengths of the exponentially weighted means that are looked at together [row]."""
    smoothing_rows: int = Field(default=1, ge=1)
    """Length over which the distance is smoothed [row]; 1: the scales smooth enough."""
    folds: int = Field(default=4, ge=2)
    """Parts of the normal readings, each judged by a fit on the others: the blocks of the calibration."""
    minimum_rows: int = Field(default=60, ge=20)
    """Normal readings below which there is no normality head [row]."""
    own_baseline_lives: int = Field(default=3, ge=2)
    """From so many lives on, each is compared with its own first readings: machines differ."""
    own_baseline_rows: int = Field(default=5, ge=2)
    """Mean readings of a life below which it is compared with the others: a reading is never unlike itself [row]."""
    baseline_rows: int = Field(default=30, ge=3)
    """First readings after a renewal that make a machine's own baseline [row]."""
    alarm_p: float = Field(default=0.01, gt=0, lt=1)
    """A reading with a smaller p-value is called unusual [0..1]."""
    quiet_rows: int = Field(default=60, ge=1)
    """Unusual readings less than so many apart are one episode [row]."""
    alarms_per_week: float = Field(default=1.0, gt=0, le=1000)
    """False alarms that are bearable in a week of a machine's normal operation [1/week]."""
