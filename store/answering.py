"""What a writer answers through the reader it carries, the same for every store."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from plant.signals import Aggregation, LedgerLine, Window
from store.contract import Aggregations, ReadingStore
from store.embedded.quarantine import QuarantinedMessage


class Reader(ReadingStore, Protocol):
    """A reading store that also knows its quarantine."""

    def quarantine(self, limit: int = 100) -> list[QuarantinedMessage]:
        """Rejected messages, newest first."""
        ...

    def quarantine_item(self, number: int) -> QuarantinedMessage | None:
        """One rejected message, or None."""
        ...

    def quarantine_dropped(self) -> int:
        """Rejected messages that are gone because the quarantine was full."""
        ...

    def version(self) -> int:
        """A number that changes when something was committed."""
        ...


class Answering:
    """A writer that answers as its reader does."""

    _reader: Reader

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
        return self._reader.read(
            machines, signals=signals, start=start, end=end, step=step, aggregation=aggregation, as_of=as_of
        )

    def ledger(self) -> list[LedgerLine]:
        """The account of each topic filter, over all runs."""
        return self._reader.ledger()

    def quarantine(self, limit: int = 100) -> list[QuarantinedMessage]:
        """Rejected messages, newest first."""
        return self._reader.quarantine(limit)

    def quarantine_item(self, number: int) -> QuarantinedMessage | None:
        """One rejected message, or None."""
        return self._reader.quarantine_item(number)

    def quarantine_dropped(self) -> int:
        """Rejected messages that are gone because the quarantine was full."""
        return self._reader.quarantine_dropped()

    def version(self) -> int:
        """A number that changes when something was committed."""
        return self._reader.version()
