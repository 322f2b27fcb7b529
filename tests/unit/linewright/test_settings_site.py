"""What a sound configuration becomes, and how the environment changes it."""

import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analytics.model_settings import QUICK, ModelSettings
from analytics.settings import AlarmPolicy
from ingest.broker_settings import TlsSettings
from ingest.simulator.canonical import demo_facts
from ingest.simulator.settings import SimulatorSettings, WornSettings
from ingest.sparkplug.settings import SparkplugSettings
from linewright.settings import production
from linewright.settings.loading import SECTIONS, load
from linewright.settings.plant import ClassPart, LinePart, MachinePart, SignalPart
from linewright.settings.site import Site
from linewright.settings.template import template_text, write_template
from plant.errors import ConfigError
from plant.production import Capability, PlanningPolicy, Product, Shift, TariffBand

NOW = datetime(2026, 3, 2, 6, 20, tzinfo=UTC)
DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
SMALL = """
[plant]
enterprise = "acme"
site = "linz"
timezone = "Europe/Vienna"
signals = [{ name = "temperature_c", quantity = "temperature" }]
classes = [{ name = "press" }]
lines = [{ name = "L1", area = "hall1", machines = [{ name = "P1", class = "press" }] }]
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return write_template(tmp_path)


def small(tmp_path: Path, more: str = "", environ: dict[str, str] | None = None) -> Site:
    path = tmp_path / "linewright.toml"
    path.write_text(SMALL + more)
    return load(path, environ or {}, now=NOW)


def test_template_is_the_canonical_plant(template: Path) -> None:
    site = load(template, {}, now=NOW)
    facts = demo_facts(NOW.replace(minute=0))
    assert site.plant == facts.plant
    assert site.products == facts.products
    assert site.capabilities == facts.capabilities
    assert site.orders == facts.orders
    assert site.stock == facts.stock
    assert site.calendar == facts.calendar
    assert site.tariff == facts.tariff
    assert site.planning == PlanningPolicy(time_limit_s=10.0)
    assert site.alarms == AlarmPolicy()
    assert site.model == QUICK
    assert site.simulator == SimulatorSettings.model_validate({"plan_topic": "linewright/{site}/plan"})
    assert site.warnings == ()
    assert (site.broker.embedded, site.demo) == (True, False)
    assert site.data == template.parent / ".linewright"


def test_write_template_sets_ports_and_demo_and_replaces_nothing(tmp_path: Path) -> None:
    path = write_template(tmp_path / "new" / "site", broker_port=4001, console_port=4002, demo=True)
    site = load(path, {})
    assert (site.broker.port, site.console.port, site.demo) == (4001, 4002, True)
    with pytest.raises(ConfigError, match="already there"):
        write_template(path.parent)
    assert path.read_text() == template_text(broker_port=4001, console_port=4002, demo=True)
    with pytest.raises(ConfigError):
        write_template(path / "below")


@pytest.mark.parametrize("name", ["linewright.toml", "fd001/linewright.toml"])
def test_deployed_configurations_load(name: str) -> None:
    assert load(DEPLOY / name, {}, now=NOW).plant.machines


def test_deployed_configuration_shows_the_defaults() -> None:
    site = load(DEPLOY / "linewright.toml", {}, now=NOW)
    assert site.planning == PlanningPolicy()
    assert site.alarms == AlarmPolicy()
    assert site.model == ModelSettings.model_validate({})
    usual = {name: SECTIONS[name].model_validate({}).model_dump() for name in ("broker", "ingest", "store", "console")}
    for name, found in (
        ("broker", site.broker),
        ("ingest", site.ingest),
        ("store", site.store),
        ("console", site.console),
    ):
        different = {key for key, value in found.model_dump().items() if value != usual[name][key]}
        assert different <= {"host", "mappings"}, name


def test_deployed_configuration_shows_every_field() -> None:
    text = (DEPLOY / "linewright.toml").read_text()
    parts = [
        *SECTIONS.values(),
        *(SignalPart, ClassPart, LinePart, MachinePart, TlsSettings, WornSettings, SparkplugSettings),
        *(production.ProductPart, production.CapabilityPart, production.OrderPart, production.ShiftPart),
        *(production.ClosurePart, production.OvertimePart, production.BandPart),
        *(production.ChangeoverPart, production.SetUpForPart),
        type(load(DEPLOY / "linewright.toml", {}).ingest.mappings[0]),
    ]
    secrets = {"password", "secret", "token"}  # never in a file
    tables = {"tls", "worn", "mappings", "signals", "classes", "lines", "machines", "products", "capabilities"}
    tables |= {"orders", "shifts", "closures", "bands", "sparkplug", "brokers", "overtime", "changeovers", "set_up_for"}
    for part in parts:
        for name, field in part.model_fields.items():
            key = field.alias or name
            if key in secrets:
                continue
            lines = [line.removeprefix("# ") for line in text.splitlines()]
            table = [line for line in lines if line.rstrip("]").endswith((f".{key}", f"[{key}"))]
            assert any(line.startswith(f"{key} = ") for line in lines) or (key in tables and table), (part, key)


def test_smallest_configuration_has_defaults_and_says_what_is_missing(tmp_path: Path) -> None:
    site = small(tmp_path)
    assert site.plant.machines[0].label == "P1"
    assert site.calendar.shifts[0].hours == 24
    assert (site.simulator, site.webhook, site.products) == (None, None, ())
    assert [warning.split(",")[0] for warning in site.warnings] == ["There is no [tariff]", "There is no [calendar]"]
    assert site.topics.alerts == "linewright/linz/alerts"


@pytest.mark.parametrize(
    ("part", "word"),
    [
        (production.ProductPart, Product),
        (production.CapabilityPart, Capability),
        (production.ShiftPart, Shift),
        (production.BandPart, TariffBand),
        (production.PlanningPart, PlanningPolicy),
    ],
)
def test_sections_have_the_fields_of_their_words(part: type, word: type) -> None:
    assert tuple(part.model_fields) == tuple(field.name for field in fields(word))  # type: ignore[attr-defined]  # each is both


def test_planning_defaults_are_those_of_the_word() -> None:
    assert production.PlanningPart.model_validate({}).word() == PlanningPolicy()


def test_environment_overrides_the_file(template: Path) -> None:
    environ = {
        "LINEWRIGHT_BROKER__HOST": "mqtt.plant.local",
        "LINEWRIGHT_BROKER__PORT": "8883",
        "LINEWRIGHT_BROKER__EMBEDDED": "false",
        "LINEWRIGHT_BROKER__USERNAME": "007",
        "LINEWRIGHT_BROKER__PASSWORD": "s3cret",
        "LINEWRIGHT_PLANT__LINES__1__LABEL": "Big line",
        "LINEWRIGHT_CALENDAR__SHIFTS": '[{ name = "day", start_hour = 6, hours = 12 }]',
        "LINEWRIGHT_REQUIRE_REAL": "1",
        "HOME": "/root",
    }
    site = load(template, environ, now=NOW)
    assert (site.broker.host, site.broker.port, site.broker.embedded) == ("mqtt.plant.local", 8883, False)
    assert site.broker.password is not None
    assert site.broker.password.get_secret_value() == "s3cret"
    assert site.plant.lines[1].label == "Big line"
    assert site.calendar.shifts == (Shift(name="day", start_hour=6, hours=12),)
    assert any("unencrypted" in warning for warning in site.warnings)
    assert "s3cret" not in repr(site)


def test_orders_due_in_the_past_are_kept_with_a_warning(tmp_path: Path) -> None:
    site = small(
        tmp_path,
        """
[production]
products = [{ name = "gear", price = 1 }, { name = "valve", price = 1 }]
capabilities = [{ line = "L1", product = "gear", rate_per_h = 10 }]
[demand]
orders = [
  { number = "O-1", product = "gear", quantity = 5, due_at = 2026-03-01T06:20:00Z },
  { number = "O-2", product = "valve", quantity = 5, due_at = 2026-03-04 },
  { number = "O-3", product = "gear", quantity = 5, due_at = 2026-03-04T12:00:00 },
]
""",
    )
    assert site.orders[1].due_at == datetime(2026, 3, 4, 23, tzinfo=UTC)  # the end of the day in Vienna
    assert site.orders[2].due_at == datetime(2026, 3, 4, 11, tzinfo=UTC)
    assert site.warnings[0].startswith("Order O-1 was due 24 h ago (2026-03-01 06:20 UTC); it is planned as late.")
    assert "No line can make valve" in site.warnings[1]


def test_units_and_fields_of_signals_reach_the_mappings(tmp_path: Path) -> None:
    path = tmp_path / "linewright.toml"
    path.write_text(SMALL.replace('"temperature" }', '"temperature", unit = "degF", field = "drive.t" }'))
    mapping = load(path, {}, now=NOW).ingest.mappings[0]
    assert (mapping.units, mapping.fields) == ({"temperature_c": "degF"}, {"temperature_c": "drive.t"})
    path.write_text(path.read_text() + '[[ingest.mappings]]\nunits = { temperature_c = "K" }\n')
    mapping = load(path, {}, now=NOW).ingest.mappings[0]
    assert (mapping.units, mapping.fields) == ({"temperature_c": "K"}, {"temperature_c": "drive.t"})


def test_webhook_takes_its_secret_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("first line\nsecond\n")
    site = small(tmp_path, '[webhook]\nurl = "https://plant.example/hook"\nsecret_file = "hook"\n')
    assert site.webhook is not None
    assert site.webhook.secret_text() == "first line"
    environ = {"LINEWRIGHT_WEBHOOK__SECRET": "from outside"}
    site = small(tmp_path, '[webhook]\nurl = "https://plant.example/hook"\n', environ)
    assert site.webhook is not None
    assert site.webhook.secret_text() == "from outside"
    assert "from outside" not in repr(site)


def test_simulator_obeys_the_plan_topic(tmp_path: Path) -> None:
    site = small(
        tmp_path, '[topics]\nplan = "works/{site}/plan"\n[simulator]\nworn = { machine = "P1", mode = "wear" }\n'
    )
    assert site.simulator is not None
    assert (site.simulator.plan_topic, site.topics.plan) == ("works/{site}/plan", "works/linz/plan")


def test_warns_of_a_console_for_everybody(tmp_path: Path) -> None:
    site = small(tmp_path, '[console]\nhost = "0.0.0.0"\n')
    assert any("without a login" in warning for warning in site.warnings)


def test_load_reads_the_clock_itself(template: Path) -> None:
    orders = load(template, {}).orders
    assert timedelta(hours=8) < orders[0].due_at - datetime.now(tz=UTC) < timedelta(hours=11)


def test_settings_load_no_heavy_library() -> None:
    code = (
        "import sys, linewright.settings.loading, linewright.settings.template\n"
        "print(*(name for name in ('torch', 'pulp', 'highspy', 'pandas', 'scipy', 'nicegui') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
