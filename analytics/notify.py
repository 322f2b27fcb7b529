"""Telling somebody: a signed webhook and the text of the retained alert topic.

The signature covers the time of sending and the body, so that a receiver can refuse forged and replayed messages.
Source: RFC 2104 (HMAC); the layout `t=...,v1=...` is that of several public webhook providers.
"""

import hashlib
import hmac
import http.client
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from plant.alerts import Alert

SIGNATURE_HEADER: Final = "Linewright-Signature"
REPLAY_LIMIT_S: Final = 300
"""Age beyond which a receiver refuses a signed message; five minutes forgive clocks that differ."""
_ANSWER_BYTES: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What became of one attempt to deliver."""

    delivered: bool
    status: int | None
    """HTTP status of the answer; None: there was none."""
    reason: str
    """Why it was not delivered, a sentence; empty where it was."""
    retry: bool
    """Whether trying again later can help."""


def alert_message(alert: Alert) -> bytes:
    """The alert as JSON for the retained MQTT topic and the webhook: its fields, instants in ISO 8601 UTC."""
    return msgspec.json.encode(alert)


def sign(payload: bytes, *, secret: str, at: datetime) -> str:
    """Value of the `Linewright-Signature` header.

    >>> from datetime import UTC
    >>> sign(b"{}", secret="s", at=datetime(2026, 1, 1, tzinfo=UTC))[:31]
    't=1767225600,v1=ba9170a5544f572'
    """
    seconds = int(at.timestamp())
    return f"t={seconds},v1={_digest(payload, secret=secret, seconds=seconds)}"


def verify(payload: bytes, *, header: str, secret: str, now: datetime, limit_s: int = REPLAY_LIMIT_S) -> bool:
    """Whether a header proves that the payload came from who knows the secret, no longer than `limit_s` ago."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp = parts.get("t", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return False
    expected = _digest(payload, secret=secret, seconds=int(stamp))
    authentic = hmac.compare_digest(expected.encode(), parts.get("v1", "").encode("utf-8", "replace"))
    return authentic and abs(now.timestamp() - int(stamp)) <= limit_s


def deliver_webhook(url: str, *, payload: bytes, secret: str, at: datetime, timeout_s: float = 10.0) -> Delivery:
    """Post a signed JSON payload, once, following no redirect.

    Args:
        url: http or https address.
        payload: JSON.
        secret: shared with the receiver.
        at: wall time, which the receiver compares with its own.
        timeout_s: for connecting and for each read [s].
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return _refused(f"the webhook address {url!r} cannot be read ({error}); correct it in the configuration")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return _refused(f"the webhook address {url!r} is neither http nor https; correct it in the configuration")
    if not secret:
        return _refused("the webhook has no secret to sign with; set it in the environment or in a file")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.hostname, port, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, port, timeout=timeout_s)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "linewright",
        SIGNATURE_HEADER: sign(payload, secret=secret, at=at),
    }
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body=payload, headers=headers)
        answer = connection.getresponse()
        text = answer.read(_ANSWER_BYTES).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        reason = f"no answer from {parts.hostname} ({error or type(error).__name__}); is the receiver running?"
        return Delivery(delivered=False, status=None, reason=reason, retry=True)
    finally:
        connection.close()
    if 200 <= answer.status < 300:
        return Delivery(delivered=True, status=answer.status, reason="", retry=False)
    retry = answer.status >= 500 or answer.status in (408, 425, 429)
    reason = f"{parts.hostname} answered {answer.status} {answer.reason}" + (f": {text}" if text else "")
    return Delivery(delivered=False, status=answer.status, reason=reason, retry=retry)


def _refused(reason: str) -> Delivery:
    return Delivery(delivered=False, status=None, reason=reason, retry=False)


def _digest(payload: bytes, *, secret: str, seconds: int) -> str:
    return hmac.new(secret.encode(), f"{seconds}.".encode() + payload, hashlib.sha256).hexdigest()
