"""Damage named and set aside, backup and restore, SQL, export and import: on real folders."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from plant.clock import PlantClock
from plant.errors import ConfigError, Unavailable
from plant.signals import Aggregation
from store.embedded.care import back_up, counts, examine, restore
from store.embedded.reader import open_reader
from store.embedded.writer import EmbeddedWriter
from store.exporting import Format, export
from store.importing import ImportMapping, importing, load_mapping
from store.sql import SqlError, ask
from tests.contract.batches import PLANT, at, batch, row, series
from tests.unit.store.conftest import Open

MACHINES = [machine.name for machine in PLANT.machines]


@pytest.fixture
def filled(open_store: Open) -> EmbeddedWriter:
    """Two sealed windows of a press, one of an oven, and hot rows with a revision."""
    store = open_store()
    store.write(batch(*series("L1-press", 300), row("L1-oven", 0, pressure_bar=1.5)))
    store.seal()
    store.write(batch(*series("L1-press", 300, first=8_000)))
    store.seal()
    store.write(batch(row("L1-press", 8_299, temperature_c=-1.0, received=9_000), row("L1-press", 9_000, state="Held")))
    return store


def import_file(store: EmbeddedWriter, path: Path, **how: Any) -> tuple[int, int]:
    """Import a file to its end; samples new, and samples that were there."""
    *_, last = importing(store, path, **how)
    return last.new, last.known


def damage(folder: Path) -> Path:
    """Flip a byte in the data of the oldest press segment."""
    path = min((folder / "segments" / "press").glob("*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    return path


def test_verify_names_a_damaged_file_and_readers_serve_the_rest(filled: EmbeddedWriter, folder: Path) -> None:
    assert [found for found in examine(folder) if found] == []
    path = damage(folder)
    (found,) = [found for found in examine(folder) if found]
    assert (found.file, found.rows, found.set_aside) == (f"press/{path.name}", 300, False)
    assert "checksum" in found.why
    reader = open_reader(folder, plant=PLANT)
    assert len(reader.read(["L1-press"], start=at(0), end=at(10_000))["L1-press"]) == 301
    assert len(reader.read(["L1-oven"], start=at(0), end=at(10_000))["L1-oven"]) == 1
    reader.close()


def test_damaged_file_is_set_aside_by_verifying_or_when_compaction_meets_it(open_store: Open, folder: Path) -> None:
    store = open_store()
    for first in (0, 500, 1_000):
        store.write(batch(*series("L1-press", 300, first=first)))
        store.seal()
    path = damage(folder)
    assert store.compact() == 1
    assert (folder / "damaged" / "press" / path.name).exists()
    assert not path.exists()
    (found,) = [found for found in examine(folder) if found]
    assert (found.file, found.set_aside) == (f"press/{path.name}", True)
    assert len(store.read(["L1-press"], start=at(0), end=at(10_000))["L1-press"]) == 600
    damage(folder)
    assert store.set_damaged_aside() == 1
    assert len(store.read(["L1-press"], start=at(0), end=at(10_000))["L1-press"]) == 0
    assert len([found for found in examine(folder) if found]) == 2


def test_readers_serve_the_rest_when_a_file_was_deleted_by_hand(filled: EmbeddedWriter, folder: Path) -> None:
    min((folder / "segments" / "press").glob("*.parquet")).unlink()
    assert len(filled.read(["L1-press"], start=at(0), end=at(10_000))["L1-press"]) == 301


def test_readers_take_the_rows_when_a_rollup_is_damaged(filled: EmbeddedWriter, folder: Path) -> None:
    filled.compact()
    frame = {"start": at(0), "end": at(10_000), "step": timedelta(minutes=1)}
    before = filled.read(["L1-press"], **frame)["L1-press"]
    for path in (folder / "rollups").glob("*/*.parquet"):
        path.write_bytes(b"PAR1 no longer")
    reader = open_reader(folder, plant=PLANT)
    after = reader.read(["L1-press"], **frame)["L1-press"]
    assert after.states["state"].tolist() == before.states["state"].tolist()
    pd.testing.assert_series_equal(pd.Series(after.values["temperature_c"]), pd.Series(before.values["temperature_c"]))
    reader.close()


def test_backup_is_the_store_of_one_instant_and_restores_where_there_is_none(
    filled: EmbeddedWriter, folder: Path, tmp_path: Path
) -> None:
    filled.compact()
    assert back_up(folder, tmp_path / "copy") == 6  # three segments, each with its rollup by the hour
    with pytest.raises(Unavailable, match="is not empty"):
        back_up(folder, tmp_path / "copy")
    with pytest.raises(Unavailable, match=r"There is a store at .* already"):
        restore(tmp_path / "copy", folder)
    filled.write(batch(row("L1-press", 9_500, state="Idle")))
    filled.close()
    shutil.rmtree(folder)
    assert restore(tmp_path / "copy", folder) == 6
    reader = open_reader(folder, plant=PLANT)
    assert len(reader.read(["L1-press"], start=at(0), end=at(10_000))["L1-press"]) == 601
    assert reader.ledger()[0].stored > 600
    reader.close()


def test_counts_tell_rows_bytes_and_span_of_each_class(filled: EmbeddedWriter, folder: Path) -> None:
    oven, press = counts(folder)
    assert (oven.machine_class, oven.rows, oven.hot_rows) == ("oven", 1, 0)
    assert (press.rows, press.hot_rows, press.segments, press.start, press.end) == (600, 2, 2, at(0), at(9_000))
    assert press.bytes > 0


def test_sql_sees_hot_and_sealed_rows_once_with_the_newest_value(filled: EmbeddedWriter, folder: Path) -> None:
    answer = ask(
        folder, "SELECT machine, count(*), max(good_parts), min(temperature_c) FROM press GROUP BY machine", plant=PLANT
    )
    assert list(answer.rows) == [("L1-press", 601, 8_299.0, -1.0)]
    (latest,) = ask(
        folder, "SELECT temperature_c, good_parts FROM press ORDER BY time DESC LIMIT 1 OFFSET 1", plant=PLANT
    ).rows
    assert latest == (-1.0, 8_299.0)
    assert list(ask(folder, "SELECT count(*) FROM press_rows", plant=PLANT).rows) == [(602,)]
    assert list(ask(folder, "SELECT pressure_bar FROM oven", plant=PLANT).rows) == [(1.5,)]


def test_sql_tells_how_long_each_state_held_as_read_does_and_shows_rollups(
    filled: EmbeddedWriter, folder: Path
) -> None:
    filled.compact()
    frame = {"start": at(-3_600), "end": at(20_000), "step": timedelta(hours=24)}
    window = filled.read(["L1-press"], **frame, aggregation=Aggregation.DURATION)["L1-press"]
    rows = ask(folder, "SELECT state, sum(seconds) FROM press_states GROUP BY state", plant=PLANT).rows
    assert dict(rows) == {word: sum(seconds) for word, seconds in window.durations["state"].items()}
    ((count, least),) = ask(folder, 'SELECT sum("temperature_c.n"), min(time) FROM press_1h', plant=PLANT).rows
    assert (count, least.hour) == (600, 22)


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '/tmp/linewright-sql-test.csv'",
        "SELECT * FROM read_csv('/etc/hostname')",
        "INSTALL httpfs",
        "ATTACH '/tmp/linewright-sql-test.db'",
        "SET threads = 1",
        "SELECT 1; SELECT 2",
        "SELECT nothing FROM press",
        "DROP VIEW press",
    ],
)
def test_sql_refuses_whatever_is_no_reading_of_the_store(filled: EmbeddedWriter, folder: Path, statement: str) -> None:
    with pytest.raises(SqlError):
        list(ask(folder, statement, plant=PLANT).rows)


@pytest.mark.parametrize("kind", list(Format))
def test_export_writes_what_read_gives_and_import_brings_it_back_once(
    filled: EmbeddedWriter, open_store: Open, folder: Path, tmp_path: Path, kind: Format
) -> None:
    path, shares = tmp_path / f"readings.{kind}", []
    frame = {"start": at(0), "end": at(10_000)}
    rows = export(
        filled, path, plant=PLANT, machines=MACHINES, signals=None, kind=kind, progress=shares.append, **frame
    )
    assert rows == 602
    assert shares[-1] == 1.0
    if kind is Format.ARROW:
        return
    filled.close()
    shutil.rmtree(folder)
    other = open_store()
    for expected in ((1_802, 0), (0, 1_802)):
        found = import_file(other, path, run="import", mapping=ImportMapping(), plant=PLANT, clock=PlantClock())
        assert found == expected
    window = other.read(["L1-press"], **frame)["L1-press"]
    assert len(window) == 601
    assert window.values["temperature_c"][-2] == -1.0
    assert window.states["state"][-1] == "Held"


def test_import_takes_a_foreign_file_by_its_mapping_and_names_what_does_not_fit(
    open_store: Open, tmp_path: Path
) -> None:
    table = pd.DataFrame({"t": [1.5, 2.5], "Tool": ["P1", "P1"], "Temp": [20.0, 21.0], "Mode": ["Idle", None]})
    table.to_csv(tmp_path / "old.csv", index=False)
    (tmp_path / "map.toml").write_text(
        'machine = "Tool"\ntime = "t"\ntime_unit = "s"\nmachines = {P1 = "L1-press"}\n'
        'columns = {temperature_c = "Temp", state = "Mode"}\n'
    )
    store = open_store()
    mapping = load_mapping(tmp_path / "map.toml")
    args = {"run": "import", "plant": PLANT, "clock": PlantClock()}
    assert import_file(store, tmp_path / "old.csv", mapping=mapping, **args) == (3, 0)
    assert {value.observed_at_us for value in store.last_values() if value.value == 21.0} == {2_500_000}
    with pytest.raises(ConfigError, match="Tool"):
        import_file(store, tmp_path / "old.csv", mapping=ImportMapping(), **args)
    with pytest.raises(ConfigError, match="P1"):
        import_file(store, tmp_path / "old.csv", mapping=mapping.model_copy(update={"machines": {}}), **args)
    (tmp_path / "map.toml").write_text('machin = "Tool"')
    with pytest.raises(ConfigError, match="machin"):
        load_mapping(tmp_path / "map.toml")


def test_files_are_plain_parquet_that_other_tools_read(filled: EmbeddedWriter, folder: Path) -> None:
    filled.compact()
    table = pq.ParquetDataset(folder / "segments" / "press").read()
    assert len(table) == 602
    assert pd.read_parquet(folder / "segments" / "oven")["pressure_bar"].tolist() == [1.5]
