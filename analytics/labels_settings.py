"""How the label head is trained; one configuration for every data set."""

from pydantic import BaseModel, ConfigDict, Field


class LabelSettings(BaseModel):
    """Configuration of the label head."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least: int = Field(default=20, ge=2)
    """Labels of each kind below which nothing is learned."""
    choice_bins: int = Field(default=24, ge=2)
    """Quantile bins by which candidates are judged."""
    least_gain: float = Field(default=3.0, ge=0)
    """What a candidate must save on rows held out [nats]."""
    least_gain_in_time: float = Field(default=20.0, ge=0)
    """The same of readings in time, where neighbours say nearly the same [nats]."""
    most_inputs: int = Field(default=12, ge=1)
    """Candidates taken beside the signals themselves; of readings in time in all."""
    most_alike: int = Field(default=6, ge=1)
    """The same where lives are few."""
    least_auc: float = Field(default=0.6, ge=0.5, le=1)
    """How well an input must tell labelled rows apart in each of few lives."""
    quantiles: int = Field(default=16, ge=2)
    """Even parts of each input's range."""
    borders: int = Field(default=8, ge=0)
    """Narrow ramps over the borders that split the labels best."""
    hidden: tuple[int, int] = (64, 32)
    members: int = Field(default=10, ge=1)
    folds: int = Field(default=5, ge=2)
    """Each member does not see one of so many parts; it is stopped and calibrated there."""
    epochs: int = Field(default=40, ge=1)
    """Most passes over the rows."""
    most_steps: int = Field(default=4000, ge=1)
    """Most steps of the optimiser: a large set needs fewer passes."""
    batch_rows: int = Field(default=256, ge=8)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.5, ge=0)
    """Strong, as every part of a range has weights of its own (docs/benchmarks/risk-labels.md)."""
