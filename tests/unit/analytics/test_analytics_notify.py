"""Signed delivery to a real HTTP server on loopback."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.notify import SIGNATURE_HEADER, alert_message, deliver_webhook, sign, verify
from plant.alerts import Alert, AlertState, Severity

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
SECRET = "correct horse"


class Receiver(ThreadingHTTPServer):
    """Answers as its path asks and keeps what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, str, bytes]] = []
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers[SIGNATURE_HEADER], body))
        if self.path == "/slow":
            self.server.release.wait(10)
            return
        status = int(urlsplit(self.path).path.rpartition("/")[2] or 204)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/200")
        text = b"no such hook" if status == 404 else b""
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


def an_alert() -> Alert:
    return Alert(
        number="A-20260302T060000-L2-press",
        machine="L2-press",
        mode="bearing",
        state=AlertState.ACTIVE,
        severity=Severity.HIGH,
        opened_at=NOW,
        changed_at=NOW,
        probability=0.78,
        horizon_h=24.0,
        title="Press 2: bearing wearing, 78 % chance to fail within 24 h",
        action="Inspect Press 2.",
        evidence=("vibration",),
    )


def test_alert_message_is_json_with_the_alerts_fields() -> None:
    document = json.loads(alert_message(an_alert()))
    assert document["machine"] == "L2-press"
    assert document["state"] == "active_unacknowledged"
    assert document["severity"] == "high"
    assert document["opened_at"] == "2026-03-02T06:00:00Z"
    assert document["closed_at"] is None


def test_deliver_webhook_posts_a_payload_whose_signature_verifies(receiver: Receiver) -> None:
    payload = alert_message(an_alert())
    delivery = deliver_webhook(f"{receiver.url}/hook/200?plant=linz", payload=payload, secret=SECRET, at=NOW)
    assert (delivery.delivered, delivery.status, delivery.reason) == (True, 200, "")
    ((path, header, body),) = receiver.got
    assert path == "/hook/200?plant=linz"
    assert body == payload
    assert verify(body, header=header, secret=SECRET, now=NOW)


@pytest.mark.parametrize(("status", "retry"), [(404, False), (302, False), (500, True), (429, True)])
def test_deliver_webhook_says_why_an_answer_refused(receiver: Receiver, status: int, retry: bool) -> None:
    delivery = deliver_webhook(f"{receiver.url}/{status}", payload=b"{}", secret=SECRET, at=NOW)
    assert (delivery.delivered, delivery.status, delivery.retry) == (False, status, retry)
    assert f"answered {status}" in delivery.reason
    assert len(receiver.got) == 1  # no redirect is followed


def test_deliver_webhook_gives_up_after_its_timeout(receiver: Receiver) -> None:
    begun = time.monotonic()
    delivery = deliver_webhook(f"{receiver.url}/slow", payload=b"{}", secret=SECRET, at=NOW, timeout_s=0.2)
    assert time.monotonic() - begun < 5
    assert (delivery.delivered, delivery.retry) == (False, True)
    assert "no answer from 127.0.0.1" in delivery.reason


def test_deliver_webhook_says_when_nobody_listens(free_port: int) -> None:
    delivery = deliver_webhook(f"http://127.0.0.1:{free_port}/", payload=b"{}", secret=SECRET, at=NOW)
    assert (delivery.delivered, delivery.status, delivery.retry) == (False, None, True)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "127.0.0.1:80", "http://", "http://x:notaport/", "http://[::1"]
)
def test_deliver_webhook_refuses_other_addresses(url: str) -> None:
    delivery = deliver_webhook(url, payload=b"{}", secret=SECRET, at=NOW)
    assert (delivery.delivered, delivery.retry) == (False, False)
    assert "webhook address" in delivery.reason


def test_deliver_webhook_refuses_to_send_unsigned() -> None:
    assert "secret" in deliver_webhook("http://127.0.0.1:1/", payload=b"{}", secret="", at=NOW).reason


@given(st.binary(max_size=200), st.text(min_size=1, max_size=20), st.integers(-400, 400))
def test_verify_accepts_what_was_signed_and_is_fresh(payload: bytes, secret: str, age_s: int) -> None:
    header = sign(payload, secret=secret, at=NOW)
    assert verify(payload, header=header, secret=secret, now=NOW + timedelta(seconds=age_s)) == (abs(age_s) <= 300)
    assert not verify(payload + b"x", header=header, secret=secret, now=NOW)
    assert not verify(payload, header=header, secret=secret + "x", now=NOW)
    assert not verify(payload, header=header.replace("t=1", "t=2"), secret=secret, now=NOW)


@given(st.text(max_size=60))
def test_verify_refuses_any_other_header_without_raising(header: str) -> None:
    assert not verify(b"{}", header=header, secret=SECRET, now=NOW)
    assert not verify(b"{}", header=f"t=1772431200,v1={header}", secret=SECRET, now=NOW)
