"""One server that takes line protocol: each write is synchronous, and every answer has one of three meanings.

Never the client's batching mode: with the server away it accepted 285,000 lines without an exception, and dropped
points silently once its retries were used up. Waiting and trying again is the mirror's own business.
"""

from collections.abc import Sequence
from typing import Any, Final

from urllib3.exceptions import HTTPError

from plant.errors import Unavailable
from store.influx.settings import InfluxSettings

REFUSALS: Final = frozenset({400, 413, 422})
"""Something in the data is wrong, or there is too much of it: 400 malformed or type conflict, 422 rejected points."""
ADVICE: Final = {
    401: "The token is not accepted: correct token_file or LINEWRIGHT_INFLUX__TOKEN.",
    403: "The token may not write to this bucket: give it the right to.",
    404: "There is no such organisation or bucket: make it, or correct [influx].",
    429: "The server asks for patience.",
}
REASON_LENGTH: Final = 300


class Refused(Exception):  # noqa: N818 - the server's answer to data, not a fault of ours
    """The server does not take these lines as they are; sending them again changes nothing."""


class InfluxServer:
    """A connection to the server; it opens with the first request."""

    def __init__(self, settings: InfluxSettings) -> None:
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        self._settings = settings
        self._client: Any = InfluxDBClient(
            url=settings.url.rstrip("/"),
            token=settings.token_text(),
            org=settings.org,
            timeout=round(settings.timeout_s * 1000),
            enable_gzip=True,
        )
        self._write: Any = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, lines: Sequence[str]) -> None:
        """Send lines with times in µs; on return the server has confirmed all of them (204).

        Raises:
            Refused: at least one line is bad; the server may have taken others of the same request.
            Unavailable: the server is away, overloaded, or wants another token or bucket.
        """
        from influxdb_client.rest import ApiException

        settings = self._settings
        try:
            self._write.write(settings.bucket, settings.org, record="\n".join(lines), write_precision="us")
        except ApiException as error:
            reason = _reason(error)
            if error.status in REFUSALS:
                raise Refused(reason) from error
            advice = ADVICE.get(error.status or 0, "Is it well?")
            raise Unavailable(f"InfluxDB at {settings.address} answered {error.status} ({reason}). {advice}") from error
        except (HTTPError, OSError) as error:
            raise Unavailable(_away(settings, error)) from error

    def make_bucket(self) -> None:
        """Make the bucket with its retention. Raises Unavailable when that is not possible."""
        from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
        from influxdb_client.rest import ApiException

        settings = self._settings
        days = settings.retention_days
        rule: Any = BucketRetentionRules
        rules = [] if days == 0 else [rule(type="expire", every_seconds=round(days * 86_400))]
        try:
            self._client.buckets_api().create_bucket(
                bucket_name=settings.bucket, org=settings.org, retention_rules=rules
            )
        except ApiException as error:
            raise Unavailable(
                f"There is no bucket {settings.bucket} at {settings.url}, and it could not be made "
                f"({error.status}: {_reason(error)}). Make it, or give the token the right to."
            ) from error
        except (HTTPError, OSError) as error:
            raise Unavailable(_away(settings, error)) from error

    def ping(self) -> str:
        """The server's version, or an empty text where it does not tell. Raises Unavailable when it does not answer."""
        from influxdb_client.rest import ApiException

        try:
            found = str(self._client.version() or "")
            return "" if found == "unknown" else found
        except ApiException as error:  # it answers, and knows no /ping
            if error.status in (401, 403):
                raise Unavailable(f"{self._settings.address} answered {error.status}. {ADVICE[401]}") from error
            return ""
        except (HTTPError, OSError) as error:
            raise Unavailable(_away(self._settings, error)) from error

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._write.close()
        self._client.close()


def _reason(error: Any) -> str:
    body = error.body.decode("utf-8", "replace") if isinstance(error.body, bytes) else str(error.body or "")
    return " ".join((body or str(error.reason)).split())[:REASON_LENGTH]


def _away(settings: InfluxSettings, error: Exception) -> str:
    return (
        f"Cannot reach InfluxDB at {settings.address} ({' '.join(str(error).split())[:REASON_LENGTH]}). Is it running? "
        "Nothing is lost: what it has not confirmed is kept and sent when it is back."
    )
