"""Settings of a broker: where it is, how to speak with it, and what would lose messages."""

from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class Protocol(StrEnum):
    """Version of MQTT spoken with the broker."""

    V311 = "3.1.1"
    V5 = "5"


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReadPath(StrEnum):
    """How messages are read from the wire."""

    FAST = "fast"
    """In bulk, whole buffers at a time; needs a version of paho-mqtt that it is proved with, else it falls back."""
    PAHO = "paho"
    """By paho's own loop, a callback per message."""


class TlsSettings(_Settings):
    """Encryption of the link to the broker, and proof of who is at each end."""

    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authority that signed the broker's certificate; default: the system's.",
    )
    certificate_file: Path | None = Field(default=None, description="PEM certificate of this client, for mutual TLS.")
    key_file: Path | None = Field(default=None, description="PEM key of this client, for mutual TLS.")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: give both for mutual TLS, or neither")
        return self


class BrokerSettings(_Settings):
    """Where the MQTT broker is and how to speak with it."""

    host: str = Field(default="127.0.0.1", min_length=1, description="Host name or address of the broker.")
    port: int = Field(default=1883, ge=1, le=65535, description="TCP port; 8883 is usual with TLS.")
    fallbacks: tuple[str, ...] = Field(
        default=(),
        description="Further addresses `host:port`, tried in turn when one cannot be reached. They must share their "
        "sessions (a cluster, or a pair on one storage): what waits at a broker that is away is not at another one.",
    )
    websocket_path: str = Field(
        default="",
        description="Path such as `/mqtt` to speak MQTT over WebSockets (with `tls`: wss); empty: plain MQTT.",
    )
    shared_group: str = Field(
        default="",
        description="Name of a group of ingestors that share the messages (`$share/<name>/...`), each with a client id "
        "of its own; empty: this ingestor gets all. Order of a machine's messages then holds only within one process.",
    )
    read_path: ReadPath = Field(
        default=ReadPath.FAST,
        description="fast (in bulk) or paho (one by one, at many times the cost), should fast ever misbehave.",
    )
    protocol: Protocol = Field(
        Protocol.V311,
        description="MQTT version. 5 adds session expiry and receive maximum, where the broker speaks it.",
    )
    qos: int = Field(
        default=1,
        description="Quality of service asked of the broker, 1 or 2. 2 costs twice the packets; what it spares, "
        "redeliveries, the store recognises anyway where messages carry a device time.",
    )
    username: str = Field(default="", description="User name at the broker; empty: anonymous.")
    password_file: Path | None = Field(
        default=None, description="File whose first line is the password. Preferred over the environment."
    )
    password: SecretStr | None = Field(
        default=None, description="Password; only ever set from the environment, never written in a file of settings."
    )
    tls: TlsSettings | None = Field(
        default=None,
        description="Encrypts the link; default: plain TCP, right only on loopback or a protected network.",
    )
    client_id: str = Field(
        default="linewright-ingest",
        description="Names this ingestor's session at the broker. Must be the same at each start: "
        "the broker keeps messages for it while it is away.",
    )
    keepalive_s: int = Field(
        default=30,
        ge=5,
        le=3600,
        description="Silence after which the link is probed [s]; twice this finds a dead link.",
    )
    embedded: bool = Field(
        False,
        description="Start the broker that comes with Linewright, on loopback. For demos: it loses all on a restart.",
    )
    session_expiry_s: int = Field(
        default=7 * 86_400,
        ge=60,
        le=2**32 - 2,
        description="How long the broker keeps messages for an absent ingestor [s], MQTT 5; "
        "with 3.1.1 the broker's own setting rules.",
    )
    receive_maximum: int = Field(
        default=10_000,
        ge=1,
        le=65_535,
        description="Unacknowledged messages the broker may hand out, MQTT 5; brokers default to 20 to 1,000.",
    )
    max_payload_bytes: int = Field(
        default=4_000_000, ge=1_024, le=268_435_455, description="Larger messages go to quarantine undecoded [byte]."
    )
    reconnect_min_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="First wait before trying an absent broker again [s]; doubles, with jitter.",
    )
    reconnect_max_s: float = Field(
        default=30.0, gt=0, le=3600, description="Longest wait before trying an absent broker again [s]."
    )

    @model_validator(mode="before")
    @classmethod
    def _kept(cls, given: Any) -> Any:
        """Say why there is no such switch, where one is looked for."""
        asked = [key for key in ("clean_session", "clean_start") if isinstance(given, dict) and key in given]
        if asked:
            raise ValueError(
                f"{asked[0]} is not there to choose: with a clean session the broker forgets what is published while "
                "the ingestor is away, so its session is always kept; remove the key"
            )
        return given

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.qos not in (1, 2):
            raise ValueError(
                f"qos {self.qos} must be 1 or 2: with 0 the broker sends a message once and forgets it, so what is on "
                "its way when a link or a process ends would be lost"
            )
        if not self.client_id.strip():
            raise ValueError(
                "client_id is empty: the broker would invent a new session at each start and messages sent while "
                "the ingestor is away would be lost; give it a fixed name such as 'linewright-ingest'"
            )
        if any(sign in self.client_id for sign in "{}$%*"):
            raise ValueError(
                f"client_id {self.client_id!r} looks like a pattern that changes from start to start; with QoS 1 the "
                "session must be found again, so give it a fixed name such as 'linewright-ingest'"
            )
        if self.embedded and (self.protocol is not Protocol.V311 or self.tls is not None or self.username):
            raise ValueError(
                "the embedded broker speaks plain MQTT 3.1.1 on loopback only: "
                "remove protocol, tls and username, or set embedded = false"
            )
        if self.embedded and (self.fallbacks or self.websocket_path):
            raise ValueError("the embedded broker has one address without WebSockets: remove fallbacks, websocket_path")
        for each in self.fallbacks:
            host, _, port = each.rpartition(":")
            if not host or not port.isdigit() or not 1 <= int(port) <= 65_535:
                raise ValueError(f"fallbacks: {each!r} is not host:port, such as 'broker-b:8883'")
        if self.websocket_path and not self.websocket_path.startswith("/"):
            raise ValueError(f"websocket_path {self.websocket_path!r} must begin with a slash, such as '/mqtt'")
        if any(sign in self.shared_group for sign in "/+#"):
            raise ValueError(f"shared_group {self.shared_group!r} must hold none of / + #")
        if (self.password_file is not None or self.password is not None) and not self.username:
            raise ValueError("a password is given but no username: MQTT sends a password only with a user name")
        if self.reconnect_max_s < self.reconnect_min_s:
            raise ValueError("reconnect_max_s is below reconnect_min_s")
        return self

    @property
    def address(self) -> str:
        """`host:port`, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def choices(self) -> "tuple[BrokerSettings, ...]":
        """These settings for each address, in the order to try."""
        further = (each.rpartition(":") for each in self.fallbacks)
        copies = (self.model_copy(update={"host": host.strip("[]"), "port": int(port)}) for host, _, port in further)
        return (self, *copies)


MAIN: Final = "main"
"""How the broker of the section [broker] is called beside others."""


class NamedBroker(BrokerSettings):
    """A further broker, beside that of [broker]."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]*$",
        max_length=40,
        description="What mappings, ledger and status call it: lower-case letters, digits, `_` and `-`.",
    )

    @model_validator(mode="after")
    def _further(self) -> Self:
        if self.name == MAIN:
            raise ValueError(f"name {MAIN!r} means the broker of the section [broker]; choose another")
        if self.embedded:
            raise ValueError("embedded belongs to [broker]; a further broker is one that runs elsewhere")
        return self
