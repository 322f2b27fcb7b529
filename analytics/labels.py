"""`labels.csv`: which readings a person has called normal (0) or not (1).

| column | meaning |
|---|---|
| `machine` | as in the readings; may be left out where the readings have no machine |
| `observed_at` or `cycle` as in the readings, or `row` | which reading; `row` counts the file's rows from 1 |
| `label` | 0 or 1 |

A reading without a label is unlabelled; where no label is 0, the labels list the anomalies, and all others are normal.
"""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plant.errors import ConfigError, DataError, Fault

LABELS: Final = "labels.csv"
ROW: Final = "row"


def read_labels(
    path: Path,
    table: pd.DataFrame,
    *,
    machines: NDArray[np.object_],
    at: NDArray[np.float64],
    time: str,
    label_times: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """The label of every reading: 0, 1, or NaN where there is none. (row,)

    Args:
        path: Of the labels, for messages.
        table: As read from there.
        machines: Of the readings, in the file's order. (row,)
        at: Their times [life units]. (row,)
        time: Name of the time column.
        label_times: Times of the labels where they have that column [life units]. (label,)

    Raises:
        ConfigError: A column is missing, a label is neither 0 nor 1, a reading has both, or there is no such reading.
    """
    if "label" not in table.columns or (label_times is None and ROW not in table.columns):
        found = ", ".join(map(str, table.columns))
        raise _refused(path, found, f"columns `machine`, `{time}` or `{ROW}`, and `label`")
    label = pd.to_numeric(table["label"], errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.flatnonzero((label != 0) & (label != 1))
    if len(wrong):
        found = f"{len(wrong)} labels that are neither, the first {table['label'].iloc[int(wrong[0])]!r} in row "
        raise _refused(path, f"{found}{int(wrong[0]) + 1}", "`label` 1 for an anomaly, 0 for normal")
    named = table["machine"].astype(str).to_numpy(dtype=object) if "machine" in table.columns else None
    if named is not None:
        strange = sorted(set(named.tolist()) - set(machines.tolist()))
        if strange:
            raise _refused(path, f"machine {strange[0]!r}", "a machine that has readings")
    elif len(set(machines.tolist())) > 1:
        raise _refused(path, "no column `machine`", "the machine of each label: the readings have several")
    if label_times is None:
        rows = _by_row(table, path, readings=len(at))
    else:
        rows = _by_time(
            named if named is not None else machines[:1].repeat(len(label)), label_times, machines, at, path
        )
    _agreeing(rows, label, path=path)
    result = np.full(len(at), np.nan)
    result[rows] = label
    if not (label == 0).any():
        result[np.isnan(result)] = 0.0
    return result


def _agreeing(rows: NDArray[np.intp], label: NDArray[np.float64], *, path: Path) -> None:
    """Refuse labels that call one reading both normal and anomalous; the same label twice does no harm."""
    normal = np.isin(rows, rows[label == 0])
    both = np.flatnonzero(normal & np.isin(rows, rows[label == 1]))
    if len(both):
        other = next(int(each) for each in np.flatnonzero(rows == rows[both[0]]) if label[each] != label[both[0]])
        found = f"{len(set(rows[both].tolist()))} readings labelled both 0 and 1, the first in rows {both[0] + 1} and "
        raise _refused(path, f"{found}{other + 1}", "one label per reading")


def _by_row(table: pd.DataFrame, path: Path, *, readings: int) -> NDArray[np.intp]:
    rows = pd.to_numeric(table[ROW], errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~((rows >= 1) & (rows <= readings) & (rows == np.floor(rows))))
    if len(bad):
        found = f"row {table[ROW].iloc[int(bad[0])]!r}"
        expected = f"rows of the readings file, counted from 1 to {readings}; or give the readings a column `row`"
        raise _refused(path, found, expected)
    return rows.astype(np.intp) - 1


def _by_time(
    named: NDArray[np.object_],
    times: NDArray[np.float64],
    machines: NDArray[np.object_],
    at: NDArray[np.float64],
    path: Path,
) -> NDArray[np.intp]:
    known = {key: row for row, key in enumerate(zip(machines.tolist(), at.tolist(), strict=True))}
    rows = [known.get(key, -1) for key in zip(named.tolist(), times.tolist(), strict=True)]
    lost = [number for number, row in enumerate(rows) if row < 0]
    if lost:
        found = f"{len(lost)} labels without a reading, the first of {named[lost[0]]} in row {lost[0] + 1}"
        raise _refused(path, found, "the machine and time of a reading, written as there")
    return np.asarray(rows, dtype=np.intp)


def _refused(path: Path, found: str, expected: str) -> ConfigError:
    return DataError((Fault(where=str(path), found=found, expected=expected),))
