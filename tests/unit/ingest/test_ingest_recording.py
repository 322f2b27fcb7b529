"""Recorded files become rows in the order of time."""

import gzip
from datetime import UTC, datetime

import pandas as pd
import pytest

from ingest.recording import load_recording, read_rows, recorded_files
from ingest.replay import _with_endings
from plant.clock import microseconds
from plant.errors import ConfigError, Unavailable

MAPPING = """
files = "{files}"
format = "{format}"
machine_column = "unit"
machine_name = "engine-{{value:03d}}"
time_column = "t"
time_unit = "{unit}"
{more}
"""


def recording(folder, *, files="data.csv", file_format="csv", unit="s", more=""):
    path = folder / "mapping.toml"
    path.write_text(MAPPING.format(files=files, format=file_format, unit=unit, more=more))
    return load_recording(path)


def rows_of(settings):
    return [row for path in recorded_files(settings) for row in read_rows(path, settings=settings)]


def test_read_rows_sorts_csv_by_time_over_machines_and_leaves_gaps_out(tmp_path):
    (tmp_path / "data.csv").write_text("unit,t,a,state\n2,3,1.5,Idle\n1,1,,Execute\n1,2.5,7,\n")
    rows = rows_of(recording(tmp_path))
    assert [(row.machine, row.at_us) for row in rows] == [
        ("engine-001", 1_000_000),
        ("engine-001", 2_500_000),
        ("engine-002", 3_000_000),
    ]
    assert [row.fields for row in rows] == [{"state": "Execute"}, {"a": 7.0}, {"a": 1.5, "state": "Idle"}]


def test_read_rows_reads_packed_whitespace_without_header_by_cycle(tmp_path):
    (tmp_path / "data.txt.gz").write_bytes(gzip.compress(b"1 1 0.5 \n1 2 0.75 \n2 1 0.25 \n"))
    more = 'columns = ["unit", "t", "s"]\ncycle_h = 2.0\nstart = 2026-01-01T00:00:00Z'
    settings = recording(tmp_path, files="*.gz", file_format="whitespace", unit="cycle", more=more)
    start = microseconds(datetime(2026, 1, 1, tzinfo=UTC))
    assert [(row.machine, row.at_us - start, row.fields) for row in rows_of(settings)] == [
        ("engine-001", 0, {"s": 0.5}),
        ("engine-002", 0, {"s": 0.25}),
        ("engine-001", 7_200_000_000, {"s": 0.75}),
    ]


def test_read_rows_lets_machines_end_together_when_aligned_so(tmp_path):
    (tmp_path / "data.csv").write_text("unit,t,a\n1,1,1\n1,2,1\n2,1,1\n2,2,1\n2,3,1\n")
    more = 'align = "end"\nstart = 2026-01-01T00:00:00Z'
    rows = rows_of(recording(tmp_path, unit="cycle", more=more))
    end = microseconds(datetime(2026, 1, 1, tzinfo=UTC))
    assert [row.machine for row in rows if row.at_us == end] == ["engine-001", "engine-002"]
    assert rows[0] == ("engine-002", end - 7_200_000_000, {"a": 1})


def test_read_rows_reads_parquet_with_timestamps_and_chosen_columns(tmp_path):
    times = pd.to_datetime(["2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:01.000000Z"])
    pd.DataFrame({"unit": [1, 1], "t": times, "x": [1.0, None], "y": [3, 4]}).to_parquet(tmp_path / "data.parquet")
    settings = recording(
        tmp_path, files="*.parquet", file_format="parquet", unit="iso", more='[signals]\npower_kw = "x"'
    )
    rows = rows_of(settings)
    assert rows[0].fields == {"power_kw": 1.0}
    assert rows[0].at_us % 1_000_000 == 1
    assert len(rows) == 1


def test_read_rows_names_a_machine_by_its_file(tmp_path):
    (tmp_path / "oven.csv").write_text("t,a\n2026-01-01T00:00:00Z,1\n")
    path = tmp_path / "mapping.toml"
    path.write_text('files = "*.csv"\ntime_column = "t"\ntime_unit = "iso"\nmachine_name = "L1-{value}"\n')
    assert rows_of(load_recording(path))[0].machine == "L1-oven"


@pytest.mark.parametrize(("unit", "written"), [("ms", "1500"), ("us", "1500000"), ("ns", "1500000000")])
def test_read_rows_reads_whole_ticks_exactly(tmp_path, unit, written):
    (tmp_path / "data.csv").write_text(f"unit,t,a\n1,{written},1\n")
    assert rows_of(recording(tmp_path, unit=unit))[0].at_us == 1_500_000


def test_endings_follow_each_machine_in_the_order_of_time(tmp_path):
    (tmp_path / "data.csv").write_text("unit,t,a\n1,1,1\n2,1,1\n2,10,1\n")
    settings = recording(tmp_path, more='ends_in = "failed"')
    told = list(_with_endings(iter(rows_of(settings)), settings=settings))
    assert [(row.machine, row.at_us, ending) for row, ending in told] == [
        ("engine-001", 1_000_000, False),
        ("engine-002", 1_000_000, False),
        ("engine-001", 2_000_000, True),
        ("engine-002", 10_000_000, False),
        ("engine-002", 11_000_000, True),
    ]
    assert told[2][0].fields == {"maintenance": "failed"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("unit,t,b\n1,soon,1\n", "every row needs a time"),
        ("unit,t,b\n1,,1\n", "every row needs a time"),
        ("unit,b\n1,1\n", "it must have t"),
        ("unit,t,b\nx,1,1\n", "machine_name"),
        ("", "must be csv"),
    ],
)
def test_read_rows_says_what_a_file_lacks(tmp_path, text, says):
    (tmp_path / "data.csv").write_text(text)
    with pytest.raises(ConfigError, match=says):
        rows_of(recording(tmp_path))


def test_read_rows_says_when_a_packed_file_is_cut(tmp_path):
    (tmp_path / "data.csv.gz").write_bytes(gzip.compress(b"unit,t,a\n" + b"1,2,3\n" * 5_000)[:-20])
    with pytest.raises(Unavailable, match="whole"):
        rows_of(recording(tmp_path, files="*.gz"))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('colour = "red"', "colour"),
        ("cycle_h = 0", "greater than 0"),
        ("start = 2026-01-01T00:00:00", "no zone"),
        ('columns = ["t", "a"]', "unit is not among"),
        ("= 3", "readable TOML"),
    ],
)
def test_load_recording_reports_the_fault_of_the_file(tmp_path, more, says):
    with pytest.raises(ConfigError, match=says):
        recording(tmp_path, more=more)


def test_recorded_files_says_where_it_looked(tmp_path):
    with pytest.raises(ConfigError, match=r"data\.csv"):
        recorded_files(recording(tmp_path))
