"""The tables of a data folder as they come from elsewhere: CSV of any separator and decimal mark, or Parquet.

What can be read in one way only is read so, and what was done about it is noted for the user; what could mean two
things is refused with its file, row and column. Rows are counted from 1 below the header.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plant.errors import ConfigError, DataError, Fault

MACHINE: Final = "machine"
TIMES: Final = ("cycle", "observed_at")
WORDS: Final = (MACHINE, "mode", "event")
"""Columns of names: 007 stays 007, and NA is a name."""
OURS: Final = (*WORDS, *TIMES, "row", "label", "failed_at", "maintained_at")
"""Columns with a meaning; found whatever their case."""
MISSING: Final = ("", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None")
"""What stands for no reading."""
SEPARATORS: Final = (",", ";", "\t")
UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
GREATEST: Final = 1e30
"""A reading beyond it is none; its square still fits a number."""
HOUR_US: Final = 3_600_000_000
MOST_HOURS: Final = 7.0e7
"""Hours from 1970 to the year 9956: what lies beyond isn't told in hours [h]."""
MOST_CYCLES_H: Final = 2.5e9
"""Hours that still count in microseconds [h]."""
SHOWN: Final = 5
"""Names listed in a fault; the others are counted."""


def read_table(path: Path) -> pd.DataFrame:
    """A table as it is written; names of columns without spaces around them, ours in lower case.

    Raises:
        ConfigError: The file cannot be read as a table.
    """
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except UnicodeDecodeError as broken:
        raise refused(path, f"bytes that are no UTF-8 ({broken.reason})", "a table saved as UTF-8") from broken
    except (OSError, EOFError, ValueError, zlib.error, csv.Error) as broken:
        raise refused(path, str(broken).splitlines()[0], "a whole table that can be read") from broken
    names_ = [_name(str(column)) for column in table.columns]
    exact = {name for name in table.columns if name in OURS}
    table.columns = pd.Index(
        [short if short not in exact else name for name, short in zip(table.columns, names_, strict=True)]
    )
    twice = sorted({str(name) for name in table.columns[table.columns.duplicated()]})
    if twice:
        raise refused(path, f"column {names(twice)} twice", "a name for each column")
    for name in WORDS:
        if name in table.columns:
            table[name] = _words(table[name])
    return table


def machines_of(table: pd.DataFrame, *, path: Path) -> NDArray[np.object_]:
    """The machine of each row. (row,)"""
    found = table[MACHINE].to_numpy(dtype=object)
    blank = np.flatnonzero(found == "")
    if len(blank):
        where = f"{count(len(blank), 'row')} without a machine, the first row {int(blank[0]) + 1}"
        raise refused(path, where, f"a name in `{MACHINE}` in every row")
    return found


def instants(column: pd.Series, *, unit_h: float, path: Path, like: pd.Series | None = None) -> NDArray[np.float64]:
    """Times in life units: numbers as they are, ISO 8601 since 1970. (row,)

    Args:
        column: As read.
        unit_h: Hours of a life unit [h].
        path: For messages.
        like: The times of the readings, which these are to be written like.
    """
    counted = pd.api.types.is_numeric_dtype(column)
    if counted:
        times = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        read = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
        us = read.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
        times = np.where(np.isnat(us), np.nan, us.astype(np.int64) / (HOUR_US * unit_h))
    bad = np.flatnonzero(~np.isfinite(times))
    if len(bad):
        found = f"{count(len(bad), 'time')} that {'is' if len(bad) == 1 else 'are'} none, the first "
        found += f"{_shown(column.iloc[int(bad[0])])} in row {int(bad[0]) + 1}"
        raise refused(path, found, f"`{column.name}` as numbers or ISO 8601, e.g. 2026-11-23T06:00:00Z")
    if like is not None and len(column) and counted != pd.api.types.is_numeric_dtype(like):
        found = f"`{column.name}` {column.iloc[0]} where the readings have `{like.name}` {like.iloc[0]}"
        raise refused(path, found, "all times of the folder written alike")
    most_h = MOST_CYCLES_H if column.name == "cycle" else MOST_HOURS
    far = np.flatnonzero(np.abs(times) * unit_h > most_h)
    if len(far):
        found = f"`{column.name}` {column.iloc[int(far[0])]} in row {int(far[0]) + 1}, counted in units of {unit_h:g} h"
        expected = 'instants before the year 9956; say the unit in dataset.toml (time_unit = "s", "min", "h" or "d")'
        raise refused(path, found, expected)
    return np.asarray(times, dtype=np.float64)


def text_columns(table: pd.DataFrame, named: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Cells of each column of text that are no number: how many, and the first. {column: (cells, row)}"""
    found = {}
    for name in named:
        if name in table.columns and not pd.api.types.is_numeric_dtype(table[name]):
            column = table[name]
            wrong = np.flatnonzero((pd.to_numeric(column, errors="coerce").isna() & column.notna()).to_numpy())
            found[name] = (len(wrong), int(wrong[0]) if len(wrong) else 0)
    return found


def numbers(table: pd.DataFrame, signals: Sequence[str]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Readings, NaN where there is none; and a note where values are beyond all measure. (row, signal)"""
    values = table[list(signals)].apply(pd.to_numeric).to_numpy(dtype=np.float64, na_value=np.nan)
    beyond = np.abs(values) > GREATEST
    if not beyond.any():
        return values, ()
    row, column = (int(part[0]) for part in np.nonzero(beyond))
    note = f"{count(int(beyond.sum()), 'reading')} infinite or beyond {GREATEST:g} taken as missing, the first of "
    note += f"{signals[column]} in row {row + 1}"
    return np.where(beyond, np.nan, values), (note,)


def names(listed: Iterable[object]) -> str:
    """Some names of many, for a message."""
    each = [str(name) for name in listed]
    more = f" and {len(each) - SHOWN} more" if len(each) > SHOWN else ""
    return ", ".join(each[:SHOWN]) + more


def count(number: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "row"), count(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def refused(path: Path, found: str, expected: str) -> ConfigError:
    """One fault of a file, ready to raise."""
    return DataError((Fault(where=str(path), found=found, expected=expected),))


def _read_csv(path: Path) -> pd.DataFrame:
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        encoding = "utf-16" if file.read(2) in UTF16_MARKS else "utf-8-sig"
    with opened(path, "rt", encoding=encoding, newline="") as file:
        line = next((line for line in file if line.strip()), "")
    if not line:
        raise ValueError("an empty file, without the names of the columns")
    separator = max(SEPARATORS, key=line.count)
    header = next(csv.reader([line], delimiter=separator))
    known = [_name(name) for name in header]
    twice = sorted({name for name in known if name and known.count(name) > 1})
    if twice:
        raise ValueError(f"column {names(twice)} twice")
    words = [name for name, short in zip(header, known, strict=True) if short in WORDS]
    how: dict[str, Any] = {
        "sep": separator,
        "encoding": encoding,
        "dtype": dict.fromkeys(words, str),
        "keep_default_na": False,
        "na_values": {name: [] if name in words else list(MISSING) for name in header},
        "index_col": False,
    }
    table: pd.DataFrame = pd.read_csv(path, **how)
    signals = [name for name in table.columns if _name(str(name)) not in OURS]
    texts = text_columns(table, signals)
    if separator != "," and any(_with_comma(table[name]) for name in texts):
        other: pd.DataFrame = pd.read_csv(path, decimal=",", **how)
        if len(text_columns(other, signals)) < len(texts):
            return other
    return table


def _with_comma(column: pd.Series) -> bool:
    """Whether a cell is a number with a decimal comma."""
    return bool(column.dropna().astype(str).str.fullmatch(r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*").any())


def _name(name: str) -> str:
    short = re.sub(r"^\ufeff", "", name).strip()
    return short.lower() if short.lower() in OURS else short


def _words(column: pd.Series) -> pd.Series:
    """Names as text, empty where there is none; whole numbers as such."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype(object).where(column.notna(), "").astype(str).str.strip().astype(object)


def _shown(cell: object) -> str:
    return "an empty cell" if pd.isna(cell) else repr(cell)  # type: ignore[call-overload]  # of any kind
