"""The broker that comes with Linewright: for demos and first steps, on loopback only.

It is rumqttd in the `iotcore` wheel, run as a child process. Its limits, measured: it keeps nothing over its own
restart, it has no access list, killing the subscriber under load lost messages in 3 of 4 runs (Mosquitto with
`deploy/mosquitto.conf`: none), it drops payloads over its limit without a word to the publisher, disconnects a client
that acknowledges out of order, and handles about a third of Mosquitto's rate. Point a real plant at Mosquitto or EMQX.
"""

import logging
import threading
from types import TracebackType
from typing import Final, Self

from iotcore import Broker

from plant.errors import Unavailable

log = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
MAX_PAYLOAD_BYTES: Final = 4_000_000
"""Its default of 20,480 would drop larger messages without a word."""
MAX_INFLIGHT: Final = 1_000
"""Unacknowledged messages it hands out to a subscriber."""


class EmbeddedBroker:
    """An MQTT 3.1.1 broker on loopback, from `start` to `stop`; it also ends with this process."""

    def __init__(self, *, port: int = 1883) -> None:
        self.port = port
        self._broker = Broker(
            port=port,
            listen=LOOPBACK,
            max_payload_size=MAX_PAYLOAD_BYTES,
            max_inflight_count=MAX_INFLIGHT,
        )

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return bool(self._broker.is_running)

    def start(self) -> None:
        """Start it and wait until it accepts connections.

        Raises:
            Unavailable: The port is taken, or it did not come up.
        """
        try:
            self._broker.start()
        except OSError as error:
            raise Unavailable(
                f"The embedded broker cannot listen at {LOOPBACK}:{self.port} ({error.strerror or error}). "
                "Another broker may run there: stop it, choose another broker.port, or set broker.embedded = false."
            ) from error
        except RuntimeError as error:
            raise Unavailable(f"The embedded broker at {LOOPBACK}:{self.port} did not come up ({error}).") from error
        log.info("broker_started", extra={"address": f"{LOOPBACK}:{self.port}"})

    def stop(self) -> None:
        """Stop it; what it still held is lost."""
        if self.running:
            self._broker.stop()
            log.info("broker_stopped", extra={"address": f"{LOOPBACK}:{self.port}"})

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set.

        Raises:
            Unavailable: It could not start, or its process ended by itself.
        """
        with self:
            while not stop.wait(0.5):
                if not self.running:
                    raise Unavailable(f"The embedded broker at {LOOPBACK}:{self.port} ended by itself; start it again.")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
