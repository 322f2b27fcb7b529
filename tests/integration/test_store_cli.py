"""The commands on the store, as a person gives them, on a real site."""

from pathlib import Path

import pandas as pd
from typer.testing import CliRunner, Result

from linewright.cli.app import app
from plant.clock import PlantClock
from store.embedded.writer import open_writer
from tests.contract.batches import PLANT


def linewright(site: Path, *words: object) -> Result:
    """Run a command on a site."""
    return CliRunner().invoke(app, [*map(str, words), "--site", str(site)])


def test_history_is_imported_asked_exported_backed_up_and_restored(tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert CliRunner().invoke(app, ["init", str(site)]).exit_code == 0
    times = pd.date_range("2026-11-01", periods=2_000, freq="1min", tz="UTC")
    history = pd.DataFrame({"machine": "L1-press", "observed_at": times, "temperature_c": 50.0, "state": "Execute"})
    history.to_csv(tmp_path / "history.csv", index=False)

    first = linewright(site, "import", tmp_path / "history.csv")
    assert "4000 samples new, 0 were there" in first.output
    linewright(site, "import", tmp_path / "history.csv")
    assert "press: 2000 rows, 2026-11-01 00:00Z to 2026-11-02 09:19Z" in linewright(site, "store", "stats").output
    assert "segments" in linewright(site, "store", "compact").output
    assert "0 damaged" in linewright(site, "store", "verify").output

    asked = linewright(site, "sql", "SELECT machine, count(*), max(time) FROM press GROUP BY machine", "--csv")
    assert asked.output.splitlines()[1] == "L1-press,2000,2026-11-02 09:19:00"
    refused = linewright(site, "sql", "DELETE FROM press")
    assert refused.exit_code == 1
    assert "One SELECT at a time" in refused.output

    output = tmp_path / "out.parquet"
    words = ("export", "-o", output, "--machines", "L1-press", "--signals", "temperature_c", "--format", "parquet")
    assert "60 rows" in linewright(site, *words, "--start", "2026-11-01", "--end", "2026-11-01T01:00:00").output
    assert list(pd.read_parquet(output).columns) == ["machine", "observed_at", "temperature_c"]

    assert linewright(site, "store", "backup", tmp_path / "copy").exit_code == 0
    (site / ".linewright").rename(tmp_path / "lost")
    assert linewright(site, "store", "restore", tmp_path / "copy").exit_code == 0
    assert "press: 2000 rows" in linewright(site, "store", "stats").output


def test_import_says_what_to_stop_when_the_store_is_being_written(tmp_path: Path) -> None:
    site = tmp_path / "site"
    CliRunner().invoke(app, ["init", str(site)])
    writer = open_writer(site / ".linewright", plant=PLANT, clock=PlantClock())
    result = linewright(site, "import", tmp_path / "nothing.csv")
    writer.close()
    assert result.exception is not None
    assert "An import needs the store for itself: stop, import, start again." in str(result.exception)
