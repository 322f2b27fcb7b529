"""Settings of the way from message to batch: mappings and batching."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingest.broker_settings import MAIN, NamedBroker
from ingest.sparkplug.settings import SparkplugSettings, topic_faults
from ingest.templates import name_faults, template_faults
from plant.quantities import UNITS

MappedUnit = Annotated[str, Field(min_length=1)]


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
        default=0.12,
        gt=0,
        le=60,
        description="Up to 1,000 messages/s, a batch is committed this often while they keep coming [s]: less is "
        "sooner durable, more is cheaper. After a pause the first messages are committed as soon as no more come.",
    )
    batch_busy_age_s: float = Field(
        default=0.27,
        gt=0,
        le=60,
        description="The same from 5,000 messages/s on [s], evenly growing in between, until a batch is half full; "
        "never less than batch_max_age_s.",
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
        description="Shortest pause between reads while messages come [s]: waking up for each one costs more than "
        "reading it. A steady stream is read once for each batch.",
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
