"""What the Machine page reads of one machine's past, in one question to the store."""

from dataclasses import dataclass
from datetime import datetime

from analytics.quality import flag
from linewright.console.views.machine_view import (
    Range,
    Segment,
    SignalSeries,
    aggregations,
    signal_series,
    state_segments,
)
from linewright.settings.site import Site
from linewright.wiring import StoreReader
from plant.risks import Risk
from store.books.entries import Renewal
from store.records import Records


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineHistory:
    """One machine over one range of time."""

    start: datetime
    end: datetime
    series: tuple[SignalSeries, ...]
    segments: tuple[Segment, ...]
    risks: tuple[Risk, ...]
    renewals: tuple[Renewal, ...]
    """Maintenance events, the newest first."""


def read_history(
    reader: StoreReader, records: Records, *, site: Site, machine: str, span: Range, now: datetime
) -> MachineHistory:
    """Signals, states, risks and maintenance of a machine up to now."""
    machine_class = site.plant.class_of(machine)
    window = reader.read(
        [machine], start=now - span.length, end=now, step=span.step, aggregation=aggregations(machine_class)
    )[machine]
    return MachineHistory(
        start=now - span.length,
        end=now,
        series=signal_series(window, machine_class=machine_class, flags=flag(window, machine_class)),
        segments=state_segments(window, plant=site.plant),
        risks=tuple(records.risk_history(machine, start=now - span.length, end=now)),
        renewals=tuple(reversed(records.maintenance(machine)))[:20],
    )
