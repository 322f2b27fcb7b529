"""The commands on the store, as a person gives them, on a real site."""

import os
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
from typer.testing import CliRunner, Result

from linewright.chores import Order, Work, carry_out, serve
from linewright.cli.app import app
from linewright.settings.loading import load
from linewright.wiring import open_records, wall_now
from store.embedded.writer import open_writer


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


def test_deletion_is_confirmed_done_and_noted(tmp_path: Path) -> None:
    site = tmp_path / "site"
    CliRunner().invoke(app, ["init", str(site)])
    times = pd.date_range("2026-11-01", periods=100, freq="1min", tz="UTC")
    history = pd.DataFrame({"machine": "L1-press", "observed_at": times, "temperature_c": 50.0})
    history.to_parquet(tmp_path / "history.parquet")
    assert "100 samples new" in linewright(site, "import", tmp_path / "history.parquet").output
    words = ("store", "delete", "--machines", "L1-press", "--start", "2026-11-01", "--end", "2026-11-01T00:30:00")
    asked = CliRunner().invoke(app, [*words, "--site", str(site)], input="n\n")
    assert asked.exit_code == 1
    assert "Only a backup has them then" in asked.output
    assert "30 readings of L1-press are deleted" in linewright(site, *words, "--yes").output
    stats = linewright(site, "store", "stats").output
    assert "press: 70 rows, 2026-11-01 00:30Z" in stats
    assert "deleted: L1-press, 30 rows, 2026-11-01 00:00Z to 2026-11-01 00:30Z" in stats
    assert "Kept: readings for ever" in stats
    assert "Nothing is old enough to go" in linewright(site, "store", "retain").output
    assert "there are" in linewright(site, "store", "delete", "--machines", "nobody", *words[4:], "--yes").output


def test_import_delete_and_retain_go_through_the_writer_that_runs(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    CliRunner().invoke(app, ["init", str(folder)])
    site = load(folder / "linewright.toml", {})
    site = replace(site, store=site.store.model_copy(update={"raw_days": 1.0}))
    times = pd.date_range("2026-11-01", periods=2_000, freq="1min", tz="UTC")
    history = pd.DataFrame({"machine": "L1-press", "observed_at": times, "temperature_c": 50.0})
    history.to_csv(tmp_path / "history.csv", index=False)
    (tmp_path / "bad.csv").write_text("machine,observed_at\nL1-press,yesterday\n")
    stop = threading.Event()
    records = open_records(site)
    records.beat("ingest", pid=os.getpid(), since=wall_now(), at=wall_now(), detail={})
    with closing(records), closing(open_writer(site.data, plant=site.plant, clock=site.clock)) as writer:
        thread = serve(site, writer, stop)
        try:
            far: list[str] = []
            order = Order(work=Work.IMPORT, files=(str(tmp_path / "history.csv"),))
            for expected in ("2000 samples new, 0 were there", "0 samples new, 2000 were there"):
                outcome = carry_out(site, order, wait_s=20, show=far.append)
                assert outcome.done
                assert expected in outcome.sentence
            refused = carry_out(
                site, Order(work=Work.IMPORT, files=(str(tmp_path / "bad.csv"),)), wait_s=20, show=far.append
            )
            assert not refused.done
            assert "ISO 8601" in refused.sentence
            first, past = times[0].to_pydatetime(), times[10].to_pydatetime()
            order = Order(work=Work.DELETE, machines=("L1-press",), start=first, end=past)
            assert "10 readings of L1-press are deleted" in carry_out(site, order, wait_s=20, show=far.append).sentence
            assert carry_out(site, Order(work=Work.RETAIN), wait_s=20, show=far.append).done
            window = writer.read(["L1-press"], start=first, end=times[-1].to_pydatetime())["L1-press"]
            assert len(window) == 1_989
        finally:
            stop.set()
            thread.join()


def test_request_waits_for_ingest_when_that_stops_before_serving_it(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    CliRunner().invoke(app, ["init", str(folder)])
    site = load(folder / "linewright.toml", {})
    times = pd.date_range("2026-11-01", periods=50, freq="1min", tz="UTC")
    pd.DataFrame({"machine": "L1-press", "observed_at": times, "temperature_c": 5.0}).to_parquet(tmp_path / "h.parquet")
    with closing(open_records(site)) as records:
        records.beat("ingest", pid=os.getpid(), since=wall_now(), at=wall_now(), detail={})
    outcome = carry_out(
        site, Order(work=Work.IMPORT, files=(str(tmp_path / "h.parquet"),)), wait_s=0.1, show=lambda _: None
    )
    assert not outcome.done
    assert "the request is kept" in outcome.sentence
    stop = threading.Event()
    with closing(open_writer(site.data, plant=site.plant, clock=site.clock)) as writer:
        thread = serve(site, writer, stop)
        until = time.monotonic() + 20
        while not writer.last_values(["L1-press"]) and time.monotonic() < until:
            time.sleep(0.02)
        stop.set()
        thread.join()
        assert {value.value for value in writer.last_values(["L1-press"])} == {5.0}
