"""How the embedded store keeps its readings; the defaults suit a plant of a few thousand signals."""

from pydantic import BaseModel, ConfigDict, Field


class StoreSettings(BaseModel):
    """Sizes and times of the embedded store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seal_span_s: float = Field(default=600.0, gt=0)
    """Seal a machine class when its hot readings span this much plant time [s] and reach `seal_rows`."""
    seal_rows: int = Field(default=2_000, ge=1)
    """Fewest rows worth a file of their own; keeps a fast clock from making many small files."""
    seal_bytes: int = Field(default=32 * 2**20, ge=1)
    """Seal at this size of compressed hot readings whatever their span [byte]; bounds the time to open."""
    window_rows: int = Field(default=1_024, ge=0)
    """Rows per machine class that are still recognised as duplicates at once after they were sealed; more than the
    broker may have in flight. Older ones are recognised at the next sealing."""
    merge_segments: int = Field(default=8, ge=2)
    """So many late segments of a window are worth compacting it again; before a window is over, eight times as many."""
    compact_after_s: float = Field(default=600.0, ge=0)
    """A window (6 h, then a day) is compacted so much plant time after its end, when most late data is there [s]."""
    unlink_after_s: float = Field(default=60.0, ge=0)
    """A file is deleted so long after it left the manifest; readers finish within [s]."""
    last_values_every_s: float = Field(default=1.0, ge=0)
    """Last values are persisted at most so often [s]."""
    quarantine_max_bytes: int = Field(default=64 * 2**20, ge=0)
    """Payloads kept in quarantine; beyond it the oldest are dropped, counted and logged [byte]."""
