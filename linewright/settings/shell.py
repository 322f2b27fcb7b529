"""The sections of the shell itself: `store`, `topics`, `console`, `webhook`, `cluster`."""

from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from linewright.settings.plant import Part
from store.settings import StoreSettings

TOPIC_PLACEHOLDERS = ("enterprise", "site")


class StoreKind(StrEnum):
    """Where readings are kept."""

    EMBEDDED = "embedded"
    INFLUXDB = "influxdb"


class StorePart(StoreSettings):
    """Where readings, records and models are kept, and the store's own sizes and times."""

    kind: StoreKind = Field(
        default=StoreKind.EMBEDDED,
        description="Readings are kept in this folder (embedded), or only in the InfluxDB of [influx] (influxdb).",
    )
    folder: Path = Field(
        default=Path(".linewright"),
        description="Folder of the instance, beside this file unless absolute; on a local disk.",
    )


class TopicSettings(Part):
    """Topics by which plant and product talk, besides the readings; `{enterprise}` and `{site}` are filled in."""

    orders: str = Field(default="linewright/{site}/orders", description="Orders come in here, as JSON.")
    plan: str = Field(default="linewright/{site}/plan", description="The accepted plan, retained.")
    alerts: str = Field(default="linewright/{site}/alerts", description="Above one retained topic per machine.")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for name, topic in (("orders", self.orders), ("plan", self.plan), ("alerts", self.alerts)):
            filled = fill(topic, enterprise="e", site="s")
            if not topic or set(filled) & set("+#{}") or topic.startswith(("/", "$")) or topic.endswith("/"):
                raise ValueError(
                    f"{name} = {topic!r} must be one topic without `+` or `#`, such as 'linewright/{{site}}/{name}', "
                    f"with no other placeholder than {{enterprise}} and {{site}}"
                )
        if len({self.orders, self.plan, self.alerts}) < 3:
            raise ValueError("orders, plan and alerts must be three different topics")
        return self


class ConsoleSettings(Part):
    """The pages for people, and the API beside them."""

    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address to listen on; other than loopback is your choice."
    )
    port: int = Field(default=8420, ge=1, le=65535, description="TCP port.")


class WebhookSettings(Part):
    """Where alerts are posted, signed."""

    url: str = Field(description="http or https address that takes a POST.")
    secret: SecretStr | None = Field(
        default=None,
        description="Signs each message; only ever set from LINEWRIGHT_WEBHOOK__SECRET, never written here.",
    )
    secret_file: Path | None = Field(default=None, description="File whose first line is the secret.")

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
            raise ValueError("url holds a user name or password; the signature proves the sender, leave them out")
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError(
                "needs exactly one secret to sign with: name a file with secret_file, or set LINEWRIGHT_WEBHOOK__SECRET"
            )
        return self

    def secret_text(self) -> str:
        """The secret itself."""
        if self.secret is not None:
            return self.secret.get_secret_value()
        assert self.secret_file is not None
        return first_line(self.secret_file)


class ClusterSettings(Part):
    """Where long work is done: training on months, and features."""

    scheduler: str | None = Field(
        default=None,
        description="Dask scheduler, e.g. tcp://10.0.0.5:8786, whose workers see this site's folder under the same "
        "path; off: threads of this machine.",
    )
    timeout_s: float = Field(
        default=10.0, gt=0, description="How long to wait for the scheduler, and for a worker to be there [s]."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.scheduler is not None:
            try:
                parts = urlsplit(self.scheduler)
                fits = parts.scheme in ("tcp", "tls") and bool(parts.hostname) and (parts.port or 0) > 0
            except ValueError:
                fits = False
            if not fits:
                raise ValueError(f"scheduler {self.scheduler!r} must be tcp://host:port or tls://host:port")
        return self


def first_line(file: Path) -> str:
    """The first line of a file of one secret."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return lines[0].strip() if lines else ""


def fill(template: str, *, enterprise: str, site: str) -> str:
    """A topic of this plant.

    >>> fill("linewright/{site}/plan", enterprise="acme", site="linz")
    'linewright/linz/plan'
    """
    return template.replace("{enterprise}", enterprise).replace("{site}", site)
