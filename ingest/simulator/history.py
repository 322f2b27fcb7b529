"""Run-to-failure history: months of the plant at a coarse grain, as batches for the store, with the truth apart.

A history reading stands for the mean over its step, stamped at the step's end, in the same columns as live readings.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ingest.simulator.line import EVENTS, STATES, Occurrence
from ingest.simulator.sensors import Measured
from ingest.simulator.settings import SimulatorSettings
from ingest.simulator.truth import Line
from ingest.simulator.world import DIGITS, Stretch, World
from plant.assets import Plant, SignalKind
from plant.clock import instant
from plant.production import Calendar, Capability, Product
from plant.signals import Batch

FILTER = "simulator/history"
"""The topic filter under which the ledger counts history; one reading counts as one message."""
CHUNK_H = 250.0
"""Plant hours per batch [h]."""
SETTLE_H = 24.0
"""From the service to when the worn machine begins to wear in [h]."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Renewal:
    """What a plant notes about a machine: that it failed, was repaired or was maintained."""

    machine: str
    kind: str
    """`failed`, `repaired` or `maintained`."""
    at: datetime
    mode: str
    """Failure mode; of maintenance the mode that was most worn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """What history made, and the world it left behind for live to go on with."""

    batches: tuple[Batch, ...]
    renewals: tuple[Renewal, ...]
    truth: tuple[Line, ...]
    """Never shown to a model."""
    world: World


def generate(
    plant: Plant,
    *,
    products: Sequence[Product],
    capabilities: Sequence[Capability],
    calendar: Calendar,
    settings: SimulatorSettings,
    until: datetime,
    run: str = "history",
    filters: tuple[str, ...] = (FILTER,),
    progress: Progress | None = None,
) -> History:
    """Make `settings.history_h` hours of history that end exactly at `until`.

    Machines run to failure, but for the share of lives that planned maintenance ends early. Shortly before the end the
    plant is serviced, so that live begins with a plant in order and one worn machine (`settings.worn`).

    Args:
        plant: Its machines.
        products: What is made.
        capabilities: Which line can make which product, and how.
        calendar: When lines run.
        settings: Seed, length and grain.
        until: Where live begins (aware).
        run: Run identifier of the batches.
        filters: Topic filters of the run; all messages count under the first.
        progress: Told the share done [0..1] and a sentence.
    """
    step = timedelta(minutes=settings.history_step_min)
    ticks = int(timedelta(hours=settings.history_h) / step)
    world = World(
        plant,
        products=products,
        capabilities=capabilities,
        calendar=calendar,
        settings=settings,
        start=until - ticks * step,
        tick=step,
    )
    wear_in_h = max(0.0, settings.service_before_h - SETTLE_H)
    service, wear_in = (
        max(0, ticks - int(timedelta(hours=hours) / step)) if settings.service_before_h else -1
        for hours in (settings.service_before_h, wear_in_h)
    )
    batches: list[Batch] = []
    renewals: list[Renewal] = []
    messages = 0
    for first, count in _chunks(ticks, round(timedelta(hours=CHUNK_H) / step), {service, wear_in}):
        if first == service:
            world.service()
        if first == wear_in:
            world.wear_in(hours=wear_in_h)
        stretch = world.advance(count)
        batch = _batch(stretch, plant, world.products, run=run, filters=filters, before=messages)
        messages += batch.messages
        batches.append(batch)
        renewals += renewals_of(stretch.occurrences)
        if progress:
            progress((first + count) / ticks, f"simulated {(first + count) * step / timedelta(hours=24):.0f} days")
    renewals += renewals_of(world.begin_live())
    return History(batches=tuple(batches), renewals=tuple(renewals), truth=tuple(world.take_truth()), world=world)


def renewals_of(occurrences: Sequence[Occurrence]) -> list[Renewal]:
    """What a plant would note of what happened: not that maintenance began, only that it ended."""
    return [
        Renewal(machine=one.machine, kind=one.kind, at=instant(one.at_us), mode=one.mode)
        for one in occurrences
        if one.kind in EVENTS
    ]


def tables_of(
    stretch: Stretch, plant: Plant, products: Sequence[str], *, first_message: int = 0
) -> dict[str, pa.Table]:
    """Readings of all ticks by machine class, in order of time, with the columns of `plant.signals.Batch`.

    Args:
        stretch: What happened and was measured.
        plant: Whose machines the stretch's columns are.
        products: Names by the stretch's product index.
        first_message: Index of the first message in its batch.
    """
    tables: dict[str, pa.Table] = {}
    message = first_message
    ticks = len(stretch.block.at_us)
    for machine_class in plant.classes:
        columns = np.array(
            [index for index, machine in enumerate(plant.machines) if machine.machine_class == machine_class.name]
        )
        if not len(columns):
            continue
        rows = ticks * len(columns)
        names = [plant.machines[index].name for index in columns]
        at_us = np.repeat(stretch.block.at_us, len(columns))
        table: dict[str, pa.Array] = {
            "machine": _text(np.tile(np.arange(len(columns)), ticks), names),
            "observed_at": pa.array(at_us),
            "received_at": pa.array(at_us),
            "message": pa.array(np.arange(message, message + rows, dtype=np.int32)),
            "quality": pa.array(np.zeros(rows, np.uint8)),
        }
        texts = _texts(stretch, products, columns)
        for signal in machine_class.signals:
            if signal.kind in (SignalKind.STATE, SignalKind.EVENT):
                table[signal.name] = texts.get(signal.name, pa.nulls(rows, pa.string()))
            else:
                table[signal.name] = _numbers(stretch.measured, signal.name, columns, rows)
        tables[machine_class.name] = pa.table(table)
        message += rows
    return tables


def _chunks(ticks: int, size: int, cuts: set[int]) -> Iterator[tuple[int, int]]:
    """(first, count) of stretches of at most `size` ticks, some of which begin at `cuts`."""
    first = 0
    while first < ticks:
        end = min([first + size, ticks, *(cut for cut in cuts if cut > first)])
        yield first, end - first
        first = end


def _batch(
    stretch: Stretch, plant: Plant, products: Sequence[str], *, run: str, filters: tuple[str, ...], before: int
) -> Batch:
    tables = tables_of(stretch, plant, products)
    messages = sum(table.num_rows for table in tables.values())
    received = np.zeros(len(filters), np.int64)
    received[0] = before + messages
    return Batch(
        run=run, tables=tables, filters=filters, message_filter=np.zeros(messages, np.int16), received=received
    )


def _numbers(measured: Measured, signal: str, columns: NDArray[np.int64], rows: int) -> pa.Array:
    if signal not in measured.values:
        return pa.nulls(rows, pa.float64())
    values = np.round(measured.values[signal][:, columns].ravel(), DIGITS.get(signal, 3))
    return pa.array(values, mask=np.isnan(values))


def _texts(stretch: Stretch, products: Sequence[str], columns: NDArray[np.int64]) -> Mapping[str, pa.Array]:
    block = stretch.block
    events = block.event[:, columns].ravel()
    chosen = block.product[:, columns].ravel()
    return {
        "state": _text(block.state[:, columns].ravel(), [state.value for state in STATES]),
        "product": _text(chosen, list(products), missing=chosen < 0),
        "maintenance": _text(events, list(EVENTS), missing=events == 0),
    }


def _text(codes: NDArray[Any], names: Sequence[str], *, missing: NDArray[np.bool_] | None = None) -> pa.Array:
    """Text column from indices into names."""
    indices = pa.array(codes.astype(np.int32), mask=missing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string())).cast(pa.string())
