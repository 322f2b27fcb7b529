"""The ingestor's connection: one thread, acknowledgements only when told to, a session kept or (Sparkplug) clean."""

import contextlib
import itertools
import logging
import os
import random
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.broker_settings import BrokerSettings
from ingest.broker_settings import Protocol as Mqtt
from ingest.client import Backoff, Session, cannot_reach, explain, session_client, session_properties, span
from ingest.exact import BulkSessionClient, SessionClient
from ingest.wire import BulkClient, Publishes

log = logging.getLogger(__name__)

WELCOME_S: Final = 10.0
"""Longest wait for the broker's CONNACK [s]."""
SHORT_LIFE_S: Final = 5.0
"""A connection lost sooner than this after its welcome did not last: the next waits go on growing [s]."""


class Token(NamedTuple):
    """What is needed to acknowledge messages that were read together, and when they may no longer be."""

    generation: int
    """Connection on which they came; on a later one the broker delivers them again."""
    mids: list[int]
    """0: needs no acknowledgement."""
    qos: int


class Outgoing(NamedTuple):
    """A message to publish."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Presence(Protocol):
    """Who is announced at the broker, in a session that is clean each time."""

    def will(self) -> Outgoing | None:
        """What the broker publishes when the next connection is lost."""

    def greeting(self) -> Sequence[Outgoing]:
        """What is published on each new connection, once subscribed."""

    def goodbye(self) -> Sequence[Outgoing]:
        """What is published before leaving."""


class Link:
    """Connects, reconnects with jittered waits, reads and acknowledges; everything happens inside its methods' calls.

    It writes one log line when the broker goes and one when it is back.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        *,
        subscriptions: Sequence[str],
        on_publishes: Callable[[Publishes], None],
        randomness: random.Random,
        presence: Presence | None = None,
    ) -> None:
        """Prepare without connecting.

        Args:
            broker: Where to connect.
            subscriptions: Topic filters.
            on_publishes: Receives what was read.
            randomness: Jitter of waits.
            presence: Announced while connected, the session then being clean; None: the session is kept.

        Raises:
            ConfigError: Password or TLS files that cannot be used.
        """
        self._broker = broker
        self._choices = broker.choices
        self._choice = 0
        self._share = f"$share/{broker.shared_group}/" if broker.shared_group else ""
        self._subscriptions = tuple(self._share + each for each in subscriptions)
        self._left: tuple[str, ...] = ()
        self._deliver = on_publishes
        self._presence = presence
        self._session = Session.KEPT if presence is None else Session.CLEAN
        self._client = self._new_client()
        self._randomness = randomness
        self._backoff = Backoff(
            minimum_s=broker.reconnect_min_s, maximum_s=broker.reconnect_max_s, randomness=randomness
        )
        self._generation = 0
        self._session_began = 0
        self._arrived = 0
        self._tokens: list[Token] = []
        self._closing = False
        self._trying_until: float | None = None
        self._asked: dict[int, tuple[str, ...]] = {}
        self._away_said = False
        self._away_since: float | None = None
        self._last_contact: float | None = None
        self.connected = False
        """Whether the broker has welcomed this connection."""
        self.connected_at: float | None = None
        """Monotonic time of the welcome [s]."""
        self.retry_at = 0.0
        """Monotonic time of the next attempt to connect [s]."""
        self.trouble = ""
        """The sentence about an absent broker; empty while it is there."""
        self.refused: tuple[str, ...] = ()
        """Filters that the broker would not let this client subscribe."""

    def leave(self, subscriptions: Sequence[str]) -> None:
        """Have the broker forget filters of the session, at the next welcome."""
        self._left = tuple(self._share + each for each in subscriptions)

    def connect_if_due(self) -> None:
        """Try an absent broker again, once its wait is over."""
        if self.connected:
            return
        now = time.monotonic()
        if self._trying_until is not None:
            if now > self._trying_until:
                self._drop("no answer to CONNECT")
            return
        if now < self.retry_at:
            return
        self._trying_until = now + WELCOME_S
        try:
            here = self._here
            options: dict[str, Any] = {}
            if here.protocol is Mqtt.V5:
                clean = self._session is Session.CLEAN
                options = {"clean_start": clean, "properties": session_properties(here, session=self._session)}
            if self._presence is not None:
                self._client = self._new_client()  # what the last one had not sent yet is void
                if (will := self._presence.will()) is not None:
                    self._client.will_set(will.topic, will.payload, qos=will.qos, retain=will.retain)
            self._client.connect(here.host, here.port, here.keepalive_s, **options)
        except (OSError, UnicodeError) as error:
            self._gone(explain(error))

    @property
    def address(self) -> str:
        """The broker that is connected, or tried next."""
        return self._here.address

    @property
    def _here(self) -> BrokerSettings:
        return self._choices[self._choice]

    @property
    def open(self) -> bool:
        """Whether there is a socket to wait on."""
        return self._client.socket() is not None

    def read(self, timeout_s: float, *, room: Callable[[], int]) -> int:
        """Wait for bytes up to `timeout_s` [s], then read until none wait or there is no `room`; messages read."""
        sock: Any = self._client.socket()
        if sock is None:
            return 0
        pending = getattr(sock, "pending", None)  # a TLS socket may hold decrypted bytes that select cannot see
        ready = bool(getattr(self._client, "waiting", False) or (pending is not None and pending()))
        writing = [sock] if self._client.want_write() else []
        readable, writable, _ = select.select([sock], writing, [], 0.0 if ready else timeout_s)
        before = self._arrived
        if readable or ready:
            while (left := room()) > 0:
                last = self._arrived
                code = self._client.loop_read(left)
                if code != MQTTErrorCode.MQTT_ERR_SUCCESS or self._arrived == last or self._drained():
                    break
            if self.connected:
                self._last_contact = time.monotonic()
        if writable:
            self._client.loop_write()
        self._client.loop_misc()
        return self._arrived - before

    def _drained(self) -> bool:
        """Whether it is known that no bytes wait: then the socket need not be asked once more."""
        return isinstance(self._client, BulkClient) and self._client.drained and not self._client.waiting

    def acknowledge(self, tokens: Sequence[Token]) -> None:
        """Acknowledge messages in the order they came; those of an earlier connection will be delivered again."""
        lists = [token.mids for token in tokens if token.qos < 2 and token.generation == self._generation]
        mids = list(itertools.chain.from_iterable(lists))
        if isinstance(self._client, BulkClient):
            if mids and self.connected:
                self._client.acknowledge(mids)
        elif self.connected:
            for mid in filter(None, mids):
                self._client.ack(mid, 1)
        for token in tokens:
            if token.qos == 2 and token.generation >= self._session_began:
                here = self.connected and token.generation == self._generation
                for mid in token.mids:
                    self._client.settle(mid, here=here)

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Send messages on the present connection; without one they are void."""
        if self.connected:
            for topic, payload, qos, retain in messages:
                self._client.publish(topic, payload, qos=qos, retain=retain)

    def take_tokens(self) -> tuple[Token, ...]:
        """What acknowledges all messages read since the last call."""
        taken, self._tokens = tuple(self._tokens), []
        return taken

    def close(self, *, timeout_s: float = 3.0) -> None:
        """Send what waits, say goodbye and keep the session."""
        self._closing = True
        deadline = time.monotonic() + timeout_s
        last: socket.socket | None = None
        if self.connected and (sock := self._client.socket()) is not None:
            last = socket.socket(fileno=os.dup(sock.fileno()))
            if self._presence is not None:
                self.publish(self._presence.goodbye())
            self._client.disconnect()
        while (sock := self._client.socket()) is not None and time.monotonic() < deadline:
            if not self._client.want_write():
                break
            select.select([], [sock], [], 0.1)
            self._client.loop_write()
        self.connected = False
        self._shut()
        if last is not None:
            _drain(last, deadline=deadline)

    def _new_client(self) -> SessionClient | BulkSessionClient:
        client = session_client(self._broker, on_publishes=self._on_publishes, session=self._session)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _on_publishes(self, found: Publishes) -> None:
        self._arrived += len(found.mids)
        self._tokens.append(Token(self._generation, found.mids, 1))
        self._deliver(found)

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        """A message that paho itself has read: each on the plain path, unusual ones on the other."""
        self._arrived += 1
        self._tokens.append(Token(self._generation, [message.mid], message.qos))
        self._deliver(Publishes([_topic_of(message)], [bytes(message.payload)], [message.mid], message.retain))

    def _on_connect(
        self,
        client: Client,
        _userdata: Any,
        flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._gone(explain(reason))
            return
        now = time.monotonic()
        had_session = self._generation > 0
        self._generation += 1
        if not flags.session_present:
            self._session_began = self._generation
        self._client.welcome(session_kept=flags.session_present)
        self.connected, self.connected_at, self._last_contact = True, now, now
        self._trying_until, self.trouble, self.refused = None, "", ()
        if self._left:
            client.unsubscribe(list(self._left))
        if self._subscriptions:
            _, mid = client.subscribe([(each, self._broker.qos) for each in self._subscriptions])
            if mid is not None:
                self._asked[mid] = self._subscriptions
        if self._presence is not None:
            self.publish(self._presence.greeting())
        away = {} if self._away_since is None else {"away_s": round(now - self._away_since, 1)}
        log.info("broker_connected", extra={"broker": self.address, "session_kept": flags.session_present, **away})
        self._away_said, self._away_since = False, None
        if had_session and not flags.session_present and self._session is Session.KEPT:
            log.warning("session_lost", extra={"broker": self.address, "detail": _SESSION_LOST})

    def _on_subscribe(
        self, _client: Client, _userdata: Any, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        asked = self._asked.pop(mid, ())
        self.refused = tuple(each for each, reason in zip(asked, reasons, strict=False) if reason.is_failure)
        if self.refused:
            detail = (
                f"The broker at {self.address} refuses the subscription to {', '.join(self.refused)}. "
                f"Allow client {self._broker.client_id!r} to read there in the broker's access list."
            )
            log.error("subscription_refused", extra={"filters": self.refused, "detail": detail})

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: Any,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not self._closing:
            why = "connection lost" if self.connected else "it hung up before its welcome"
            self._gone(explain(reason) if flags.is_disconnect_packet_from_server else why)

    def _drop(self, why: str) -> None:
        self._shut()
        self._gone(why)

    def _shut(self) -> None:
        sock = self._client.socket()
        if isinstance(self._client, BulkClient):
            self._client.forget()
        if sock is not None:
            sock.close()
            self._client.loop_read()  # lets the client notice

    def _gone(self, why: str) -> None:
        if not self.connected and self._trying_until is None:
            return  # already known; paho reports a refused CONNACK twice
        now = time.monotonic()
        was_connected = self.connected
        if was_connected:
            self._away_since = now
            lived_s = now - (self.connected_at or now)
            if lived_s > SHORT_LIFE_S:
                self._backoff.reset()
            else:
                why += f" after {span(lived_s)}; does another client use the id {self._broker.client_id!r}?"
        self.connected, self._trying_until = False, None
        tried = self._here
        self._choice = 0 if was_connected else (self._choice + 1) % len(self._choices)
        another = self._choice > 0
        wait_s = self._randomness.uniform(0, self._broker.reconnect_min_s) if another else self._backoff.next_s()
        self.retry_at = now + wait_s
        contact_s = None if self._last_contact is None else now - self._last_contact
        self.trouble = cannot_reach(tried, why=why, last_contact_s=contact_s, retry_s=wait_s)
        if not self._away_said:
            self._away_said = True
            log.warning("broker_away", extra={"broker": tried.address, "detail": self.trouble})


def _topic_of(message: MQTTMessage) -> bytes:
    try:
        return message.topic.encode("utf-8")
    except UnicodeDecodeError:
        return b"\xff"  # as little UTF-8 as it was


def _drain(sock: socket.socket, *, deadline: float) -> None:
    """Read what still comes until the broker hangs up.

    A socket closed over unread bytes resets the connection, and the broker then throws away acknowledgements that it
    has not read yet: it would deliver all those messages again.
    """
    with sock, contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while (left_s := deadline - time.monotonic()) > 0:
            sock.settimeout(left_s)
            if not sock.recv(65_536):
                break


_SESSION_LOST: Final = (
    "The broker kept no session for this client while it was away: messages published meanwhile may be lost. "
    "Give the broker persistence (deploy/mosquitto.conf) and a queue sized for the longest outage."
)
