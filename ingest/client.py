"""Making MQTT clients from settings, and saying in plain words why a broker cannot be reached."""

import logging
import random
import socket
import ssl
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, Literal

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.broker_settings import BrokerSettings, Protocol, ReadPath
from ingest.exact import BulkSessionClient, SessionClient
from ingest.wire import PatientClient, Publishes, fast_read_problem
from plant.errors import ConfigError, Fault

log = logging.getLogger(__name__)

_PROTOCOLS: Final = {Protocol.V311: MQTTProtocolVersion.MQTTv311, Protocol.V5: MQTTProtocolVersion.MQTTv5}


class Session(StrEnum):
    """What the broker does for a client that is away."""

    KEPT = "kept"
    """It keeps the client's messages."""
    CLEAN = "clean"
    """It forgets the client, as Sparkplug wants it for its hosts."""


def session_client(
    broker: BrokerSettings, *, on_publishes: Callable[[Publishes], None], session: Session = Session.KEPT
) -> SessionClient | BulkSessionClient:
    """A client that acknowledges only when told to, and whose session the broker keeps while it is away, or not.

    It reads in bulk and calls `on_publishes`, or is paho's own where the settings say so or its version is another.
    """
    options: dict[str, Any] = {
        "client_id": broker.client_id,
        "clean_session": None if broker.protocol is Protocol.V5 else session is Session.CLEAN,
        "protocol": _PROTOCOLS[broker.protocol],
        "transport": _transport(broker),
        "manual_ack": True,
        "reconnect_on_failure": False,  # else paho falls back to MQTT 3.1 by itself; reconnecting is the link's task
    }
    problem = fast_read_problem() if broker.read_path is ReadPath.FAST else ""
    if problem:
        log.warning("fast_read_unavailable", extra={"detail": problem})
    client: SessionClient | BulkSessionClient
    if broker.read_path is ReadPath.FAST and not problem:
        client = BulkSessionClient(CallbackAPIVersion.VERSION2, on_publishes=on_publishes, **options)
    else:
        client = SessionClient(CallbackAPIVersion.VERSION2, **options)
    _secure(client, broker)
    return client


def passing_client(broker: BrokerSettings, *, client_id: str, window: int) -> Client:
    """A client for publishing: no session at the broker; `window` messages may be unacknowledged at a time."""
    client = _plain_kind(broker)(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if broker.protocol is Protocol.V5 else True,
        protocol=_PROTOCOLS[broker.protocol],
        transport=_transport(broker),
    )
    client.max_inflight_messages_set(window)
    client.reconnect_delay_set(1, max(1, min(5, round(broker.reconnect_max_s))))  # whole seconds, never 0
    _secure(client, broker)
    return client


def session_properties(broker: BrokerSettings, *, session: Session = Session.KEPT) -> Properties | None:
    """What MQTT 5 lets a client ask of its session; None for 3.1.1."""
    if broker.protocol is not Protocol.V5:
        return None
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
    properties.SessionExpiryInterval = broker.session_expiry_s if session is Session.KEPT else 0
    properties.ReceiveMaximum = broker.receive_maximum
    return properties


def explain(error: BaseException | ReasonCode | str) -> str:
    """Why a connection failed, in a few words.

    >>> explain(ConnectionRefusedError(111, "Connection refused"))
    'refused'
    """
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, socket.gaierror):
        return "host name unknown"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error}"
    return str(error).lower() if isinstance(error, ReasonCode) else str(error)


def cannot_reach(broker: BrokerSettings, *, why: str, last_contact_s: float | None, retry_s: float | None) -> str:
    """The house's sentence for an absent broker.

    >>> cannot_reach(BrokerSettings(), why="refused", last_contact_s=300, retry_s=30)
    'Cannot reach the broker at 127.0.0.1:1883 (refused; last contact 5 min ago). Is it running? Trying again in 30 s.'
    """
    contact = "no contact yet" if last_contact_s is None else f"last contact {span(last_contact_s)} ago"
    again = "" if retry_s is None else f" Trying again in {span(retry_s)}."
    return f"Cannot reach the broker at {broker.address} ({why}; {contact}). {_advice(why)}{again}"


def span(seconds: float) -> str:
    """A length of time for a person.

    >>> span(0.4), span(30), span(300), span(10_000)
    ('0.4 s', '30 s', '5 min', '2.8 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3600:.1f} h"


class Backoff:
    """Growing waits with jitter, so that many clients do not come back at the same instant."""

    def __init__(self, *, minimum_s: float, maximum_s: float, randomness: random.Random) -> None:
        self._minimum_s = minimum_s
        self._maximum_s = maximum_s
        self._randomness = randomness
        self._failures = 0

    def next_s(self) -> float:
        """The next wait [s]: doubled at each failure up to the maximum, the upper half of it by chance."""
        ceiling = min(self._maximum_s, self._minimum_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return ceiling * self._randomness.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self._failures = 0


def _advice(why: str) -> str:
    if "not authorized" in why or "user name" in why or "password" in why:
        return "Check username and password in [broker] and the broker's access list."
    if "host name" in why:
        return "Check host in [broker]."
    if "TLS" in why or "certificate" in why:
        return "Check [broker.tls] and the broker's port for TLS."
    if "protocol version" in why:
        return "Set protocol in [broker] to a version that the broker speaks."
    if "hung up" in why:
        return "Does it expect TLS, a client certificate or another port? Check [broker]."
    return "Is it running?"


def _plain_kind(broker: BrokerSettings) -> type[Client]:
    return PatientClient if broker.websocket_path else Client


def _transport(broker: BrokerSettings) -> Literal["tcp", "websockets"]:
    return "websockets" if broker.websocket_path else "tcp"


def _secure(client: Client, broker: BrokerSettings) -> None:
    faults = []
    if broker.websocket_path:
        client.ws_set_options(path=broker.websocket_path)
    if broker.username:
        password = broker.password.get_secret_value() if broker.password is not None else None
        if broker.password_file is not None:
            try:
                password = broker.password_file.read_text(encoding="utf-8").splitlines()[0]
            except (OSError, UnicodeDecodeError, IndexError) as error:
                faults.append(
                    _fault(
                        "password_file",
                        broker.password_file,
                        f"must be a readable text file with the password ({error})",
                    )
                )
        client.username_pw_set(broker.username, password)
    if broker.tls is not None:
        try:
            context = ssl.create_default_context(cafile=broker.tls.ca_file)
            if broker.tls.certificate_file is not None:
                context.load_cert_chain(broker.tls.certificate_file, broker.tls.key_file)
            client.tls_set_context(context)
        except OSError as error:  # ssl.SSLError is one
            faults.append(
                _fault("tls", broker.tls, f"its PEM files must exist, be readable and fit together ({error})")
            )
    if faults:
        raise ConfigError(tuple(faults))


def _fault(key: str, found: object, expected: str) -> Fault:
    return Fault(where=f"broker.{key}", found=str(found)[:120], expected=expected)
