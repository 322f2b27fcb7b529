"""Where the records are kept: in the instance's folder, or in a PostgreSQL that several hosts share."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

DRIVER = "postgresql+psycopg"
EXPECTED = "must be postgresql+psycopg://USER@HOST:PORT/DATABASE, or empty for a file in the instance's folder"


class RecordsSettings(BaseModel):
    """The database of alerts, plans, orders and the like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        default="",
        description="PostgreSQL as postgresql+psycopg://USER@HOST:PORT/DATABASE, one database per site; empty: the "
        "file records.db in the instance's folder.",
    )
    password: SecretStr | None = Field(
        default=None,
        description="Of the database's user; only ever set from LINEWRIGHT_RECORDS__PASSWORD, never written here.",
    )
    password_file: Path | None = Field(default=None, description="File whose first line is the password.")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError(
                "needs one password: name a file with password_file, or set LINEWRIGHT_RECORDS__PASSWORD, not both"
            )
        if not self.url:
            return self
        try:
            found = make_url(self.url)
        except (ArgumentError, ValueError):
            raise ValueError(f"url {EXPECTED}") from None  # the text itself might hold a password
        if found.password or "password" in found.query:
            raise ValueError("url holds a password; name a file with password_file instead")
        if found.drivername not in ("postgresql", DRIVER) or not found.database:
            raise ValueError(f"url {self.url!r} {EXPECTED}")
        return self

    def address(self, folder: Path) -> URL:
        """The database with its password; `str` of it hides the password.

        Args:
            folder: Of the instance, for the file.
        """
        if not self.url:
            return URL.create("sqlite", database=str((folder / "records.db").absolute()))
        return make_url(self.url).set(drivername=DRIVER, password=self._password_text() or None)

    def _password_text(self) -> str:
        if self.password is not None:
            return self.password.get_secret_value()
        if self.password_file is None:
            return ""
        lines = self.password_file.read_text(encoding="utf-8").splitlines()
        return lines[0].strip() if lines else ""
