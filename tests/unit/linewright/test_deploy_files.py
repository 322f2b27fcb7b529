"""The files of deploy/ are what the machines they are for can read."""

import configparser
from pathlib import Path

import pytest
from typer.main import get_command

from linewright.cli.app import app

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_unit_starts_a_command_that_exists(unit: Path) -> None:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(unit)
    words = parsed["Service"]["ExecStart"].split()
    assert words[0].endswith("/linewright")
    roles = {"run"} if words[1] == "run" else {"ingest", "serve", "work"}
    assert roles <= set(get_command(app).commands)  # type: ignore[attr-defined]
    assert int(parsed["Service"]["TimeoutStopSec"]) > 30, "a role is given 30 s to end in order"


def test_there_are_units_to_check() -> None:
    assert {unit.name for unit in UNITS} == {"linewright.service", "linewright@.service"}
