"""What of a batch is new: each table compared with what was stored before."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plant.signals import Batch
from store.embedded.columns import ClassColumns
from store.embedded.keys import Comparison, RecentKeys
from store.embedded.rows import Rows, incoming, reported, without


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """One table of a batch, compared with what was there."""

    machine_class: str
    rows: Rows
    """What is new or revised."""
    comparison: Comparison
    new: NDArray[np.int64]
    """New samples of each message. (message,)"""
    duplicate: NDArray[np.int64]
    """(message,)"""


def prepare(batch: Batch, table: Any, *, columns: ClassColumns, keys: RecentKeys) -> Prepared:
    """Compare one table of a batch with what was stored before.

    Args:
        batch: For how many messages it has.
        table: Its rows of one class, at least one.
        columns: How that class is stored.
        keys: What was stored of it of late.

    Raises:
        ValueError: A column that the machine class does not have, or a missing key column.
    """
    rows = incoming(table, columns, message_filter=batch.message_filter)
    comparison = keys.compare(rows)
    message = rows.message
    total = np.bincount(message, weights=reported(rows), minlength=batch.messages).astype(np.int64)
    duplicate = np.zeros(batch.messages, dtype=np.int64)
    for row, signals in comparison.duplicates.items():
        duplicate[message[row]] += len(signals)
    return Prepared(
        machine_class=columns.name,
        rows=without(rows, comparison.duplicates),
        comparison=comparison,
        new=total - duplicate,
        duplicate=duplicate,
    )
