"""`linewright model report MODEL DIR --out FOLDER`: pictures on lives that the model did not learn from."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from linewright.cli.app import app
from plant.errors import ConfigError

RUNNER = CliRunner()
NAMES = {"risk-over-time", "reliability", "cost", "lead-time", "contributions"}


def write_pumps(folder, *, machines, seed, failures=True):
    """Pumps whose heat grows towards their failure after 30 to 50 cycles."""
    rng = np.random.default_rng(seed)
    parts, ends = [], []
    for number in range(machines):
        rows = int(rng.integers(30, 50))
        heat = 50 + 20 * np.linspace(0, 1, rows) ** 3 + rng.normal(0, 1, rows)
        name = f"pump-{number:02d}"
        flow = rng.normal(3, 0.1, rows)
        parts.append(pd.DataFrame({"machine": name, "cycle": range(1, rows + 1), "heat": heat, "flow": flow}))
        ends.append({"machine": name, "failed_at": rows})
    folder.mkdir()
    pd.concat(parts).to_csv(folder / "readings.csv", index=False)
    if failures:
        pd.DataFrame(ends).to_csv(folder / "failures.csv", index=False)
    (folder / "dataset.toml").write_text('name = "pump"\nhorizons = [8]\n')
    return str(folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    known = write_pumps(folder / "known", machines=10, seed=1)
    answer = RUNNER.invoke(app, ["model", "train", known, "--out", str(folder / "model"), "--seeds", "1"])
    assert answer.exit_code == 0, answer.output
    return folder


def test_report_writes_every_picture_twice_and_says_what_costs_least(home):
    new, out = write_pumps(home / "new", machines=4, seed=2), home / "pictures"
    answer = RUNNER.invoke(app, ["model", "report", str(home / "model"), new, "--out", str(out)])
    assert answer.exit_code == 0, answer.output
    assert {path.stem for path in out.glob("*.png")} == {path.stem for path in out.glob("*.svg")} == NAMES
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in out.glob("*.png"))
    assert all(ET.parse(path).getroot().tag.endswith("svg") for path in out.glob("*.svg"))
    assert "Wrote 10 pictures of 4 lives" in answer.output
    assert "4 of 4 failures caught" in answer.output


def test_report_of_lives_that_still_run_shows_their_courses(home):
    running = write_pumps(home / "running", machines=2, seed=3, failures=False)
    answer = RUNNER.invoke(app, ["model", "report", str(home / "model"), running, "--out", str(home / "again")])
    assert answer.exit_code == 0, answer.output
    assert "0 of 0 failures caught" in answer.output


def test_report_of_a_model_without_failures_is_refused(home):
    quiet = write_pumps(home / "quiet", machines=3, seed=4, failures=False)
    trained = RUNNER.invoke(app, ["model", "train", quiet, "--out", str(home / "normal")])
    assert trained.exit_code == 0, trained.output
    refused = RUNNER.invoke(app, ["model", "report", str(home / "normal"), quiet, "--out", str(home / "none")])
    assert isinstance(refused.exception, ConfigError)
    assert "learned from no failure" in str(refused.exception)
