"""Tables as other tools write them: read where they mean one thing, refused by file, row and column where not."""

import gzip

import numpy as np
import pandas as pd
import pytest

from analytics.datafolder import read_dataset
from plant.errors import ConfigError

HEAT = (1.25, 2.5, 3.75, 5.0)


def folder_with(folder, text, *, name="readings.csv", encoding="utf-8", **others):
    (folder / name).write_bytes(text.encode(encoding))
    for other, content in others.items():
        (folder / f"{other}.csv").write_text(content, encoding="utf-8")
    return folder


def written(*, heat=tuple(map(str, HEAT)), machine="p1", header="machine,cycle,heat", separator=","):
    rows = [separator.join((machine, str(cycle), cell)) for cycle, cell in enumerate(heat, 1)]
    return "\n".join((header.replace(",", separator), *rows)) + "\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "text",
    [
        written(),
        written(separator=";"),
        written(separator="\t"),
        written(separator=";", heat=("1,25", "2,5", "3,75", "5")),
        written(header=" Machine , Cycle, heat "),
    ],
)
def test_one_table_in_many_spellings(tmp_path, text, encoding):
    dataset = read_dataset(folder_with(tmp_path, text, encoding=encoding))
    (life,) = dataset.lives
    assert (life.machine, life.signals, dataset.notes) == ("p1", ("heat",), ())
    assert life.values[:, 0].tolist() == list(HEAT)


@pytest.mark.parametrize("machine", ["007", "1.0", "NA", "Säge 机器", "a/b"])
def test_the_name_of_a_machine_stays_as_it_is_written(tmp_path, machine):
    failures = f"machine,failed_at,mode\n{machine},3,NA\n"
    lives = read_dataset(folder_with(tmp_path, written(machine=machine), failures=failures)).lives
    assert [(life.machine, life.failed, life.mode) for life in lives] == [(machine, True, "NA"), (machine, False, "")]


def test_whole_numbers_name_the_same_machine_in_parquet_and_csv(tmp_path):
    table = pd.DataFrame({"machine": [1.0, 1.0, 2.0], "cycle": [1, 2, 1], "heat": [1.0, 2.0, 3.0]})
    table.to_parquet(tmp_path / "readings.parquet")
    (tmp_path / "failures.csv").write_text("machine,failed_at\n1,2\n")
    assert [(life.machine, life.failed) for life in read_dataset(tmp_path).lives] == [("1", True), ("2", False)]


def test_what_is_not_used_is_noted(tmp_path):
    text = written(heat=("1", "inf", "-2e40", "4")) + "p1,4,4\n"
    text = "\n".join(line + (",auto" if number else ",mode_name") for number, line in enumerate(text.split()))
    folder = folder_with(tmp_path, text, failures="machine,failed_at\np1,0\n")
    dataset = read_dataset(folder)
    (life,) = dataset.lives
    assert np.isnan(life.values[1:3, 0]).all()
    assert life.values[[0, 3], 0].tolist() == [1.0, 4.0]
    assert dataset.notes == (
        "readings.csv: mode_name left out: text, no numbers",
        "readings.csv: 1 row left out that repeat an earlier one, the first row 5",
        "failures or maintenance before the first reading of the machine are not used: p1",
        "2 readings infinite or beyond 1e+30 taken as missing, the first of heat in row 2",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an empty file"),
        ("machine,cycle,heat\n", "no row"),
        (written(heat=("1", "2", "ERR")), "text in heat: 1 cell, the first 'ERR' in row 3"),
        (written(heat=('"1,25"', '"2,5"')), "text in heat: 2 cells, the first '1,25' in row 1"),
        (written(machine=""), "4 rows without a machine, the first row 1"),
        (written(header="machine,cycle,heat,heat"), "column heat twice"),
        (written() + "p1,9,1,2,3\n", "line 6"),
        (written().replace("p1,2", "p1,3e11"), "`cycle` 300000000000.0 in row 2"),
        (written(header="machine,observed_at,heat").replace("p1,", "p1,176700000"), "time_unit"),
        (written() + "p1,2,9\n", "1 reading twice, the first of p1 in row 5"),
    ],
)
def test_what_could_mean_two_things_is_refused_by_row_and_column(tmp_path, text, words):
    with pytest.raises(ConfigError) as refused:
        read_dataset(folder_with(tmp_path, text))
    assert words in str(refused.value)


def test_files_that_are_no_tables_are_refused(tmp_path):
    whole = gzip.compress(written(heat=tuple(map(str, np.random.default_rng(1).random(200)))).encode())
    (tmp_path / "readings.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match="ended before the end-of-stream"):
        read_dataset(tmp_path)
    folder_with(tmp_path, written())
    with pytest.raises(ConfigError, match=r"readings.csv.gz, readings.csv; one file of readings"):
        read_dataset(tmp_path)
    (tmp_path / "readings.csv.gz").unlink()
    folder_with(tmp_path, written(machine="Säge"), encoding="latin-1")
    with pytest.raises(ConfigError, match="no UTF-8"):
        read_dataset(tmp_path)
    folder_with(tmp_path, written(), failures="machine,failed_at\np1,2026-01-01\n")
    with pytest.raises(ConfigError, match="all times of the folder written alike"):
        read_dataset(tmp_path)
    (tmp_path / "dataset.toml").write_bytes(b'name = "x" # \xe4')
    with pytest.raises(ConfigError, match="TOML in UTF-8"):
        read_dataset(tmp_path)
