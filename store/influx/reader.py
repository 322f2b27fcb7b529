"""Reading a plant's store in InfluxDB, from any number of processes.

The server brings readings onto a grid where InfluxQL can: last, mean, min, max, sum. What it cannot (time integrals,
durations of states, `as_of`) is made here from its raw rows by the functions of the embedded store, at the price of
sending them. Ledger, quarantine and last values are in the instance's folder.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plant.assets import Plant
from plant.clock import microseconds
from plant.signals import Aggregation, LastValue, LedgerLine, Quality, Window
from store.contract import Aggregations
from store.embedded.columns import ClassColumns, all_columns, columns_of, together, wanted_columns
from store.embedded.durations import timed_states
from store.embedded.quarantine import QuarantinedMessage
from store.embedded.reader import open_reader
from store.embedded.windows import (
    Frame,
    Readings,
    aggregation_of,
    grid_of,
    raw_window,
    readings_by_machine,
    stepped_window,
    window_of,
)
from store.influx.query import InfluxQuery, Series, among, name_of, select, within
from store.influx.rows import QUALITY, REVISIONS, fetch
from store.influx.settings import InfluxSettings

READ_TOGETHER: Final = 5
"""Machines whose raw rows are fetched at once; bounds memory."""
SERVER_SIDE: Final = {
    Aggregation.LAST: "last",
    Aggregation.MEAN: "mean",
    Aggregation.MIN: "min",
    Aggregation.MAX: "max",
    Aggregation.SUM: "sum",
}
ROWS: Final = "linewright_rows"


class InfluxReader:
    """Answers from the server; safe to share between threads."""

    def __init__(self, folder: Path, *, plant: Plant, settings: InfluxSettings) -> None:
        """Open it.

        Raises:
            Unavailable: nothing was ever stored from this folder.
        """
        self._account = open_reader(folder, plant=plant)
        self._query = InfluxQuery(settings)
        self._plant = plant
        self._columns = {machine_class.name: columns_of(machine_class) for machine_class in plant.classes}

    def read(
        self,
        machines: Sequence[str],
        *,
        signals: Sequence[str] | None = None,
        start: datetime,
        end: datetime,
        step: timedelta | None = None,
        aggregation: Aggregations = Aggregation.MEAN,
        as_of: datetime | None = None,
    ) -> dict[str, Window]:
        """See `store.contract.ReadingStore.read`."""
        frame = Frame(start=start, end=end, step=step, as_of=as_of)
        by_class: dict[str, list[str]] = {}
        unknown: list[str] = []
        for machine in dict.fromkeys(machines):
            found = self._plant.machine_index.get(machine)
            (unknown if found is None else by_class.setdefault(found.machine_class, [])).append(machine)
        wanted = wanted_columns({name: self._columns[name] for name in by_class or self._columns}, signals)
        windows: dict[str, Window] = {}
        for name, names in by_class.items():
            columns = wanted[name]
            if self._on_server(columns, frame, aggregation):
                windows |= self._stepped(names, columns, frame, aggregation)
            else:
                for first in range(0, len(names), READ_TOGETHER):
                    windows |= self._from_rows(names[first : first + READ_TOGETHER], columns, frame, aggregation)
        nothing = all_columns(wanted)
        windows |= {machine: raw_window(machine, None, frame, columns=nothing) for machine in unknown}
        return {machine: windows[machine] for machine in machines}

    def last_values(self, machines: Sequence[str] | None = None) -> list[LastValue]:
        """The newest value of each signal, as committed with its batch."""
        return self._account.last_values(machines)

    def ledger(self) -> list[LedgerLine]:
        """The account of each topic filter, over all runs."""
        return self._account.ledger()

    def settled(self, run: str) -> int:
        """How many messages of a run of an ingestor are settled."""
        return self._account.settled(run)

    def quarantine(self, limit: int = 100) -> list[QuarantinedMessage]:
        """Rejected messages, newest first."""
        return self._account.quarantine(limit)

    def quarantine_item(self, number: int) -> QuarantinedMessage | None:
        """One rejected message, or None."""
        return self._account.quarantine_item(number)

    def quarantine_dropped(self) -> int:
        """Rejected messages that are gone because the quarantine was full."""
        return self._account.quarantine_dropped()

    def version(self) -> int:
        """A number that changes when something was committed; to poll cheaply."""
        return self._account.version()

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        self._query.close()
        self._account.close()

    def _on_server(self, columns: ClassColumns, frame: Frame, aggregation: Aggregations) -> bool:
        timed = timed_states(columns, aggregation)
        hows = {aggregation_of(name, columns, aggregation) for name in columns.numbers}
        return frame.step is not None and frame.as_of is None and not timed and hows <= set(SERVER_SIDE)

    def _from_rows(
        self, machines: list[str], columns: ClassColumns, frame: Frame, aggregation: Aggregations
    ) -> dict[str, Window]:
        """Windows made here from raw rows, earlier versions among them where `as_of` asks for them."""
        start_us, end_us = microseconds(frame.start), microseconds(frame.end)
        before_us = 0 if frame.step is None else max((columns.hold_us[name] for name in columns.signals), default=0)
        measurements = [columns.name] if frame.as_of is None else [columns.name + REVISIONS, columns.name]
        tables = [
            table
            for measurement in measurements
            if (
                table := fetch(
                    self._query,
                    columns,
                    machines=machines,
                    start_us=start_us - before_us,
                    end_us=end_us,
                    measurement=measurement,
                )
            )
            is not None
        ]
        found = (
            readings_by_machine(together(tables), machines=machines, columns=columns, frame=frame, before_us=before_us)
            if tables
            else {}
        )
        if frame.step is None:
            return {m: raw_window(m, found.get(m), frame, columns=columns) for m in machines}
        return {m: stepped_window(m, found.get(m), frame, columns=columns, aggregation=aggregation) for m in machines}

    def _stepped(
        self, machines: list[str], columns: ClassColumns, frame: Frame, aggregation: Aggregations
    ) -> dict[str, Window]:
        """Windows brought onto the grid by the server."""
        grid = grid_of(frame)
        empty = {m: _empty(columns, len(grid)) for m in machines}
        if len(grid) and columns.signals:
            assert frame.step is not None
            step_us = round(frame.step / timedelta(microseconds=1))
            where = f"{among(machines)} AND {within(microseconds(frame.start), microseconds(frame.end))}"
            chosen = [
                *(
                    f"{SERVER_SIDE[aggregation_of(name, columns, aggregation)]}({name_of(name)}) AS {name_of(name)}"
                    for name in columns.numbers
                ),
                *(f"last({name_of(name)}) AS {name_of(name)}" for name in columns.texts),
                f"count({name_of(QUALITY)}) AS {ROWS}",
            ]
            by = f"time({step_us}u), machine fill(none)"
            asked = select(chosen, columns.name, where=where, by=by)
            for series in self._query.ask(asked):
                _fill(empty[series.tags["machine"]], series, first_us=int(grid[0]), step_us=step_us)
            flags = f"{where} AND {name_of(QUALITY)} > 0"
            flagged = select([name_of(QUALITY)], columns.name, where=flags, by="machine")
            for series in self._query.ask(flagged):
                rows = np.array(series.values, dtype=np.float64).astype(np.int64)
                steps = rows[:, 0] // step_us - int(grid[0]) // step_us
                np.bitwise_or.at(empty[series.tags["machine"]].quality, steps, rows[:, 1].astype(np.uint8))
        return {
            machine: window_of(
                machine,
                frame,
                Readings(observed=grid, numbers=parts.numbers, texts=parts.texts, quality=parts.quality),
            )
            for machine, parts in empty.items()
        }


def _empty(columns: ClassColumns, count: int) -> Readings:
    """Steps in which nothing was reported, to be filled."""
    return Readings(
        observed=np.empty(0, np.int64),
        numbers={name: np.full(count, np.nan) for name in columns.numbers},
        texts={name: np.full(count, None, dtype=object) for name in columns.texts},
        quality=np.full(count, int(Quality.GAP), dtype=np.uint8),
    )


def _fill(parts: Readings, series: Series, *, first_us: int, step_us: int) -> None:
    """Put the server's steps where they belong; a step with a row is no gap."""
    by_name: dict[str, Sequence[Any]] = dict(zip(series.columns, zip(*series.values, strict=True), strict=True))
    steps: NDArray[np.int64] = (np.array(by_name["time"], dtype=np.int64) - first_us) // step_us
    for name, numbers in parts.numbers.items():
        numbers[steps] = np.array([cell if isinstance(cell, int | float) else np.nan for cell in by_name[name]])
    for name, words in parts.texts.items():
        words[steps] = np.array([None if cell is None else str(cell) for cell in by_name[name]], dtype=object)
    told = np.array([bool(count) for count in by_name[ROWS]])
    parts.quality[steps[told]] = int(Quality.GOOD)
