"""Settings of the way from wire to batch: broker, mappings, batching."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from ingest.sparkplug.settings import SparkplugSettings, topic_faults
from ingest.templates import name_faults, template_faults
from plant.quantities import UNITS

MappedUnit = Annotated[str, Field(min_length=1)]


class Protocol(StrEnum):
    """Version of MQTT spoken with the broker."""

    V311 = "3.1.1"
    V5 = "5"


class TimeUnit(StrEnum):
    """How a message writes its device time."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"
    ISO = "iso"
    """ISO 8601 text with a zone, e.g. `2026-11-22T14:20:00Z`."""
    NONE = "none"
    """Messages carry no device time: the time of reception stands in, and they are not deduplicable."""


class TextNumbers(StrEnum):
    """What becomes of a number that a message writes as text, such as "2.1"."""

    CONVERT = "convert"
    REJECT = "reject"


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


class MessageFormat(StrEnum):
    """How messages are written."""

    JSON = "json"
    """Objects with a field per signal, or arrays of them, or metrics with a name and a value."""
    UNS = "uns"
    """Unified Namespace: one tag per topic, its name in the levels that the topic's last `#` stands for."""
    LINE = "line"
    """InfluxDB line protocol; the machine may be named by the lines' tags."""
    OPCUA = "opcua"
    """OPC UA PubSub data messages in JSON."""
    SPARKPLUG = "sparkplug"
    """Sparkplug B; the ingestor is then its host, on a connection of its own."""


class MappingSettings(_Settings):
    """What the messages under some topics mean."""

    format: MessageFormat = Field(
        default=MessageFormat.JSON,
        description="json, uns (one tag per topic), line (InfluxDB line protocol), opcua (OPC UA PubSub in JSON) or "
        "sparkplug (Sparkplug B).",
    )
    topic: str = Field(
        default="{enterprise}/{site}/{area}/{line}/{machine}/telemetry",
        min_length=1,
        description="Topic with placeholders, each a whole level: "
        "{enterprise} {site} {area} {line} {machine}. `+` and a last `#` are allowed.",
    )
    machine: str = Field(
        default="{machine}",
        min_length=1,
        description="The machine's name made of placeholders, e.g. `{line}-{machine}`, or a fixed name. What the topic "
        "does not hold is looked up in the message: with `line` its tags, with `opcua` {publisher}, {group}, {writer}, "
        "with `sparkplug` {group}, {node}, {device} and {folder}, what stands before the last `/` of a metric's name.",
    )
    machines: dict[str, str] = Field(
        default_factory=dict,
        description="With sparkplug: `node` or `node/device` (or `group/node/device`) = machine, where `machine` does "
        'not fit; "" where it is not to be kept.',
    )
    broker: str = Field(
        default=MAIN, description="Where the messages are: `main` for [broker], or a name of [[ingest.brokers]]."
    )
    machine_class: str = Field(
        default="", description="Only machines of this class; empty: each machine with its own class."
    )
    time_field: str = Field(
        default="timestamp_ms", description="Path of the device time in the message; empty with time_unit `none`."
    )
    time_unit: TimeUnit = Field(
        default=TimeUnit.MS,
        description="How the device time is written: s, ms, us, ns, iso or none. With `line` ns unless set here; "
        "with `opcua` always iso.",
    )
    samples: str = Field(
        default="",
        description="Path of an array in a JSON message with an object per sample; empty: the message is one object, "
        "or itself such an array.",
    )
    name_field: str = Field(
        default="",
        description="Where each object is one metric: path of its name, which `fields` then refers to. With json only.",
    )
    value_field: str = Field(default="value", description="Path of the value of a metric or of a tag.")
    fields: dict[str, str] = Field(
        default_factory=dict,
        description="Signal = path in the message, where they differ: `motor.current`, or a "
        "JSON pointer (`/motor/current.rms`); with uns the tag (`motor/current`), with line the field key "
        "(`current` or `motor.current` with its measurement), with opcua the field's name, "
        "with sparkplug the metric's.",
    )
    units: dict[str, MappedUnit] = Field(
        default_factory=dict, description="Signal = unit of the message, where it is not the canonical one."
    )
    states: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="State or event signal = table of what the message writes = what is stored, "
        'e.g. state = { "4" = "Execute" }; numbers that the table does not name go to quarantine.',
    )
    text_numbers: TextNumbers = Field(
        default=TextNumbers.CONVERT,
        description='What becomes of a number written as text ("2.1", never "2,1"): convert, or reject.',
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_time(cls, given: Any) -> Any:
        """The line protocol counts nanoseconds unless told otherwise; Sparkplug's topics are its own."""
        if isinstance(given, dict) and given.get("format") == MessageFormat.LINE:
            return {"time_unit": TimeUnit.NS, **given}
        if isinstance(given, dict) and given.get("format") == MessageFormat.SPARKPLUG:
            return {"topic": "spBv1.0/+/#", "machine": "{device}", **given}
        return given

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.format is MessageFormat.SPARKPLUG:
            faults = topic_faults(self.topic, self.machine)
        else:
            faults = [*template_faults(self.topic), *self._format_faults()]
        if self.machines and self.format is not MessageFormat.SPARKPLUG:
            faults.append("machines belongs to format `sparkplug`; remove it, or set format = 'sparkplug'")
        if self.topic.startswith("spBv1.0/") and self.format is not MessageFormat.SPARKPLUG:
            faults.append(f"topic {self.topic!r} is Sparkplug's; set format = 'sparkplug'")
        if self.time_unit is TimeUnit.NONE:
            if "time_field" in self.model_fields_set and self.time_field:
                faults.append("time_unit is `none` but time_field is set: state the unit, or leave time_field empty")
        elif not self.time_field:
            faults.append("time_field is empty: name the field of the device time, or set time_unit = 'none'")
        faults += [
            f"units.{signal} is {unit!r}, which no decoder knows; known are {', '.join(UNITS)}"
            for signal, unit in self.units.items()
            if unit not in UNITS
        ]
        faults += [
            f"fields.{signal} is empty; give the path of the field"
            for signal, path in self.fields.items()
            if not path.strip("./")
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _format_faults(self) -> list[str]:
        told = self.format in (MessageFormat.LINE, MessageFormat.OPCUA)
        faults = name_faults(self.topic, self.machine, told_by_messages=told)
        if self.format is MessageFormat.UNS and not self.topic.endswith("/#"):
            faults.append(f"topic {self.topic!r} must end in `/#` with format `uns`: those levels are the tag's name")
        if self.format is not MessageFormat.JSON and (self.samples or self.name_field):
            faults.append(f"samples and name_field belong to format `json`; remove them, or the format {self.format}")
        if self.format is MessageFormat.LINE and self.time_unit is TimeUnit.ISO:
            faults.append("the line protocol has no ISO times; set time_unit to ns, us, ms, s or none")
        if not self.value_field.strip("./"):
            faults.append("value_field is empty; give the path of the value")
        return faults


class IngestSettings(_Settings):
    """How messages become batches."""

    mappings: tuple[MappingSettings, ...] = Field(
        default_factory=lambda: (MappingSettings(),),
        min_length=1,
        description="One per kind of topic; the first that fits a message decodes it.",
    )
    sparkplug: SparkplugSettings = Field(
        default_factory=SparkplugSettings, description="The Sparkplug host, where a mapping has that format."
    )
    brokers: tuple[NamedBroker, ...] = Field(
        default=(),
        description="Further brokers to take messages from, each on a link of its own; "
        "plans and alerts go to [broker].",
    )
    batch_max_messages: int = Field(
        default=10_000, ge=1, le=60_000, description="A batch is committed at this many messages; bounds memory."
    )
    batch_max_bytes: int = Field(
        default=16_000_000, ge=10_000, description="A batch is committed at this much payload [byte]; bounds memory."
    )
    batch_max_age_s: float = Field(
        default=0.1,
        gt=0,
        le=60,
        description="While messages keep coming, a batch is committed this often [s]: less is sooner durable, more is "
        "cheaper. After a pause the first messages are committed as soon as no more come.",
    )
    batch_settle_s: float = Field(
        default=0.02,
        ge=0,
        le=60,
        description="How long no more must come for a batch to be committed early [s].",
    )
    read_interval_s: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Pause between reads while messages come [s]: waking up for each one costs more than reading it.",
    )
    clock_skew_limit_s: float = Field(
        default=600.0,
        gt=0,
        description="Readings whose device time is further from the time of reception are flagged, "
        "never changed [s of wall time].",
    )
    sink_retry_min_s: float = Field(
        default=0.5,
        gt=0,
        le=60,
        description="First wait before offering a batch again to an absent store [s]; doubles, with jitter.",
    )
    sink_retry_max_s: float = Field(
        default=30.0, gt=0, le=3600, description="Longest wait before offering a batch again to an absent store [s]."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.batch_settle_s > self.batch_max_age_s:
            raise ValueError("batch_settle_s is above batch_max_age_s, so it would never act; lower it")
        names = [each.name for each in self.brokers]
        faults = [f"two brokers are named {name!r}" for name in dict.fromkeys(names) if names.count(name) > 1]
        used = {mapping.broker for mapping in self.mappings}
        faults += [
            f"a mapping names the broker {name!r}, which [[ingest.brokers]] does not have"
            for name in sorted(used - {MAIN, *names})
        ]
        faults += [f"no mapping takes messages from the broker {name!r}" for name in names if name not in used]
        sessions: dict[tuple[str, str], str] = {}
        for each in self.brokers:
            other = sessions.setdefault((each.address, each.client_id), each.name)
            if other != each.name:
                faults.append(
                    f"the brokers {other!r} and {each.name!r} are one session ({each.client_id!r} at {each.address}): "
                    "each would push the other out; give them different client ids"
                )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def of_broker(self, name: str) -> Self:
        """The same with only the mappings of one broker."""
        return self.model_copy(update={"mappings": tuple(each for each in self.mappings if each.broker == name)})
