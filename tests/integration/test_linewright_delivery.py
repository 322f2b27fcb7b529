"""Alerts and accepted plans on their way out: retained on a real Mosquitto, and signed to a real HTTP receiver."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from mosquitto_broker import Mosquitto

from analytics.notify import SIGNATURE_HEADER, alert_message, verify
from ingest.broker_settings import BrokerSettings
from ingest.publisher import Publisher
from linewright.delivery import Postman
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.wiring import open_records, open_site, wall_now
from plant.alerts import Alert, AlertState, Severity
from store.records import Records

SECRET = "not a secret at all"

pytestmark = pytest.mark.mosquitto


class Receiver:
    """An HTTP server that keeps what was posted and answers as told."""

    def __init__(self) -> None:
        self.answer = 204
        self.posts: list[tuple[bytes, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((body, self.headers[SIGNATURE_HEADER]))
                self.send_response(receiver.answer)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alerts"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto, receiver: Receiver) -> Site:
    write_template(tmp_path, broker_port=mosquitto.port)
    with (tmp_path / "linewright.toml").open("a") as file:
        file.write(f'\n[webhook]\nurl = "{receiver.url}"\n')
    environ = {"LINEWRIGHT_BROKER__EMBEDDED": "false", "LINEWRIGHT_WEBHOOK__SECRET": SECRET}
    return open_site(tmp_path, environ=environ)


@pytest.fixture
def records(site: Site) -> Iterator[Records]:
    opened = open_records(site)
    yield opened
    opened.close()


@pytest.fixture
def postman(site: Site, records: Records) -> Iterator[Postman]:
    publisher = Publisher(site.broker, client_id="test-work", timeout_s=2.0)
    yield Postman(site=site, records=records, publisher=publisher)
    publisher.close()


def alert() -> Alert:
    now = wall_now()
    return Alert(
        number="A-1",
        machine="L2-press",
        mode="bearing",
        state=AlertState.ACTIVE,
        severity=Severity.HIGH,
        opened_at=now,
        changed_at=now,
        probability=0.8,
        horizon_h=24.0,
        title="Press 2: bearing wearing",
        action="Inspect Press 2",
        evidence=("vibration 4.1 sigma above its own baseline",),
    )


def retained(site: Site, topic: str) -> bytes | None:
    """What a new subscriber finds on a topic."""
    found: list[bytes] = []
    listener = Publisher(BrokerSettings(port=site.broker.port), client_id="test-listener")
    listener.subscribe(topic, lambda _topic, payload: found.append(payload))
    listener.connect()
    deadline = time.monotonic() + 5
    while not found and time.monotonic() < deadline:
        time.sleep(0.02)
    listener.close()
    return found[0] if found else None


def test_alert_is_retained_on_its_machines_topic_and_posted_signed(
    mosquitto: Mosquitto, site: Site, records: Records, postman: Postman, receiver: Receiver
) -> None:
    mosquitto.start()
    message = alert_message(alert())
    records.enqueue("alert", message, at=wall_now())
    records.enqueue("webhook", message, at=wall_now())
    assert postman.deliver(now=site.clock.now()) == 2
    assert retained(site, "linewright/linz/alerts/L2-press") == message
    ((body, signature),) = receiver.posts
    assert json.loads(body)["title"] == "Press 2: bearing wearing"
    assert verify(body, header=signature, secret=SECRET, now=wall_now())
    assert not verify(body + b" ", header=signature, secret=SECRET, now=wall_now())
    assert postman.deliver(now=site.clock.now()) == 0, "what is settled is not sent again"


def test_broker_and_receiver_that_are_away_lose_nothing(
    mosquitto: Mosquitto,
    site: Site,
    records: Records,
    postman: Postman,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    message = alert_message(alert())
    records.enqueue("alert", message, at=wall_now())
    records.enqueue("webhook", message, at=wall_now())
    receiver.answer = 503
    assert postman.deliver(now=site.clock.now()) == 0  # Mosquitto is not started yet
    later = wall_now() + timedelta(minutes=10)
    (waiting,) = records.due("alert", at=later)
    assert waiting.attempts == 1
    assert "Is it running?" in waiting.reason
    assert [record.message for record in caplog.records].count("broker_gone") == 1

    mosquitto.start()
    receiver.answer = 204
    deliver_until(lambda: not records.due("alert", at=later) and not records.due("webhook", at=later), postman, site)
    assert retained(site, "linewright/linz/alerts/L2-press") == message
    assert [record.message for record in caplog.records].count("broker_back") == 1
    assert receiver.posts[-1][0] == message


def test_receiver_that_refuses_is_not_asked_again_and_it_is_audited(
    mosquitto: Mosquitto, site: Site, records: Records, postman: Postman, receiver: Receiver
) -> None:
    mosquitto.start()
    receiver.answer = 400
    records.enqueue("webhook", alert_message(alert()), at=wall_now())
    postman.deliver(now=site.clock.now())
    assert records.due("webhook", at=wall_now() + timedelta(days=1)) == ()
    assert any(line.what == "webhook refused" and "400" in line.detail for line in records.audit_trail())


def deliver_until(condition: Callable[[], bool], postman: Postman, site: Site) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it was not delivered in time"
        postman.deliver(now=site.clock.now())
        time.sleep(0.2)
