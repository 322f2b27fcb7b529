"""Publishing over MQTT with QoS 1: every message is counted, and done only when the broker has acknowledged it."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.broker_settings import BrokerSettings
from ingest.client import cannot_reach, explain, passing_client
from plant.errors import Unavailable

log = logging.getLogger(__name__)

Callback = Callable[[str, bytes], None]


class Publisher:
    """A connection that publishes, and may listen to a few topics.

    A message handed over is kept until the broker acknowledges it, over any number of reconnects, so a caller that got
    `Unavailable` from waiting need not hand it over again. Its network thread runs from `connect` to `close`.
    """

    def __init__(self, broker: BrokerSettings, *, client_id: str, window: int = 500, timeout_s: float = 10.0) -> None:
        """Prepare without connecting.

        Args:
            broker: Where to connect; its client id belongs to the ingestor and is not used.
            client_id: This publisher's own; two connections with one id throw each other out.
            window: Messages that may be unacknowledged at a time.
            timeout_s: How long a call waits for the broker before it raises `Unavailable` [s].
        """
        self._broker = broker
        self._window = window
        self._timeout_s = timeout_s
        self._changed = threading.Condition()
        self._connected = False
        self._last_contact: float | None = None
        self._why = "no answer"
        self._published = 0
        self._acknowledged = 0
        self._callbacks: dict[str, Callback] = {}
        self._choices = broker.choices
        self._choice = 0
        self._client: Client = passing_client(broker, client_id=client_id, window=window)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._started = False

    @property
    def published(self) -> int:
        """Messages handed over so far."""
        return self._published

    @property
    def acknowledged(self) -> int:
        """Messages that the broker has acknowledged so far."""
        return self._acknowledged

    @property
    def connected(self) -> bool:
        """Whether the broker is there right now."""
        return self._connected

    def connect(self, *, timeout_s: float | None = None) -> None:
        """Connect and wait for the broker's welcome.

        Raises:
            Unavailable: No welcome in time. Attempts go on in the background; call again to wait longer.
        """
        if not self._started:
            self._started = True
            self._aim(0)
            self._client.loop_start()
        self._wait_for(lambda: self._connected, timeout_s)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float | None = None) -> None:
        """Publish one message and wait for the broker's acknowledgement of it and of all before it.

        Raises:
            Unavailable: Not acknowledged in time; the message is kept and sent when the broker is back.
        """
        self.send(topic, payload, retain=retain, timeout_s=timeout_s)
        self.flush(timeout_s=timeout_s)

    def send(self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float | None = None) -> None:
        """Hand over one message without waiting for its acknowledgement; waits only while the window is full.

        Raises:
            Unavailable: The window stayed full; the message was not taken, hand it over again.
        """
        self._wait_for(lambda: self._published - self._acknowledged < self._window, timeout_s)
        with self._changed:
            self._published += 1
        result = self._client.publish(topic, payload, qos=1, retain=retain)
        if result.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            with self._changed:
                self._published -= 1
            raise Unavailable(
                f"The message on {topic} could not be queued for the broker at "
                f"{self._broker.address}: {result.rc.name}."
            )

    def publish_many(self, messages: Iterable[tuple[str, bytes]], *, timeout_s: float | None = None) -> int:
        """Publish (topic, payload) pairs in order, as fast as they are acknowledged; how many there were.

        Raises:
            Unavailable: The broker acknowledged nothing for the time allowed.
        """
        before = self._published
        for topic, payload in messages:
            self.send(topic, payload, timeout_s=timeout_s)
        self.flush(timeout_s=timeout_s)
        return self._published - before

    def flush(self, *, timeout_s: float | None = None) -> None:
        """Wait until everything handed over is acknowledged.

        Raises:
            Unavailable: The broker acknowledged nothing for the time allowed; what is open is kept and sent later.
        """
        target = self._published
        self._wait_for(lambda: self._acknowledged >= target, timeout_s)

    def subscribe(self, topic_filter: str, callback: Callback) -> None:
        """Hear a filter from now on, also after reconnects; the callback runs on the network thread.

        Messages published while the connection is down are not heard, but for retained ones.
        """
        self._callbacks[topic_filter] = callback

        def heard(_client: Client, _userdata: Any, message: MQTTMessage) -> None:
            try:
                callback(message.topic, bytes(message.payload))
            except Exception:
                log.exception("callback_failed", extra={"topic": message.topic})

        self._client.message_callback_add(topic_filter, heard)
        if self._connected:
            self._client.subscribe(topic_filter, qos=1)

    def close(self, *, timeout_s: float = 5.0) -> None:
        """Send what is open as far as the time allows, disconnect and end the thread."""
        if not self._started:
            return
        try:
            if self._connected:
                self.flush(timeout_s=timeout_s)
        except Unavailable as error:
            log.warning("messages_left", extra={"messages": self._published - self._acknowledged, "why": str(error)})
        self._client.disconnect()
        self._client.loop_stop()
        self._connected = False
        self._started = False

    def _wait_for(self, done: Callable[[], bool], timeout_s: float | None) -> None:
        """Wait until `done`, for as long as acknowledgements keep coming."""
        if done():
            return
        patience_s = self._timeout_s if timeout_s is None else timeout_s
        with self._changed:
            progress, deadline = self._acknowledged, time.monotonic() + patience_s
            while not done():
                if self._acknowledged > progress:
                    progress, deadline = self._acknowledged, time.monotonic() + patience_s
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    raise Unavailable(self._trouble())
                self._changed.wait(remaining_s)

    def _trouble(self) -> str:
        if self._connected:
            open_messages = self._published - self._acknowledged
            return (
                f"The broker at {self._broker.address} does not acknowledge {open_messages} messages. "
                "Is it overloaded or its disk full?"
            )
        contact_s = None if self._last_contact is None else time.monotonic() - self._last_contact
        return cannot_reach(self._broker, why=self._why, last_contact_s=contact_s, retry_s=None)

    def _on_connect(
        self, client: Client, _userdata: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if not reason.is_failure:
            for topic_filter in tuple(self._callbacks):
                client.subscribe(topic_filter, qos=1)
        with self._changed:
            self._connected = not reason.is_failure
            self._why = explain(reason)
            self._last_contact = time.monotonic()
            self._changed.notify_all()

    def _on_connect_fail(self, _client: Client, _userdata: Any) -> None:
        # paho keeps the error to itself; this callback runs while it is being handled
        error = sys.exc_info()[1]
        if len(self._choices) > 1:
            self._aim(self._choice + 1)
        with self._changed:
            self._why = explain(error) if error is not None else "no answer"

    def _aim(self, choice: int) -> None:
        """Choose the address that the next attempt to connect goes to."""
        self._choice = choice % len(self._choices)
        here = self._choices[self._choice]
        self._client.connect_async(here.host, here.port, here.keepalive_s)

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: Any,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if len(self._choices) > 1 and reason.is_failure:
            self._aim(0 if self._connected else self._choice + 1)
        with self._changed:
            if self._connected:
                self._last_contact = time.monotonic()
                self._why = "connection lost" if reason.is_failure else "disconnected"
            self._connected = False
            self._changed.notify_all()

    def _on_publish(
        self, _client: Client, _userdata: Any, _mid: int, _reason: ReasonCode, _properties: Properties
    ) -> None:
        with self._changed:
            self._acknowledged += 1
            self._last_contact = time.monotonic()
            self._changed.notify_all()
