"""What the plant simulator is told: seed, pace, history, topics, and which machine starts out worn."""

from pydantic import BaseModel, ConfigDict, Field


class WornSettings(BaseModel):
    """The initial condition of one machine at the start of live: damage that grows in while people watch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str = Field("L2-press", description="Name of the machine that is worn.")
    mode: str = Field("bearing", description="Failure mode, one of its class.")
    wear: float = Field(0.88, ge=0.0, lt=1.0, description="Wear reached after `onset_h` [0..1]; it fails at 1.")
    onset_h: float = Field(2.0, ge=0.0, description="Operating time over which the wear grows in [h]; 0 is a jump.")
    hours_left: float = Field(18.0, gt=0.0, description="Expected operating time from then to failure at load 1 [h].")


class SimulatorSettings(BaseModel):
    """The plant simulator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(7, ge=0, description="Same seed, same plant, whatever the speed.")
    speed: float = Field(120.0, gt=0.0, description="Plant seconds per wall second in live.")
    history_h: float = Field(3000.0, ge=0.0, description="Run-to-failure history made before live [h].")
    history_step_min: float = Field(10.0, gt=0.0, description="Grain of the history [min].")
    tick_s: int = Field(10, ge=1, description="Grain of live [s of plant time]; states change only at ticks.")
    message_period_s: int = Field(30, ge=1, description="Time between a machine's messages [s of plant time].")
    preventive_share: float = Field(
        0.15, ge=0.0, le=1.0, description="Share of lives in the history that planned maintenance ends early [0..1]."
    )
    service_before_h: float = Field(
        30.0, ge=0.0, description="Before live begins, the plant was serviced this long ago [h]; 0: never."
    )
    service_wear: float = Field(
        0.55, gt=0.0, le=1.0, description="Machines with more wear than this were renewed at that service [0..1]."
    )
    worn: WornSettings | None = Field(
        default_factory=lambda: WornSettings(),
        description="The machine that is worn when live begins; none: nobody is.",
    )
    topic: str = Field(
        "{enterprise}/{site}/{area}/{line}/{machine}/telemetry", description="Topic of a machine's readings."
    )
    plan_topic: str = Field("linewright/{site}/plan", description="Where accepted plans arrive, retained.")
    break_topic: str = Field(
        "linewright/{site}/break", description='Control: {"machine": ..., "mode": ...} wears a machine at once.'
    )
    avoided_topic: str = Field(
        "linewright/{site}/simulator/avoided", description="Where failures that maintenance avoided are told, retained."
    )
