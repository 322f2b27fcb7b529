"""Where readings are mirrored to or kept; there is neither without an `[influx]` section."""

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class InfluxSettings(BaseModel):
    """The server, its bucket, and the pace of the mirror."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(default="http://127.0.0.1:8086", description="Address of the server, http or https.")
    org: str = Field(default="linewright", min_length=1, description="Organisation at the server.")
    bucket: str = Field(default="plant", min_length=1, description="Bucket that takes the readings.")
    token: SecretStr | None = Field(
        default=None,
        description="May write to the bucket; only ever set from LINEWRIGHT_INFLUX__TOKEN, never written here.",
    )
    token_file: Path | None = Field(default=None, description="File whose first line is the token.")
    retention_days: float = Field(
        default=0.0,
        ge=0,
        description="With store.kind influxdb: a bucket that is made keeps readings so long [d]; 0: for ever.",
    )
    period_s: float = Field(default=5.0, gt=0, description="Pause between two looks for new readings [s].")
    batch_lines: int = Field(
        default=1_000, ge=1, le=50_000, description="Lines (readings of one machine) that are sent together."
    )
    overlap_s: float = Field(
        default=60.0,
        ge=0,
        description="Each look goes back so far before the last one, for readings that came late [s of wall time].",
    )
    late_h: float = Field(
        default=6.0,
        gt=0,
        le=168,
        description="Readings that came up to so much later are found by a longer look [h of plant time]; beyond it "
        "they stay in the embedded store only.",
    )
    late_every_s: float = Field(default=600.0, gt=0, description="Pause between two such longer looks [s].")
    backfill_h: float = Field(
        default=24.0, ge=0, description="So much of what is stored already is sent at the very first start [h]."
    )
    timeout_s: float = Field(default=10.0, gt=0, description="For one answer of the server [s].")
    retry_min_s: float = Field(
        default=1.0, gt=0, description="First wait before trying an absent server again [s]; doubles."
    )
    retry_max_s: float = Field(default=60.0, gt=0, description="Longest wait before trying an absent server again [s].")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        try:
            parts = urlsplit(self.url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"url {self.url!r} must be an http or https address")
        if parts.username or parts.password:
            raise ValueError("url holds a user name or password; name a file with token_file instead")
        if self.token is not None and self.token_file is not None:
            raise ValueError("needs one token: name a file with token_file, or set LINEWRIGHT_INFLUX__TOKEN, not both")
        if self.retry_max_s < self.retry_min_s:
            raise ValueError(f"retry_max_s = {self.retry_max_s} must not be below retry_min_s = {self.retry_min_s}")
        return self

    @property
    def address(self) -> str:
        """Server and bucket, for messages and as the name of the mirror's cursor."""
        return f"{self.url.rstrip('/')} {self.org}/{self.bucket}"

    def token_text(self) -> str:
        """The token itself; empty for a server that asks for none."""
        if self.token is not None:
            return self.token.get_secret_value()
        if self.token_file is None:
            return ""
        lines = self.token_file.read_text(encoding="utf-8").splitlines()
        return lines[0].strip() if lines else ""
