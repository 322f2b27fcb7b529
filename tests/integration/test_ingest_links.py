"""Ways to reach a broker: TLS with certificates of both sides, WebSockets, further addresses, shared groups."""

import contextlib
import gc
import logging
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ingest_plant import PLANT, reading
from mosquitto_broker import Mosquitto
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from ingest.broker_settings import BrokerSettings, Protocol, ReadPath, TlsSettings
from ingest.ingestor import Ingestor
from ingest.publisher import Publisher
from ingest.settings import IngestSettings
from plant.clock import PlantClock
from plant.signals import Batch, Receipt
from store.embedded.writer import open_writer

pytestmark = pytest.mark.mosquitto
RECEIPT = Receipt(stored=0, duplicate=0, quarantined=0, samples_stored=0, samples_duplicate=0, samples_quarantined=0)


def wait_for(done: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


@contextlib.contextmanager
def ingesting(broker: BrokerSettings, sink: Callable[[Batch], Receipt], *, run: str = "run-1") -> Iterator[Ingestor]:
    """An ingestor in a thread."""
    stop = threading.Event()
    ingestor = Ingestor(IngestSettings(), broker=broker, plant=PLANT, sink=sink, clock=PlantClock(), run=run)
    thread = threading.Thread(target=ingestor.run, args=(stop,))
    thread.start()
    try:
        yield ingestor
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


class Instants:
    """A sink that keeps which readings came, in their order."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, batch: Batch) -> Receipt:
        for table in batch.tables.values():
            self.seen += table["observed_at"].to_pylist()
        return RECEIPT


@contextlib.contextmanager
def publishing(broker: BrokerSettings, name: str = "test-publisher") -> Iterator[Publisher]:
    publisher = Publisher(broker, client_id=name)
    try:
        publisher.connect()
        yield publisher
    finally:
        publisher.close()


def come_whole(broker: BrokerSettings, *, count: int = 1_500) -> None:
    """Messages go the way to the sink, each once."""
    sink = Instants()
    with ingesting(broker, sink) as ingestor, publishing(broker) as publisher:
        wait_for(lambda: ingestor.state["connected"])
        publisher.publish_many(reading(number) for number in range(count))
        wait_for(lambda: len(sink.seen) >= count)
    assert len(sink.seen) == len(set(sink.seen)) == count


def listen(mosquitto: Mosquitto, *lines: str) -> None:
    """Add lines to the listener of a broker that is not started yet."""
    text = mosquitto.configuration.read_text()
    head = f"listener {mosquitto.port} 127.0.0.1\n"
    assert head in text
    mosquitto.configuration.write_text(text.replace(head, head + "".join(f"{line}\n" for line in lines)))


def settings_of(port: int, **more) -> BrokerSettings:
    return BrokerSettings(port=port, reconnect_min_s=0.1, reconnect_max_s=0.5, keepalive_s=5, **more)


@pytest.fixture(scope="module")
def certificates() -> Iterator[Path]:
    """An authority with a broker's and a client's certificate, and a stranger with one of its own."""
    folder = Path(tempfile.mkdtemp(prefix="certificates-"))
    folder.chmod(0o755)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "stranger"):
        openssl("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN=test {name}")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("broker", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    for file in folder.iterdir():
        file.chmod(0o644)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def secured(mosquitto, certificates) -> Mosquitto:
    """A broker that asks for a client's certificate."""
    names = {"cafile": "ca.pem", "certfile": "broker.pem", "keyfile": "broker.key"}
    listen(mosquitto, *(f"{key} {certificates / file}" for key, file in names.items()), "require_certificate true")
    mosquitto.start()
    return mosquitto


def mutual(folder: Path) -> TlsSettings:
    return TlsSettings(
        ca_file=folder / "ca.pem", certificate_file=folder / "client.pem", key_file=folder / "client.key"
    )


@pytest.mark.parametrize("read_path", list(ReadPath))
def test_messages_come_whole_over_mutual_tls(secured, certificates, read_path):
    come_whole(settings_of(secured.port, tls=mutual(certificates), read_path=read_path))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves a refused socket to gc
def test_a_broker_of_a_strange_authority_is_not_trusted(secured, certificates):
    broker = settings_of(secured.port, tls=TlsSettings(ca_file=certificates / "stranger.pem"))
    with ingesting(broker, Instants()) as ingestor:
        wait_for(lambda: bool(ingestor.state["broker_trouble"]))
        assert "its certificate is not trusted" in ingestor.state["broker_trouble"]
        assert not ingestor.state["connected"]
    gc.collect()


def test_a_client_without_certificate_is_told_what_may_be_missing(secured, certificates):
    broker = settings_of(secured.port, tls=TlsSettings(ca_file=certificates / "ca.pem"))
    with ingesting(broker, Instants()) as ingestor:
        wait_for(lambda: bool(ingestor.state["broker_trouble"]))
        told = ingestor.state["broker_trouble"]
        assert "client certificate" in told or "Check [broker.tls]" in told
        assert not ingestor.state["connected"]


@contextlib.contextmanager
def websocket_front(port: int) -> Iterator[int]:
    """A WebSocket server on loopback before a broker's plain port (Mosquitto's own would listen on all interfaces)."""

    def upwards(connection: ServerConnection, broker: socket.socket) -> None:
        with contextlib.suppress(ConnectionClosed):
            while data := broker.recv(65_536):
                connection.send(data)
        connection.close()

    def serve_one(connection: ServerConnection) -> None:
        with socket.create_connection(("127.0.0.1", port)) as broker:
            pump = threading.Thread(target=upwards, args=(connection, broker))
            pump.start()
            with contextlib.suppress(ConnectionClosed):  # a client may go without goodbye
                for data in connection:
                    broker.sendall(data)
            broker.shutdown(socket.SHUT_WR)
            pump.join(5)

    with serve(serve_one, "127.0.0.1", 0, subprotocols=["mqtt"], compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize("read_path", list(ReadPath))
def test_messages_come_whole_over_websockets(mosquitto, read_path):
    mosquitto.start()
    with websocket_front(mosquitto.port) as port:
        come_whole(settings_of(port, websocket_path="/mqtt", read_path=read_path))


@pytest.mark.parametrize("read_path", list(ReadPath))
@pytest.mark.parametrize("protocol", list(Protocol))
def test_both_ways_of_reading_take_all_in_both_versions_of_mqtt(mosquitto, protocol, read_path):
    mosquitto.start()
    come_whole(settings_of(mosquitto.port, protocol=protocol, read_path=read_path), count=3_000)


def test_messages_published_with_qos_2_and_properties_come_once(mosquitto):
    mosquitto.start()
    broker = settings_of(mosquitto.port, protocol=Protocol.V5)
    sink = Instants()
    with ingesting(broker, sink) as ingestor:
        wait_for(lambda: ingestor.state["connected"])
        for number in range(6):
            topic, payload = reading(number)
            command = ["mosquitto_pub", "-V", "5", "-p", str(mosquitto.port), "-q", "2", "-t", topic]
            properties = ["-D", "publish", "message-expiry-interval", "60"] if number % 2 else []
            subprocess.run([*command, *properties, "-m", payload.decode()], check=True)
        wait_for(lambda: len(sink.seen) >= 6)
    assert len(sink.seen) == len(set(sink.seen)) == 6


@pytest.fixture
def second(require_real) -> Iterator[Mosquitto]:
    """Another Mosquitto, not started yet."""
    folder = Path(tempfile.mkdtemp(prefix="mosquitto-"))
    folder.chmod(0o777)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    broker = Mosquitto(require_real("mosquitto"), port=port, folder=folder)
    yield broker
    broker.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_ingestor_goes_to_the_next_address_and_back_to_the_first(mosquitto, second, caplog):
    broker = settings_of(mosquitto.port, fallbacks=(f"127.0.0.1:{second.port}",))
    sink = Instants()
    second.start()
    with caplog.at_level(logging.INFO, logger="ingest"), ingesting(broker, sink) as ingestor:
        wait_for(lambda: ingestor.state["connected"])
        assert ingestor.state["broker"] == f"127.0.0.1:{second.port}"
        with publishing(broker) as publisher:
            publisher.publish_many(reading(number) for number in range(200))
            wait_for(lambda: len(sink.seen) == 200)
            mosquitto.start()
            second.stop()
            publisher.publish_many((reading(number) for number in range(200, 400)), timeout_s=20)
        wait_for(lambda: len(set(sink.seen)) == 400)
        assert ingestor.state["broker"] == f"127.0.0.1:{mosquitto.port}"
    events = [(r.message, r.broker) for r in caplog.records if r.message.startswith("broker_")]
    first, other = f"127.0.0.1:{mosquitto.port}", f"127.0.0.1:{second.port}"
    assert events == [
        ("broker_away", first),
        ("broker_connected", other),
        ("broker_away", other),
        ("broker_connected", first),
    ]


def test_a_group_shares_the_messages_and_one_store_keeps_each_once(mosquitto, tmp_path):
    mosquitto.start()
    plain = settings_of(mosquitto.port)
    members = [plain.model_copy(update={"client_id": f"member-{n}", "shared_group": "ingest"}) for n in range(2)]
    with contextlib.closing(open_writer(tmp_path / "site", plant=PLANT, clock=PlantClock())) as writer:
        with (
            ingesting(members[0], writer.write, run="run-a") as one,
            ingesting(members[1], writer.write, run="run-b") as two,
            publishing(plain) as publisher,
        ):
            wait_for(lambda: one.state["connected"] and two.state["connected"])
            time.sleep(0.2)  # both subscriptions are on their way
            publisher.publish_many(reading(number) for number in range(2_000))
            wait_for(lambda: sum(line.stored for line in writer.ledger()) >= 2_000)
            shares = [one.state["received"], two.state["received"]]
        lines = writer.ledger()
    assert sum(shares) == 2_000
    assert min(shares) > 500
    assert sum(line.stored for line in lines) == 2_000
    assert sum(line.duplicate + line.in_flight for line in lines) == 0
