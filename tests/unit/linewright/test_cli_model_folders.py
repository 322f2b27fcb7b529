"""`linewright model ... DIR`: trained on a folder, asked about another, faults in sentences."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from linewright.cli.models import app
from plant.errors import ConfigError

RUNNER = CliRunner()


def write_fleet(folder, *, machines, seed):
    """Pumps whose heat grows towards their failure after 40 to 80 cycles."""
    rng = np.random.default_rng(seed)
    parts, failures = [], []
    for number in range(machines):
        rows = int(rng.integers(40, 80))
        heat = 50 + 20 * np.linspace(0, 1, rows) ** 3 + rng.normal(0, 1, rows)
        name = f"pump-{number:02d}"
        parts.append(
            pd.DataFrame({"machine": name, "cycle": range(1, rows + 1), "heat": heat, "flow": rng.normal(3, 0.1, rows)})
        )
        failures.append({"machine": name, "failed_at": rows})
    folder.mkdir()
    pd.concat(parts).to_csv(folder / "readings.csv", index=False)
    pd.DataFrame(failures).to_csv(folder / "failures.csv", index=False)
    (folder / "dataset.toml").write_text('name = "pump"\nhorizons = [5, 15]\n')
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    known = write_fleet(home / "known", machines=12, seed=1)
    answer = RUNNER.invoke(app, ["train", str(known), "--out", str(home / "model"), "--seeds", "2", "--json"])
    assert answer.exit_code == 0, answer.output
    return home, json.loads(answer.stdout)


def test_training_tells_what_it_made(trained):
    home, told = trained
    assert told["horizons"] == [5.0, 15.0]
    assert (told["machine_class"], told["unit"], told["members"]) == ("pump", "cycle", 2)
    assert told["metrics"]["failures"] == 12
    assert {path.name for path in (home / "model").iterdir()} == {
        *("weights.safetensors", "model.json"),
        *("normality.safetensors", "normality.json"),
    }
    assert told["heads"] == ["hazard", "normality"]


def test_scores_evaluation_and_explanation_of_new_machines(trained):
    home, _ = trained
    new = write_fleet(home / "new", machines=4, seed=2)
    out = home / "scores.csv"
    scored = RUNNER.invoke(app, ["score", str(home / "model"), str(new), "--out", str(out), "--contributions"])
    assert scored.exit_code == 0, scored.output
    table, readings = pd.read_csv(out), pd.read_csv(new / "readings.csv")
    assert len(table) == len(readings)
    assert {"machine", "cycle", "failure_within_5", "failure_within_15", "remaining_p10", "enough_data"} <= {*table}
    assert (table["failure_within_5"] <= table["failure_within_15"] + 1e-12).all()
    assert (table["remaining_p10"] <= table["remaining_p90"]).all()
    assert (table.groupby("machine")["enough_data"].sum() == table.groupby("machine").size() - 9).all()
    assert "contribution:heat:16 rows" in table.columns

    answer = RUNNER.invoke(app, ["evaluate", str(home / "model"), str(new), "--cap", "60", "--json"])
    metrics = json.loads(answer.stdout)
    assert metrics["within_15_average_precision"] > 0.8
    assert metrics["failures"] == 4
    assert 0 < metrics["remaining_rmse"] < 20

    told = RUNNER.invoke(app, ["explain", str(home / "model"), str(new), "--machine", "pump-01"])
    assert told.stdout.startswith("pump-01: fails within 15 with")
    assert "heat" in told.stdout
    assert "UTC" not in told.stdout  # cycles have no calendar


def test_lives_of_many_years_have_horizons_of_years(tmp_path):
    known = write_fleet(tmp_path / "known", machines=6, seed=3)
    with (known / "dataset.toml").open("a") as facts:
        facts.write("cycle_h = 1000\n")  # 40 to 80 of them: 5 to 9 years
    model, out = str(tmp_path / "model"), tmp_path / "scores.csv"
    assert RUNNER.invoke(app, ["train", str(known), "--out", model, "--seeds", "1"]).exit_code == 0
    scored = RUNNER.invoke(app, ["score", model, str(known), "--out", str(out)])
    assert scored.exit_code == 0, scored.output
    assert {"failure_within_5", "failure_within_15"} <= {*pd.read_csv(out).columns}
    told = RUNNER.invoke(app, ["explain", model, str(known), "--machine", "pump-01"])
    assert told.stdout.startswith("pump-01: fails within 15 with")


def test_a_fleet_that_shows_nothing_is_told(tmp_path):
    known = write_fleet(tmp_path / "known", machines=6, seed=4)
    readings = pd.read_csv(known / "readings.csv").assign(heat=50.0, flow=np.inf)
    readings.to_csv(known / "readings.csv", index=False)
    arguments = ["train", str(known), "--out", str(tmp_path / "m"), "--without-age", "--seeds", "1"]
    with pytest.raises(ConfigError, match="none of 2 signals varies, and the age is left out"):
        RUNNER.invoke(app, arguments, catch_exceptions=False)


def test_a_folder_that_does_not_fit_is_told(trained, tmp_path):
    home, _ = trained
    other = tmp_path / "other"
    other.mkdir()
    (other / "readings.csv").write_text("machine,cycle,heat\na,1,2.0\n")
    for arguments, words in (
        (["score", str(home / "model"), str(other), "--out", str(tmp_path / "s.csv")], "no signal flow"),
        (["score", str(home / "model"), str(other), "--out", str(tmp_path / "s.xls")], "a file ending in"),
        (["evaluate", str(home / "model"), str(other)], "no failure"),
        (["explain", str(home / "model"), str(other), "--machine", "b"], "one of a"),
        (["train", str(other), "--out", str(tmp_path / "m")], "no failure in failures.csv"),
        (["train", str(other), "--out", str(other)], "a new or empty folder"),
        (["train", str(other)], "--out"),
        (["train", str(other), "--out", str(other / "readings.csv" / "m")], "a place that can be written"),
        (["train", str(home / "known"), "--out", str(tmp_path / "m"), "--horizons", "1e9"], "spans above 0, up to"),
        (["score", str(home / "model"), str(other), "--out", str(other / "readings.csv")], "another file than"),
        (["train", str(other), "--out", str(tmp_path / "m"), "--horizons", "soon"], "numbers, e.g."),
        (["score", str(tmp_path), str(other), "--out", str(tmp_path / "s.csv")], "train it again"),
    ):
        refused = RUNNER.invoke(app, arguments)
        assert isinstance(refused.exception, ConfigError), refused.output
        assert words in " ".join(str(fault) for fault in refused.exception.faults)
    assert not (tmp_path / "m").exists()
