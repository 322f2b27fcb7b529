"""The site: everything that a process must know."""

from dataclasses import dataclass, field
from pathlib import Path

from analytics.model_settings import ModelSettings
from analytics.settings import AlarmPolicy
from ingest.broker_settings import BrokerSettings
from ingest.settings import IngestSettings
from ingest.simulator.settings import SimulatorSettings
from linewright.settings.replanning import ReplanningPart
from linewright.settings.shell import ClusterSettings, ConsoleSettings, StoreKind, WebhookSettings
from plant.assets import Plant
from plant.clock import PlantClock
from plant.plans import Objective
from plant.production import (
    Calendar,
    Capability,
    Changeover,
    Order,
    PlanningPolicy,
    Product,
    SetUpFor,
    Stock,
    Tariff,
)
from store.books.settings import RecordsSettings
from store.influx.settings import InfluxSettings
from store.settings import StoreSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Topics:
    """Topics of this plant, filled in."""

    orders: str
    plan: str
    alerts: str
    """Without the machine's level."""
    avoided: str
    """Where the simulator tells of failures that maintenance avoided."""
    breaking: str
    """Where the simulator is told to break a machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One site, ready to run."""

    folder: Path
    """Folder of the configuration."""
    data: Path
    """Folder of the instance."""
    plant: Plant
    products: tuple[Product, ...]
    capabilities: tuple[Capability, ...]
    orders: tuple[Order, ...]
    """Seeds of the records."""
    stock: tuple[Stock, ...]
    """Seeds of the records."""
    calendar: Calendar
    tariff: Tariff
    planning: PlanningPolicy
    alarms: AlarmPolicy
    ingest: IngestSettings
    broker: BrokerSettings
    store: StoreSettings
    console: ConsoleSettings
    webhook: WebhookSettings | None
    influx: InfluxSettings | None
    """Where readings are mirrored to, or, with `keeps` INFLUXDB, kept."""
    topics: Topics
    model: ModelSettings
    simulator: SimulatorSettings | None
    clock: PlantClock
    keeps: StoreKind = StoreKind.EMBEDDED
    """Where readings are kept."""
    records: RecordsSettings = field(default_factory=RecordsSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    objective: Objective | None = None
    """None: plans have the least cost."""
    changeovers: tuple[Changeover, ...] = ()
    """From family to family, of lines that count them one by one."""
    set_up_for: tuple[SetUpFor, ...] = ()
    """What such lines are set up for before the first accepted plan."""
    replanning: ReplanningPart = field(default_factory=ReplanningPart)
    demo: bool = False
    """Whether this is the demonstration; only words differ."""
    warnings: tuple[str, ...] = ()
    """What is allowed and yet worth a look, as sentences."""
