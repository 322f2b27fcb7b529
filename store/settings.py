"""How the embedded store keeps its readings; the defaults suit a plant of a few thousand signals."""

from itertools import pairwise
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class StoreSettings(BaseModel):
    """Sizes and times of the embedded store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seal_span_s: float = Field(default=600.0, gt=0)
    """Seal a machine class when its hot readings span this much plant time [s] and reach `seal_rows`."""
    seal_rows: int = Field(default=2_000, ge=1)
    """Fewest rows worth a file of their own; keeps a fast clock from making many small files."""
    seal_bytes: int = Field(default=4 * 2**20, ge=1)
    """Seal at this size of compressed hot readings whatever their span [byte]; bounds the memory that sealing takes,
    about 30 bytes for each, and the time to open."""
    window_rows: int = Field(default=10_000, ge=0)
    """Rows per machine class that are still recognised as duplicates at once after they were sealed; more than the
    broker may have in flight. Older ones are recognised at the next sealing."""
    merge_segments: int = Field(default=8, ge=2)
    """So many late segments of a window are worth compacting it again; before a window is over, eight times as many."""
    compact_after_s: float = Field(default=600.0, ge=0)
    """A window (6 h, then a day) is compacted so much plant time after its end, when most late data is there [s]."""
    unlink_after_s: float = Field(default=60.0, ge=0)
    """A file is deleted so long after it left the manifest; readers finish within [s]."""
    quarantine_max_bytes: int = Field(default=64 * 2**20, ge=0)
    """Payloads kept in quarantine; beyond it the oldest are dropped, counted and logged [byte]."""
    raw_days: float | None = Field(default=None, gt=0)
    """Readings are kept so long, then only their rollups [day of plant time]; none: for ever, as are rollups."""
    minute_days: float | None = Field(default=None, gt=0)
    """Rollups by the minute are kept so long [day]; none: for ever. No shorter than `raw_days`."""
    hour_years: float | None = Field(default=None, gt=0)
    """Rollups by the hour are kept so long [year of 365.25 days]; none: for ever. No shorter than `minute_days`."""
    revisions_days: float | None = Field(default=None, gt=0)
    """Values that were overwritten are kept so long, so that `as_of` still answers [day]; none: as readings are."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.raw_days is None and (self.minute_days is not None or self.hour_years is not None):
            raise ValueError("minute_days and hour_years need raw_days: rollups are kept as long as the readings")
        years = None if self.hour_years is None else self.hour_years * 365.25
        spans = [("raw_days", self.raw_days), ("minute_days", self.minute_days), ("hour_years", years)]
        given = [(name, days) for name, days in spans if days is not None]
        for (shorter, days), (longer, more) in pairwise(given):
            if more < days:
                raise ValueError(f"{longer} ({more:g} days) must be no shorter than {shorter} ({days:g} days)")
        return self
