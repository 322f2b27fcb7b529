"""Reading MQTT in bulk: paho's client, but walking whole buffers instead of a byte and a callback at a time.

Only plain PUBLISH packets (QoS 0 or 1, not retained, without MQTT 5 properties) are taken here; every other packet, and
everything that is not quite right, is handed to paho's own handlers, so that both ways of reading come to the same end.
It uses private methods of paho and therefore serves only the versions it was proved with; others read the plain way.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from paho.mqtt.client import Client
from paho.mqtt.enums import MessageType, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket

PROVED_WITH: Final = ("2.2.0",)
"""Versions of paho-mqtt whose private methods behave as this file expects; the tests prove it for the installed one."""
READ_BYTES: Final = 65_536
"""Asked of the socket at a time [byte]: twice as much would be mapped and unmapped by the C library at each read."""
READS_AT_ONCE: Final = 4
"""So many reads are walked over in one piece."""
AT_ONCE_BYTES: Final = 30_000
"""So much of a buffer is worth walking over in one piece [byte]."""
_PUBACK: Final = 0x4002
"""First two bytes of a PUBACK: its type, and two bytes to follow."""


class Publishes(NamedTuple):
    """Messages that were read together, in order; lists of one length."""

    topics: list[bytes]
    payloads: list[bytes]
    mids: list[int]
    """Packet identifiers to acknowledge; 0 where the message has QoS 0."""
    retained: bool = False
    """Whether the broker kept them for whoever subscribes: they may have come before."""


class Frame(NamedTuple):
    """Where a whole packet lies in a buffer."""

    body: int
    end: int


def fast_read_problem() -> str:
    """Why messages cannot be read in bulk; empty where they can."""
    installed = version("paho-mqtt")
    if installed in PROVED_WITH:
        return ""
    return (
        f"paho-mqtt {installed} is installed, and reading in bulk is proved with {', '.join(PROVED_WITH)} only; "
        "messages are read the plain way, at about ten times the cost"
    )


def gather(buffer: bytes, start: int, *, into: Publishes, limit: int, with_properties: bool) -> int:
    """Walk over plain PUBLISH packets until another packet, an unfinished one or the limit; the place reached.

    Args:
        buffer: Bytes from the wire.
        start: Where a packet begins.
        into: Gets the messages.
        limit: Most messages it may hold afterwards.
        with_properties: MQTT 5, where a length of properties stands before the payload.

    Source: MQTT 3.1.1, 2.2 and 3.3; MQTT 5.0, 3.3.2.3.

    >>> found = Publishes([], [], [])
    >>> gather(bytes.fromhex("320700016100077631d000"), 0, into=found, limit=10, with_properties=False)
    9
    >>> found
    Publishes(topics=[b'a'], payloads=[b'v1'], mids=[7], retained=False)
    """
    topics, payloads, mids = into.topics, into.payloads, into.mids
    if len(buffer) - start >= AT_ONCE_BYTES:
        start = _leap(buffer, start, into=into, limit=limit, with_properties=with_properties)
    size, at, room = len(buffer), start, limit - len(mids)
    try:
        while room > 0:
            head, length, body = buffer[at], buffer[at + 1], at + 2
            if head & 0xF5 != 0x30:  # no PUBLISH, or one that is retained or has QoS 2
                break
            if length > 127:
                second = buffer[body]
                body += 1
                length += (second << 7) - 128
                if second > 127:
                    third = buffer[body]
                    body += 1
                    length += (third << 14) - 16_384
                    if third > 127:
                        break
            end = body + length
            if end > size:
                break
            name = body + 2
            text = payload = name + (buffer[body] << 8 | buffer[body + 1])
            mid = 0
            if head & 2:
                mid = buffer[text] << 8 | buffer[text + 1]
                payload += 2
                if not mid:
                    break
            if with_properties:
                if buffer[payload]:
                    break
                payload += 1
            if payload > end or text == name:
                break
            topics.append(buffer[name:text])
            payloads.append(buffer[payload:end])
            mids.append(mid)
            at = end
            room -= 1
    except IndexError:
        pass  # the packet is unfinished, or claims more than it holds: `frame` tells
    return at


def _leap(buffer: bytes, start: int, *, into: Publishes, limit: int, with_properties: bool) -> int:
    """Do as `gather` does for as many packets as can be told together.

    The first byte of a topic's length is 0 in all packets whose topic is shorter than 256 bytes, and text holds none.
    So each zero says where a packet would begin and end, if it were one. Those that begin where the one before ends,
    from `start` on, are what a walk would find; the first that does not, or is unusual, is left to the walk.
    """
    signs = np.frombuffer(buffer, dtype=np.uint8)
    zeros = np.flatnonzero(signs[start + 2 :] == 0) + (start + 2)
    last, second = signs[zeros - 1].astype(np.int64), signs[zeros - 2].astype(np.int64)
    long = second > 127  # the length takes two bytes
    begins = zeros - 2 - long
    ends = zeros + np.where(long, (last << 7) + second - 128, last)
    heads = signs[begins]
    usual = (heads & 0xF5 == 0x30) & (last < 128) & (begins >= start) & (ends <= len(buffer))
    begins, ends, bodies, heads = begins[usual], ends[usual], zeros[usual], heads[usual]
    chosen = _chain(begins, ends, start)[: max(0, limit - len(into.mids))]
    begins, ends, bodies, asked = begins[chosen], ends[chosen], bodies[chosen], (heads[chosen] & 2) != 0
    names = bodies + 2
    texts = names + signs[np.minimum(bodies + 1, len(signs) - 1)]
    safe = np.minimum(texts, len(signs) - 2)  # a packet identifier may be the buffer's last two bytes
    mids = np.where(asked, signs[safe].astype(np.int64) << 8 | signs[safe + 1], 0)
    payloads = texts + 2 * asked
    sound = (texts > names) & ((mids > 0) | ~asked)
    if with_properties:
        sound &= signs[np.minimum(payloads, len(signs) - 1)] == 0
        payloads = payloads + 1
    sound &= payloads <= ends
    count = len(sound) if sound.all() else int(np.argmin(sound))
    if not count:
        return start
    name, text, payload, end = (places[:count].tolist() for places in (names, texts, payloads, ends))
    into.topics.extend([buffer[a:b] for a, b in zip(name, text, strict=True)])
    into.payloads.extend([buffer[a:b] for a, b in zip(payload, end, strict=True)])
    into.mids.extend(mids[:count].tolist())
    return int(end[-1])


def _chain(begins: NDArray[np.int64], ends: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    """Which of some stretches, in order of their beginning, follow each other without a gap from a place on."""
    if len(begins) and begins[0] == start and (begins[1:] == ends[:-1]).all():
        return np.arange(len(begins))
    places = dict(zip(begins.tolist(), range(len(begins)), strict=True))
    after = ends.tolist()
    found: list[int] = []
    here = places.get(start)
    while here is not None:
        found.append(here)
        here = places.get(after[here])
    return np.array(found, dtype=np.int64)


def frame(buffer: bytes, start: int) -> Frame | int | None:
    """Where the packet that begins at a place lies.

    Returns:
        Its frame; or the length the buffer must reach before it can be whole; or None for a length against the rules.
    """
    length = 0
    for count in range(4):
        at = start + 1 + count
        if at >= len(buffer):
            return at + 1
        length |= (buffer[at] & 127) << 7 * count
        if buffer[at] < 128:
            end = at + 1 + length
            return Frame(at + 1, end) if end <= len(buffer) else end
    return None if start + 5 < len(buffer) else start + 6


class PatientClient(Client):
    """A paho client that keeps a packet which a WebSocket has taken only in part.

    Its wrapper then says 0 and asks for the same packet again; paho 2.2 would drop it, and the stream with it.
    """

    def _sock_send(self, buf: bytes | bytearray) -> int:
        sent = super()._sock_send(buf)
        if not sent and buf:
            self._call_socket_register_write()
            raise BlockingIOError
        return sent


class BulkClient(PatientClient):
    """A paho client whose `loop_read` reads all that waits and delivers PUBLISH packets by the list."""

    def __init__(self, *arguments: Any, on_publishes: Callable[[Publishes], None], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._on_publishes = on_publishes
        self._with_properties = self._protocol == MQTTProtocolVersion.MQTTv5
        self._held = bytearray()
        self._enough = 0
        self.waiting = False
        """Whether bytes that were read already may hold whole packets."""
        self.drained = False
        """Whether the last read took all that the socket had."""

    def reconnect(self) -> MQTTErrorCode:
        """See paho; bytes of the connection before are forgotten."""
        self.forget()
        return super().reconnect()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read once and deliver what is whole, at most `max_packets` messages; the rest stays `waiting`."""
        if self._sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        self.drained = False
        if not self.waiting:
            try:
                data = self._receive()
            except BlockingIOError:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            except OSError:
                return self._lost(MQTTErrorCode.MQTT_ERR_CONN_LOST)
            if not data:
                return self._lost(MQTTErrorCode.MQTT_ERR_CONN_LOST)
            self._note_contact()
            if self._held:
                self._held += data
                if len(self._held) < self._enough:
                    return MQTTErrorCode.MQTT_ERR_SUCCESS
                data = bytes(self._held)
        else:
            data = bytes(self._held)
        return self._walk(data, limit=max_packets)

    def acknowledge(self, mids: Sequence[int]) -> None:
        """Send the PUBACK of many messages (QoS 1) in one piece, in their order; those with 0 need none."""
        asked = np.array(mids, dtype=">u2")
        packets = np.full((np.count_nonzero(asked), 2), _PUBACK, dtype=">u2")
        packets[:, 1] = asked[asked > 0]
        if len(packets):
            self._packet_queue(MessageType.PUBACK, packets.tobytes(), int(packets[-1, 1]), 1)

    def _receive(self) -> bytes:
        """What the socket has, up to a bound; only of a plain one is it known when that is all."""
        pieces = [self._sock_recv(READ_BYTES)]
        if type(self._sock) is not socket.socket:
            return pieces[0]
        with contextlib.suppress(OSError):  # what is wrong with the link shows at the next read
            while len(pieces[-1]) == READ_BYTES and len(pieces) < READS_AT_ONCE:
                pieces.append(self._sock_recv(READ_BYTES))
        self.drained = 0 < len(pieces[-1]) < READ_BYTES
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _walk(self, buffer: bytes, *, limit: int) -> MQTTErrorCode:
        at, room = 0, limit
        while True:
            found = Publishes([], [], [])
            at = gather(buffer, at, into=found, limit=room, with_properties=self._with_properties)
            if found.mids:
                room -= len(found.mids)
                self._on_publishes(found)
            if at == len(buffer):
                self.forget()
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            if room <= 0:
                self._hold(buffer, at, enough=0)
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            lies = frame(buffer, at)
            if isinstance(lies, int):
                self._hold(buffer, at, enough=lies - at)
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            if lies is None:
                return self._lost(MQTTErrorCode.MQTT_ERR_PROTOCOL)
            if (code := self._hand_over(buffer, at, lies)) > 0:
                return self._lost(code)
            at = lies.end
            room -= 1
            if self._sock is None:  # the packet ended the connection
                self.forget()
                return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _hand_over(self, buffer: bytes, at: int, lies: Frame) -> MQTTErrorCode:
        """Let paho handle a packet as if it had read it itself."""
        length = lies.end - lies.body
        self._in_packet = {
            "command": buffer[at],
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": length,
            "packet": bytearray(buffer[lies.body : lies.end]),
            "to_process": 0,
            "pos": 0,
        }
        try:
            return self._packet_handle()
        except MalformedPacket:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _hold(self, buffer: bytes, at: int, *, enough: int) -> None:
        self._held = bytearray(buffer[at:])
        self._enough = enough
        self.waiting = enough == 0

    def forget(self) -> None:
        """Let go of bytes that were read and not delivered."""
        self._held = bytearray()
        self._enough = 0
        self.waiting = False

    def _lost(self, code: MQTTErrorCode) -> MQTTErrorCode:
        self.forget()
        return self._loop_rc_handle(code)

    def _note_contact(self) -> None:
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
