"""When a risk becomes an alert, and when it stops being one."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class AlarmPolicy(BaseModel):
    """The thresholds and delays of failure alarms.

    The gap between `open_probability` and `close_probability` is the hysteresis: between the two an open alert stays
    open and a closed one stays closed. Source: ISA-18.2 (deadband, on-delay, off-delay, re-alarm); an alarm requires
    an operator's response, so a low probability is advice on the machine's page and never an alert.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizon_h: float = Field(default=24.0, gt=0, le=8760, description="How far ahead to look for a failure [h].")
    open_probability: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="An alert opens at this chance of failing within the horizon [0..1]; at 0.5 a failure is as likely "
        "as not, the point at which most plants would stop for a look.",
    )
    close_probability: float = Field(
        default=0.25, ge=0, lt=1, description="Its condition has returned below this chance [0..1]; below the opening."
    )
    on_delay_min: float = Field(
        default=0.0,
        ge=0,
        le=10080,
        description="The chance must stay at or above the opening this long [min of plant time]; 0: the first "
        "assessment opens, because a risk already looks back over hours of readings.",
    )
    off_delay_min: float = Field(
        default=30.0,
        ge=0,
        le=10080,
        description="The chance must stay below the closing this long [min of plant time].",
    )
    deadband: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="An open alert's number is updated when the chance moved by at least this much [0..1].",
    )
    medium_probability: float = Field(
        default=0.65, gt=0, le=1, description="Severity is at least medium from this chance within the horizon [0..1]."
    )
    high_probability: float = Field(
        default=0.85, gt=0, le=1, description="Severity is high from this chance within the horizon [0..1]."
    )
    soon_h: float = Field(
        default=8.0,
        gt=0,
        description="Severity is high when the opening chance is already reached within this time, one shift [h].",
    )
    alarms_per_week: float = Field(
        default=1.0,
        gt=0,
        le=1000,
        description="False alarms of unusual readings that are bearable per machine [1/week]; taken up by the next "
        "training. Where no failure risk can be told yet, readings that add up to more open an alert of low severity.",
    )

    @model_validator(mode="after")
    def _thresholds_are_in_order(self) -> "AlarmPolicy":
        if self.close_probability >= self.open_probability:
            raise ValueError(
                f"close_probability ({self.close_probability}) must be below open_probability "
                f"({self.open_probability}), otherwise an alert would open and close by turns"
            )
        if not self.open_probability <= self.medium_probability <= self.high_probability:
            raise ValueError(
                "open_probability, medium_probability and high_probability must not decrease; found "
                f"{self.open_probability}, {self.medium_probability}, {self.high_probability}"
            )
        if self.soon_h > self.horizon_h:
            raise ValueError(f"soon_h ({self.soon_h}) must not exceed horizon_h ({self.horizon_h})")
        return self
