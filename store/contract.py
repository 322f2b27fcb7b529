"""What every store of readings keeps to; `tests/contract` runs the same suite on each of them.

The embedded store is opened with `store.embedded.writer.open_writer` (one process) and
`store.embedded.reader.open_reader` (any number of processes).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from plant.signals import Aggregation, Batch, LastValue, LedgerLine, Receipt, Window

Aggregations = Aggregation | Mapping[str, Aggregation]
"""One for all gauges, or one per signal; what is not named keeps its kind's own: gauges MEAN, all others LAST.

DURATION is of states: given alone, of all of them; named, of that signal. Their last words are told beside it.
"""


class ReadingStore(Protocol):
    """What any process may do with a store: look."""

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
        """What the machines reported in [start, end).

        Args:
            machines: Names; one that the plant does not know gets an empty window.
            signals: Columns; None: all of each machine's class.
            start: First instant, included.
            end: Last instant, excluded.
            step: Grain, on a grid anchored at the epoch; every step that touches the range is present, empty ones as
                NaN or None. None: raw readings.
            aggregation: How the samples of one step become one value. One for all applies to gauges; counters,
                states and events take the last value of the step unless the mapping names a counter. INTEGRAL and
                DURATION let a value hold until the next one, also into the range from before it, but no longer than
                three periods of its signal: what was not heard of is no time at all.
            as_of: Only what had been received by then; None: everything.

        Raises:
            KeyError: a signal that no class of these machines has; the text lists those there are.
            ValueError: DURATION of a signal that is no state.
            Unavailable: the store cannot be read now.
        """
        ...

    def last_values(self, machines: Sequence[str] | None = None) -> list[LastValue]:
        """The newest value of each signal; None: of all machines. At most a second behind the newest batch."""
        ...

    def ledger(self) -> list[LedgerLine]:
        """The account of each topic filter, over all runs."""
        ...

    def close(self) -> None:
        """Let go of the store; safe to call twice."""
        ...


class TimeSeriesStore(ReadingStore, Protocol):
    """Readings of machines over time, with the account of every message that brought them."""

    def write(self, batch: Batch) -> Receipt:
        """Commit a batch durably; on return a power cut loses nothing of it.

        A sample is identified by machine, signal and `observed_at`. The same value again is a duplicate; another value
        is a revision that wins in reads, while the older one still answers `as_of`. Rows flagged
        `Quality.NO_DEVICE_TIME` are always new. NaN and null both mean: not reported.

        Raises:
            Unavailable: the store cannot be written now; nothing of the batch was kept.
        """
        ...

    def delete(self, machine: str, *, start: datetime, end: datetime) -> int:
        """Remove a machine's readings in [start, end) for good, revisions too; returns how many instants went.

        What the ledger counted stays counted; the same readings may be written again.
        """
        ...

    def retain(self, older_than: datetime) -> int:
        """Let go of what is older, at once or by and by as far as the store's files allow; returns the files gone."""
        ...
