"""The files of deploy/ are what the machines they are for can read."""

import configparser
import json
import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from linewright.cli.app import app
from store.books.settings import RecordsSettings

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_unit_starts_a_command_that_exists(unit: Path) -> None:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]  # as its documentation says
    parsed.read(unit)
    words = parsed["Service"]["ExecStart"].split()
    assert words[0].endswith("/linewright")
    roles = {"run"} if words[1] == "run" else {"ingest", "serve", "work"}
    assert roles <= set(get_command(app).commands)  # type: ignore[attr-defined]  # it is a group
    assert int(parsed["Service"]["TimeoutStopSec"]) > 30, "a role is given 30 s to end in order"


def test_there_are_units_to_check() -> None:
    assert {unit.name for unit in UNITS} == {"linewright.service", "linewright@.service"}


def test_compose_starts_commands_that_exist_and_mounts_files_that_are_there() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    started = set(re.findall(r'command: \["linewright", "(\w+)"', text))
    assert started == {"ingest", "work", "serve", "mirror"}
    assert started <= set(get_command(app).commands)  # type: ignore[attr-defined]  # it is a group
    mounted = re.findall(r"^ +- \./([^:]+):[^:]+:ro$", text, re.MULTILINE)
    assert "grafana/provisioning" in mounted
    assert all((DEPLOY / name).exists() for name in mounted)


def test_compose_with_postgres_sets_what_the_records_know_for_every_role() -> None:
    beside = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    added = yaml.safe_load((DEPLOY / "compose.postgres.yaml").read_text())
    roles = [name for name, service in beside.items() if "linewright" in service.get("command", ())]
    for role in roles:
        service = added["services"][role]
        assert set(service["environment"]) == {"LINEWRIGHT_RECORDS__URL", "LINEWRIGHT_RECORDS__PASSWORD_FILE"}
        address = RecordsSettings(url=service["environment"]["LINEWRIGHT_RECORDS__URL"]).address(DEPLOY)
        assert (address.host, address.database) == ("postgres", "linewright")
        secret = Path(service["environment"]["LINEWRIGHT_RECORDS__PASSWORD_FILE"]).name
        assert secret in added["secrets"]
        assert secret in added["services"]["postgres"]["secrets"]


def test_grafana_finds_its_source_and_dashboard_where_compose_mounts_them() -> None:
    compose = (DEPLOY / "compose.yaml").read_text()
    source = (DEPLOY / "grafana" / "provisioning" / "datasources" / "influxdb.yaml").read_text()
    provider = (DEPLOY / "grafana" / "provisioning" / "dashboards" / "linewright.yaml").read_text()
    place = re.search(r"path: (\S+)", provider)
    assert place is not None
    assert f"./grafana/dashboards:{place[1]}:ro" in compose
    assert "LINEWRIGHT_INFLUX__BUCKET: plant" in compose
    assert "dbName: plant" in source
    assert "INFLUX_TOKEN=" in compose
    for file in (DEPLOY / "grafana" / "dashboards").glob("*.json"):
        dashboard = json.loads(file.read_text())
        assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"linewright"}
        assert "uid: linewright" in source
