"""Reading in bulk against plain paho: the same bytes, in whatever pieces, come to the same end."""

import select
import socket
from importlib.metadata import version

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest import wire
from ingest.broker_settings import BrokerSettings, ReadPath
from ingest.client import session_client
from ingest.exact import BulkSessionClient, SessionClient
from ingest.wire import PROVED_WITH, BulkClient, Publishes, fast_read_problem, frame, gather

WELCOME = {MQTTProtocolVersion.MQTTv311: b"\x20\x02\x01\x00", MQTTProtocolVersion.MQTTv5: b"\x20\x03\x01\x00\x00"}


def length_of(count: int) -> bytes:
    out = b""
    while True:
        count, low = count >> 7, count & 127
        out += bytes([low | 128 if count else low])
        if not count:
            return out


def publish(topic: bytes, payload: bytes, *, mid: int, qos: int, properties: bytes | None, flags: int = 0) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + (mid.to_bytes(2, "big") if qos else b"")
    body += (b"" if properties is None else properties) + payload
    return bytes([0x30 | qos << 1 | flags]) + length_of(len(body)) + body


class Ends:
    """A client on one end of a pair of sockets, connected by a broker's welcome; hears all it delivers."""

    def __init__(self, kind: type, protocol: MQTTProtocolVersion) -> None:
        self.heard: list[tuple[bytes, bytes, int]] = []
        self.events: list[object] = []
        options = {"client_id": "c", "protocol": protocol, "manual_ack": True, "reconnect_on_failure": False}
        if protocol is MQTTProtocolVersion.MQTTv311:
            options["clean_session"] = False
        bulk = {"on_publishes": self._bulk} if kind is BulkClient else {}
        self.client = kind(CallbackAPIVersion.VERSION2, **options, **bulk)
        self.client.on_message = self._one
        self.client.on_connect = lambda *_: self.events.append("connected")
        self.client.on_disconnect = lambda *_: self.events.append("disconnected")
        self.client.on_subscribe = lambda _c, _u, mid, *_: self.events.append(("subscribed", mid, len(self.heard)))
        ours, self.theirs = socket.socketpair()
        self.client._create_socket = lambda: ours
        self.client.connect("broker")
        self.theirs.setblocking(False)

    def feed(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            if self.client.socket() is None:
                break
            self.theirs.sendall(piece)
            self.read()

    def read(self) -> None:
        """Read until nothing waits."""
        while (sock := self.client.socket()) is not None:
            if not getattr(self.client, "waiting", False) and not select.select([sock], [], [], 0)[0]:
                break
            self.client.loop_read(1_000)

    def sent(self) -> bytes:
        try:
            return self.theirs.recv(1_000_000)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        if (sock := self.client.socket()) is not None:
            sock.close()
        self.theirs.close()

    def _bulk(self, found: Publishes) -> None:
        assert len(found.topics) == len(found.payloads) == len(found.mids) > 0
        self.heard += zip(found.topics, found.payloads, found.mids, strict=True)

    def _one(self, _client: Client, _userdata: object, message: object) -> None:
        self.heard.append((message._topic, bytes(message.payload), message.mid))


protocols = st.sampled_from([MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])


def expiry() -> bytes:
    properties = Properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = 60
    return properties.pack()


@st.composite
def packets(draw, protocol: MQTTProtocolVersion) -> bytes:
    with_properties = protocol is MQTTProtocolVersion.MQTTv5
    kind = draw(st.integers(0, 9))
    if kind < 7:
        size = draw(st.sampled_from([0, 1, 20, 100, 110, 127, 128, 300, 16_400]))
        return publish(
            draw(st.sampled_from([b"a", b"acme/linz/press", b"\xff\xfe", "größe".encode()])),
            bytes([draw(st.integers(0, 255))]) * size,
            mid=draw(st.integers(1, 65_535)),
            qos=draw(st.sampled_from([0, 1, 1, 1, 2])),
            properties=draw(st.sampled_from([b"\x00", expiry()])) if with_properties else None,
            flags=draw(st.sampled_from([0, 1, 8])),
        )
    if kind == 7:
        return b"\xd0\x00"  # PINGRESP
    if kind == 8:
        return b"\x90\x04\x00\x07\x00\x01" if with_properties else b"\x90\x03\x00\x07\x01"  # SUBACK
    return b"\x62\x02\x00\x05"  # PUBREL


@st.composite
def streams(draw) -> tuple[MQTTProtocolVersion, list[bytes]]:
    protocol = draw(protocols)
    whole = b"".join(draw(st.lists(packets(protocol), max_size=6)))
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    return protocol, [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True) if b > a]


def both(protocol: MQTTProtocolVersion, pieces: list[bytes]) -> None:
    ends = [Ends(BulkClient, protocol), Ends(Client, protocol)]
    try:
        said = []
        for end in ends:
            end.feed([WELCOME[protocol], *pieces])
            said.append((end.heard, end.events, end.sent(), end.client.socket() is None))
        assert said[0] == said[1]
    finally:
        for end in ends:
            end.close()


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(streams())
def test_bulk_and_plain_reading_come_to_the_same_end(stream):
    both(*stream)


@settings(max_examples=150, deadline=None)
@given(protocols, st.binary(max_size=60))
@example(MQTTProtocolVersion.MQTTv311, b"\x32\x05\x00\x00\x00\x07x")  # no topic
@example(MQTTProtocolVersion.MQTTv5, b"\x32\x06\x00\x00\x00\x07\x00x")
@example(MQTTProtocolVersion.MQTTv311, b"\x32\x05\x00\x09ab\x01")  # the topic claims more than there is
@example(MQTTProtocolVersion.MQTTv5, b"\x32\x05\x00\x01a\x00\x07")  # no length of properties
@example(MQTTProtocolVersion.MQTTv311, b"\x32\x05\x00\x01a\x00\x00")  # packet identifier 0
@example(MQTTProtocolVersion.MQTTv311, b"\x36\x06\x00\x01a\x00\x07x")  # QoS 3
@example(MQTTProtocolVersion.MQTTv311, b"\x30\xff\xff\xff\xff\x01")  # a length of five bytes
@example(MQTTProtocolVersion.MQTTv5, b"\xe0\x00\x30\x03\x00\x01a")  # DISCONNECT, and something after it
def test_broken_bytes_come_to_the_same_end(protocol, noise):
    both(protocol, [noise])


@pytest.mark.parametrize("protocol", list(WELCOME))
def test_messages_survive_a_cut_at_every_byte(protocol):
    properties = b"\x00" if protocol is MQTTProtocolVersion.MQTTv5 else None
    sent = [(b"a/b", b"x" * size, mid, qos) for mid, (size, qos) in enumerate([(3, 1), (0, 0), (130, 1), (5, 1)], 1)]
    whole = b"".join(publish(t, p, mid=mid, qos=qos, properties=properties) for t, p, mid, qos in sent)
    expected = [(t, p, mid if qos else 0) for t, p, mid, qos in sent]
    for cut in range(1, len(whole)):
        end = Ends(BulkClient, protocol)
        try:
            end.feed([WELCOME[protocol], whole[:cut], whole[cut:]])
            assert end.heard == expected
        finally:
            end.close()
    end = Ends(BulkClient, protocol)
    try:
        end.feed([WELCOME[protocol], *(whole[at : at + 1] for at in range(len(whole)))])
        assert end.heard == expected
    finally:
        end.close()


def test_a_read_delivers_no_more_than_asked_and_keeps_the_rest():
    end = Ends(BulkClient, MQTTProtocolVersion.MQTTv311)
    try:
        end.feed([WELCOME[MQTTProtocolVersion.MQTTv311]])
        end.theirs.sendall(b"".join(publish(b"a", b"x", mid=mid, qos=1, properties=None) for mid in range(1, 11)))
        seen = []
        for _ in range(4):
            end.client.loop_read(3)
            seen.append((len(end.heard), end.client.waiting))
        assert seen == [(3, True), (6, True), (9, True), (10, False)]
    finally:
        end.close()


def test_many_acknowledgements_are_the_bytes_that_paho_sends_one_by_one():
    bulk, plain = (Ends(kind, MQTTProtocolVersion.MQTTv311) for kind in (BulkClient, Client))
    try:
        for end in (bulk, plain):
            end.feed([WELCOME[MQTTProtocolVersion.MQTTv311]])
            end.sent()
        mids = [1, 2, 300, 65_535, 7]
        bulk.client.acknowledge(mids)
        for mid in mids:
            plain.client.ack(mid, 1)
        assert bulk.sent() == plain.sent() == b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids)
    finally:
        bulk.close()
        plain.close()


def test_a_new_connection_forgets_what_the_old_one_left_unfinished():
    end = Ends(BulkClient, MQTTProtocolVersion.MQTTv311)
    whole = publish(b"a", b"x" * 50, mid=1, qos=1, properties=None)
    end.feed([WELCOME[MQTTProtocolVersion.MQTTv311], whole[:20]])
    end.theirs.close()
    end.read()
    ours, end.theirs = socket.socketpair()
    end.client._create_socket = lambda: ours
    assert end.client.reconnect() == MQTTErrorCode.MQTT_ERR_SUCCESS
    try:
        end.feed([WELCOME[MQTTProtocolVersion.MQTTv311], whole])
        assert end.heard == [(b"a", b"x" * 50, 1)]
        assert end.events == ["connected", "disconnected", "connected"]
    finally:
        end.close()


def test_a_frame_tells_how_many_bytes_are_missing():
    assert frame(b"\x30", 0) == 2
    assert frame(b"\x30\x80", 0) == 3
    assert frame(b"\x30\x05abc", 0) == 7
    assert frame(b"\x30\x03abc", 0) == (2, 5)
    assert gather(b"\x30", 0, into=Publishes([], [], []), limit=9, with_properties=False) == 0


def test_reading_in_bulk_is_proved_with_the_installed_paho():
    assert version("paho-mqtt") in PROVED_WITH
    assert fast_read_problem() == ""


def test_another_version_of_paho_is_read_the_plain_way_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr(wire, "PROVED_WITH", ("1.6.1",))
    assert type(session_client(BrokerSettings(), on_publishes=print)) is SessionClient
    assert [record.message for record in caplog.records] == ["fast_read_unavailable"]
    assert "proved with 1.6.1 only" in caplog.records[0].detail


def test_plain_paho_can_be_chosen():
    assert type(session_client(BrokerSettings(read_path=ReadPath.PAHO), on_publishes=print)) is SessionClient
    assert type(session_client(BrokerSettings(), on_publishes=print)) is BulkSessionClient


@st.composite
def buffers(draw) -> tuple[bytes, int, int, bool]:
    """Many packets, perhaps damaged at a byte or cut off; where a packet begins; a limit; and whether it is MQTT 5."""
    protocol = draw(protocols)
    some = draw(st.lists(packets(protocol), min_size=1, max_size=8))
    order = draw(st.lists(st.integers(0, len(some) - 1), min_size=1, max_size=40))
    whole = bytearray(b"".join(some[index] for index in order))
    if draw(st.booleans()):
        whole[draw(st.integers(0, len(whole) - 1))] = draw(st.sampled_from([0, 1, 0x30, 0x32, 0x7F, 0x80, 0xFF]))
    first = draw(st.sampled_from([0, len(some[order[0]])]))
    end = draw(st.integers(max(0, len(whole) - 40), len(whole)))
    return bytes(whole[:end]), min(first, end), draw(st.integers(0, 50)), protocol is MQTTProtocolVersion.MQTTv5


@settings(max_examples=400, deadline=None)
@given(given_buffer=buffers())
@example(given_buffer=(b"\x32\x0b\x00\x07acme/ab\x00\x01", 0, 2, False))  # ends with its packet identifier
def test_gather_finds_the_same_at_once_as_one_by_one(given_buffer: tuple[bytes, int, int, bool]) -> None:
    buffer, start, limit, with_properties = given_buffer
    found = []
    for at_once in (8, len(buffer) + 1):
        into = Publishes([b"before"], [b""], [1])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wire, "AT_ONCE_BYTES", at_once)
            place = gather(buffer, start, into=into, limit=limit, with_properties=with_properties)
        found.append((place, into))
    assert found[0] == found[1]


def test_gather_takes_many_messages_at_once_when_one_payload_looks_like_a_packet() -> None:
    odd = publish(b"a", b"\x32\x05\x00\x01a\x00\x07" * 9, mid=5, qos=1, properties=None)
    usual = [publish(b"acme/press", b'{"x":%d}' % n, mid=n + 1, qos=1, properties=None) for n in range(600)]
    buffer = b"".join([*usual[:300], odd, *usual[300:]])
    into = Publishes([], [], [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "AT_ONCE_BYTES", 8)
        reached = wire._leap(buffer, 0, into=into, limit=10_000, with_properties=False)
    assert reached == len(buffer)
    assert into.mids == [*range(1, 301), 5, *range(301, 601)]
