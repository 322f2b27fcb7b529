"""Settings of the Sparkplug host, and what is wrong with them beside a broker."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingest.templates import PLACEHOLDERS, placeholders

NAMESPACE = "spBv1.0"
"""First level of every topic. Source: Sparkplug 3.0.0, 4.1."""
TOLD = ("group", "node", "device", "folder")
"""What a message tells of itself: the levels of its topic; and what stands before the last `/` of a metric's name."""


class SparkplugSettings(BaseModel):
    """How Linewright behaves as a Sparkplug host application, where a mapping has the format `sparkplug`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host_id: str = Field(
        default="linewright",
        min_length=1,
        description="Host application id: STATE is published at `spBv1.0/STATE/<host_id>`; edge nodes that wait for "
        "their primary host must name the same.",
    )
    primary: bool = Field(
        default=True,
        description="Whether this host announces itself by STATE, so that edge nodes may wait for it. false where "
        "another application is the plant's host: this one then listens, and asks for rebirths only.",
    )
    reorder_timeout_s: float = Field(
        default=2.0,
        ge=0,
        le=60,
        description="How long a missing sequence number is waited for before a rebirth is asked for [s].",
    )
    rebirth_min_s: float = Field(
        default=1.0,
        ge=1,
        le=3600,
        description="Least time between two rebirth requests to one edge node [s]; doubles while it needs more.",
    )
    rebirth_max_s: float = Field(
        default=300.0, ge=1, le=86_400, description="Longest time between two rebirth requests to one edge node [s]."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if any(sign in self.host_id for sign in "/+#"):
            raise ValueError(f"host_id {self.host_id!r} must hold none of / + #, which MQTT topics use")
        if self.rebirth_max_s < self.rebirth_min_s:
            raise ValueError("rebirth_max_s is below rebirth_min_s")
        return self

    @property
    def state_topic(self) -> str:
        """Where STATE is published. Source: Sparkplug 3.0.0, 5.13."""
        return f"{NAMESPACE}/STATE/{self.host_id}"


def topic_faults(topic: str, machine: str) -> list[str]:
    """What is wrong with the topic and the machine of a Sparkplug mapping, a sentence each."""
    if topic.startswith("$share/"):
        return [f"topic {topic!r} is shared: aliases and sequence numbers would split; map edge nodes apart instead"]
    levels = topic.split("/")
    short, long = len(levels) == 3, len(levels) == 5
    if levels[0] != NAMESPACE or levels[-1] != "#" or not (short or (long and levels[2] == "+")):
        return [
            f"topic {topic!r} must be {NAMESPACE}/<group>/# or {NAMESPACE}/<group>/+/<node>/# with format `sparkplug`"
        ]
    known = (*PLACEHOLDERS[:-1], *TOLD[:2])
    faults = [
        f"topic level {level!r} must be a name, `+`, or one of {', '.join('{' + name + '}' for name in known)}"
        for level in (levels[1], levels[3] if long else "+")
        if level != "+" and (any(sign in level for sign in "+#") or _placeholder(level) not in ("", *known))
    ]
    named = {_placeholder(level) for level in levels}
    try:
        used = placeholders(machine)
    except ValueError:
        return [*faults, f"machine {machine!r} has an unmatched brace"]
    faults += [
        f"machine {machine!r} uses {{{name}}}, which Sparkplug does not tell; it tells "
        f"{', '.join('{' + each + '}' for each in TOLD)}"
        for name in used
        if name not in (*TOLD, "enterprise", "site") and name not in named
    ]
    return faults


def _placeholder(level: str) -> str:
    """The name in `{name}`; empty for a literal level."""
    return level[1:-1] if level.startswith("{") and level.endswith("}") else ""
