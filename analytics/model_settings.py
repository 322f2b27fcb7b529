"""How the failure-risk model looks at a life and how it is trained."""

from enum import StrEnum
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class AgeInput(StrEnum):
    """Whether the model sees the operating age since the last renewal."""

    WITH = "with"
    WITHOUT = "without"


class ModelSettings(BaseModel):
    """Configuration of the failure-risk model; one for every machine class and data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scales_rows: tuple[int, ...] = Field(default=(4, 8, 16, 32, 64), min_length=1)
    """Lengths of the trailing windows, increasing [row]; geometric, so that fast and slow wear both show. Without the
    age one of twice the longest is added."""
    baseline_rows: int = Field(default=30, ge=3)
    """First readings after a renewal that make the machine's own healthy baseline [row]."""
    minimum_rows: int = Field(default=10, ge=1)
    """Readings since the renewal below which the model does not speak [row]."""
    regimes_max: int = Field(default=8, ge=1)
    """Most operating regimes that are told apart by the settings."""
    age: AgeInput = AgeInput.WITH
    """Without: the risk rests on the readings alone."""
    age_parts: tuple[int, ...] = Field(default=(1, 24), min_length=1)
    """Parts in which the operating age enters beside its plain value; of several the one is kept that errs less on
    held-out lives: many where a class wears by the hour, few where lives are few or chance (docs/benchmarks)."""
    bins: int = Field(default=32, ge=4, le=200)
    """Log-spaced hazard bins over the remaining life."""
    knots: int = Field(default=8, ge=2)
    """Quantile bins of the piecewise-linear encoding of each input."""
    hidden: tuple[int, int] = (96, 64)
    """Widths of the two hidden layers."""
    members: int = Field(default=5, ge=1)
    """Networks in the ensemble; each holds out other lives, by which it is calibrated."""
    epochs: int = Field(default=16, ge=1)
    """Passes over the training rows; the learning rate falls to 0 over them."""
    batch_rows: int = Field(default=512, ge=8)
    """Rows per step of the optimiser, fewer where there are few rows [row]."""
    rows_per_life: int = Field(default=400, ge=10)
    """Rows of one life that enter training, evenly spread [row]; neighbours say nearly the same."""
    life_weight: float = Field(default=10.0, ge=0)
    """Weight of the squared error of the expected remaining life beside the likelihood [ratio]; lowered the error of
    each of three grouped cross-validation folds a little (docs/benchmarks/risk-cmapss.md)."""
    learning_rate: float = Field(default=1.5e-3, gt=0)
    weight_decay: float = Field(default=3e-2, ge=0)
    dropout: tuple[float, ...] = Field(default=(0.2, 0.5), min_length=1)
    """Share of a layer's inputs that are left out at random in training [0..1); of several the one is kept that errs
    less on held-out lives: little where signals tell the end exactly, much where they are noisy or failures few
    (docs/benchmarks/risk-fleets.md)."""
    held_out_share: float = Field(default=0.2, gt=0, le=0.5)
    """Lives that a member does not train on: they calibrate it [0..1]. With more members than such parts, a part is
    held out by several, and calibrated by what these say together."""
    training_failures: int = Field(default=5, ge=2)
    """Failures below which a class is not trained and keeps the base rate of its MTBF."""
    calibration_failures: int = Field(default=8, ge=3)
    """Failures below which the probabilities are called uncalibrated."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of torch."""

    @property
    def windows_rows(self) -> tuple[int, ...]:
        """Lengths of the windows that are looked at [row].

        A window about as long as a life shows how far slow wear has come. Where the age is known it says that better,
        and the long window only adds error (docs/benchmarks/risk-cmapss.md).
        """
        if self.age is AgeInput.WITH:
            return self.scales_rows
        return (*self.scales_rows, 2 * self.scales_rows[-1])

    @property
    def folds(self) -> int:
        """Parts of the lives, one of which each member holds out; with few members some parts never are."""
        return round(1 / self.held_out_share)

    @field_validator("dropout", mode="before")
    @classmethod
    def _one_is_a_choice_of_one(cls, value: object) -> object:
        return (value,) if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _scales_increase(self) -> Self:
        if list(self.scales_rows) != sorted(set(self.scales_rows)) or self.scales_rows[0] < 2:
            raise ValueError(f"scales_rows must increase and begin at 2 or more, not {self.scales_rows}")
        if min(self.age_parts) < 1:
            raise ValueError(f"age_parts must be 1 or more, not {self.age_parts}")
        if not all(0 <= share < 1 for share in self.dropout):
            raise ValueError(f"dropout must be from 0 to below 1, not {self.dropout}")
        return self


QUICK: Final = ModelSettings(
    scales_rows=(6, 18, 54, 162, 486),
    baseline_rows=144,
    epochs=10,
    batch_rows=192,
    rows_per_life=160,
    age_parts=(1,),
    life_weight=0.0,
    learning_rate=3e-3,
    dropout=(0.2,),
)
"""For the demo and for tests: 10-minute rows from 1 h to 81 h, few rows and passes."""
