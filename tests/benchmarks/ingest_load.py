"""Load for the ingest benchmark: a plant of presses, messages of many sizes, and a publisher that is cheap enough.

The publisher writes MQTT 3.1.1 packets by hand and counts acknowledgements by their four bytes, so that it takes
less of a core than the broker; nothing here is part of the product.
"""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Final

from ingest.settings import MappingSettings, TimeUnit
from plant.assets import Line, Machine, MachineClass, Plant, Signal
from plant.quantities import Quantity

MACHINES: Final = 40
FILTER: Final = "acme/linz/hall1/L1/+/telemetry"
MAPPING: Final = MappingSettings(time_field="timestamp_us", time_unit=TimeUnit.US)
WINDOW: Final = 4_000
"""Messages that may be unacknowledged to the publisher."""
BURST: Final = 250


def plant_of(fields: int) -> Plant:
    """A line of presses, each with so many signals."""
    press = MachineClass(
        name="press",
        signals=tuple(Signal(name=f"vibration_{n:02d}", quantity=Quantity.VIBRATION) for n in range(fields)),
    )
    machines = tuple(
        Machine(name=f"press{n:02d}", label=f"Press {n}", line="L1", machine_class="press") for n in range(MACHINES)
    )
    return Plant(
        enterprise="acme",
        site="linz",
        timezone="Europe/Vienna",
        currency="EUR",
        lines=(Line(name="L1", label="Line 1", area="hall1", machines=machines),),
        classes=(press,),
    )


def packets(count: int, *, fields: int, stamp_us: Callable[[], int] | None = None) -> Iterator[bytes]:
    """PUBLISH packets with QoS 1; device times follow each other from now on, or are taken when a packet is made."""
    start_us = time.time_ns() // 1_000
    names = [f'"vibration_{n:02d}":' for n in range(fields)]
    for number in range(count):
        at_us = start_us + number if stamp_us is None else stamp_us()
        head = b"acme/linz/hall1/L1/press%02d/telemetry" % (number % MACHINES)
        body = ",".join(f"{name}{(number * 7 + n) % 1000 / 16}" for n, name in enumerate(names))
        payload = f'{{"timestamp_us":{at_us},{body}}}'.encode()
        length = 2 + len(head) + 2 + len(payload)
        size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
        yield b"\x32" + size + struct.pack(">H", len(head)) + head + struct.pack(">H", number % 65_535 + 1) + payload


def publish(port: int, count: int, *, fields: int, rate_per_s: float = 0.0) -> float:
    """Publish so many messages, as fast as acknowledged or at a rate; returns the wall time [s].

    At a rate each message is stamped when it is sent.
    """
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04load")
        if sock.recv(4, socket.MSG_WAITALL) != b"\x20\x02\x00\x00":
            raise ConnectionError("the broker did not welcome the load")
        started = time.perf_counter()
        if rate_per_s:
            _paced(sock, count, fields=fields, rate_per_s=rate_per_s)
        else:
            _saturating(sock, count, fields=fields)
        return time.perf_counter() - started


def _saturating(sock: socket.socket, count: int, *, fields: int) -> None:
    burst: list[bytes] = []
    sent = acknowledged = 0
    for packet in packets(count, fields=fields):
        burst.append(packet)
        if len(burst) == BURST:
            sock.sendall(b"".join(burst))
            sent, burst = sent + len(burst), []
            while sent - acknowledged > WINDOW:
                acknowledged += len(sock.recv(65_536)) / 4
    sock.sendall(b"".join(burst))
    while acknowledged < count:
        acknowledged += len(sock.recv(65_536)) / 4


def _paced(sock: socket.socket, count: int, *, fields: int, rate_per_s: float) -> None:
    sent = acknowledged = 0
    made = packets(count, fields=fields, stamp_us=_strictly_now())
    sock.setblocking(False)
    started = time.perf_counter()
    while acknowledged < count:
        due = min(count, int((time.perf_counter() - started) * rate_per_s) + 1)
        if due > sent:
            sock.setblocking(True)
            sock.sendall(b"".join(next(made) for _ in range(due - sent)))
            sock.setblocking(False)
            sent = due
        try:
            acknowledged += len(sock.recv(65_536)) / 4
        except BlockingIOError:
            time.sleep(0.001)


def _strictly_now() -> Callable[[], int]:
    last = 0

    def now_us() -> int:
        nonlocal last
        last = max(last + 1, time.time_ns() // 1_000)
        return last

    return now_us
