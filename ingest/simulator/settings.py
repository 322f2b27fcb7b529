"""What the plant simulator is told: seed, pace, history, topics, and which machine starts out worn."""

from string import Formatter

from pydantic import BaseModel, ConfigDict, Field

from ingest.simulator.catalogue import modes_of
from plant.assets import Plant
from plant.errors import Fault

TOPIC_FIELDS = ("enterprise", "site", "area", "line", "machine")


class WornSettings(BaseModel):
    """The initial condition of one machine at the start of live: damage that grows in while people watch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str = Field(default="L2-press", description="Name of the machine that is worn.")
    mode: str = Field(default="bearing", description="Failure mode, one of its class.")
    start_wear: float = Field(
        default=0.8,
        ge=0.0,
        lt=1.0,
        description="Wear it reaches in the last days of history [0..1]: seen, but no alarm yet.",
    )
    wear: float = Field(
        default=0.955, ge=0.0, lt=1.0, description="Wear it reaches in live after `onset_h` [0..1]; it fails at 1."
    )
    onset_h: float = Field(
        default=1.2, ge=0.0, description="Operating time of live over which that grows in [h]; 0 is a jump."
    )
    hours_left: float = Field(
        default=16.0, gt=0.0, description="Expected operating time from then to failure at load 1 [h]."
    )


class SimulatorSettings(BaseModel):
    """The plant simulator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=6, ge=0, description="Same seed, same plant, whatever the speed.")
    speed: float = Field(default=120.0, gt=0.0, description="Plant seconds per wall second in live.")
    history_h: float = Field(default=3000.0, ge=0.0, description="Run-to-failure history made before live [h].")
    history_step_min: float = Field(default=10.0, gt=0.0, description="Grain of the history [min].")
    tick_s: int = Field(default=10, ge=1, description="Grain of live [s of plant time]; states change only at ticks.")
    message_period_s: int = Field(default=30, ge=1, description="Time between a machine's messages [s of plant time].")
    preventive_share: float = Field(
        default=0.15,
        ge=0.0,
        le=1.0,
        description="Share of lives in the history that planned maintenance ends early [0..1].",
    )
    service_before_h: float = Field(
        default=84.0, ge=0.0, description="Before live begins, the plant was serviced this long ago [h]; 0: never."
    )
    service_wear: float = Field(
        default=0.45,
        gt=0.0,
        le=1.0,
        description="Machines with more wear than this were renewed at that service [0..1].",
    )
    worn: WornSettings | None = Field(
        default_factory=WornSettings,
        description="The machine that is worn when live begins; none: nobody is.",
    )
    topic: str = Field(
        default="{enterprise}/{site}/{area}/{line}/{machine}/telemetry",
        description="Topic of a machine's readings.",
    )
    plan_topic: str = Field(default="linewright/{site}/plan", description="Where accepted plans arrive, retained.")
    break_topic: str = Field(
        default="linewright/{site}/break", description='Control: {"machine": ..., "mode": ...} wears a machine at once.'
    )
    avoided_topic: str = Field(
        default="linewright/{site}/simulator/avoided",
        description="Where failures that maintenance avoided are told, retained.",
    )


def check(settings: SimulatorSettings, plant: Plant, *, where: str = "simulator") -> tuple[Fault, ...]:
    """What of these settings does not fit the plant; empty where all does.

    Args:
        settings: As read.
        plant: Whose machines they speak of.
        where: Key path of the settings, for the messages.
    """
    faults = []
    for name, allowed in (
        ("topic", TOPIC_FIELDS),
        ("plan_topic", TOPIC_FIELDS[:2]),
        ("break_topic", TOPIC_FIELDS[:2]),
        ("avoided_topic", TOPIC_FIELDS[:2]),
    ):
        template = getattr(settings, name)
        unknown = sorted({field for _, field, _, _ in Formatter().parse(template) if field} - set(allowed))
        if unknown:
            expected = f"write it with {', '.join(f'{{{field}}}' for field in allowed)} only"
            faults.append(Fault(where=f"{where}.{name}", found=repr(template), expected=expected))
    worn = settings.worn
    if worn is not None and worn.machine not in plant.machine_index:
        names = ", ".join(machine.name for machine in plant.machines)
        faults.append(
            Fault(
                where=f"{where}.worn.machine", found=repr(worn.machine), expected=f"name one of the machines: {names}"
            )
        )
    elif worn is not None:
        modes = [mode.name for mode in modes_of(plant.class_of(worn.machine))]
        if worn.mode not in modes:
            expected = f"name a failure mode that wears: {', '.join(modes)}"
            faults.append(Fault(where=f"{where}.worn.mode", found=repr(worn.mode), expected=expected))
    return tuple(faults)
