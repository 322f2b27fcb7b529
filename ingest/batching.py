"""Gathering decoded messages into columns that are committed together."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ingest.decode.fast import Column
from ingest.decode.values import Value
from plant.assets import MachineClass, Plant, SignalKind
from plant.signals import Batch, Quality, Rejection, RejectionReason

_FIXED: Final = 5
"""Columns before the signals."""


@dataclass(kw_only=True, slots=True)
class _Columns:
    """Rows of one machine class while they gather."""

    machine: list[str] = field(default_factory=list)
    observed_at: list[int] = field(default_factory=list)
    received_at: list[int] = field(default_factory=list)
    message: list[int] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)
    rows: list[tuple[Value, ...]] = field(default_factory=list)


class _Block(NamedTuple):
    """Rows of one machine class that were decoded together."""

    messages: NDArray[np.int64]
    machines: NDArray[np.int32]
    """By their number in the plant."""
    observed_at: NDArray[np.int64]
    received_at: NDArray[np.int64]
    values: Sequence[Column]


class Batcher:
    """Holds the messages that are not committed yet; `take` gives them as one batch and begins anew."""

    def __init__(self, *, run: str, plant: Plant, filters: tuple[str, ...], clock_skew_limit_us: int) -> None:
        self._run = run
        self._filters = filters
        self._classes = plant.class_index
        self._schemas = {name: table_schema(each) for name, each in plant.class_index.items()}
        self._skew_us = clock_skew_limit_us
        self._stamps: dict[str, int] = {}
        self._columns: dict[str, _Columns] = {}
        self._blocks: dict[str, list[_Block]] = {}
        self._machines = pa.array(list(plant.machine_index), pa.string())
        self._numbers = {name: number for number, name in enumerate(plant.machine_index)}
        self._message_filter = array("h")
        self._rejections: list[Rejection] = []
        self._copies: list[tuple[int, int]] = []
        self.payload_bytes = 0
        """Payload of the messages held [byte]."""

    def __len__(self) -> int:
        return len(self._message_filter)

    def open_message(self, topic_filter: int, *, payload_bytes: int) -> int:
        """Give a message its place in the batch: the index that rows and rejections refer to."""
        self._message_filter.append(topic_filter)
        self.payload_bytes += payload_bytes
        return len(self._message_filter) - 1

    def add(
        self,
        message: int,
        *,
        machine: str,
        machine_class: str,
        observed_at_us: int | None,
        received_at_us: int,
        values: tuple[Value, ...],
        told: Quality = Quality.GOOD,
    ) -> int:
        """Add the reading of an open message, with what it `told` of its own quality; its time [µs UTC].

        Without a device time it takes the time of reception, moved on by microseconds where the machine's last one was
        no earlier: readings that were read together must not overwrite each other.
        """
        quality = told
        if observed_at_us is None:
            observed_at_us = max(received_at_us, self._stamps.get(machine, -1) + 1)
            self._stamps[machine] = observed_at_us
            quality |= Quality.NO_DEVICE_TIME
        elif abs(observed_at_us - received_at_us) > self._skew_us:
            quality |= Quality.CLOCK_SKEW
        columns = self._columns.get(machine_class)
        if columns is None:
            columns = self._columns[machine_class] = _Columns()
        columns.machine.append(machine)
        columns.observed_at.append(observed_at_us)
        columns.received_at.append(received_at_us)
        columns.message.append(message)
        columns.quality.append(int(quality))
        columns.rows.append(values)
        return observed_at_us

    def open_messages(self, topic_filters: NDArray[np.int32]) -> None:
        """Give several messages their places, one after the other."""
        self._message_filter.frombytes(topic_filters.astype(np.int16).tobytes())

    @property
    def signals(self) -> dict[str, tuple[str, ...]]:
        """Signals of each machine class, in the order of a reading's values."""
        return {name: tuple(signal.name for signal in each.signals) for name, each in self._classes.items()}

    def number_of(self, machine: str) -> int:
        """What `add_columns` calls a machine of the plant; -1 for one that is not in it."""
        return self._numbers.get(machine, -1)

    def add_columns(
        self,
        messages: NDArray[np.int64],
        *,
        machines: NDArray[np.int32],
        machine_class: str,
        observed_at_us: NDArray[np.int64],
        received_at_us: NDArray[np.int64],
        values: Sequence[Column],
    ) -> None:
        """Add one reading of each of some open messages, all with a device time; otherwise as `add`.

        Args:
            messages: Their indices, ascending. (row,)
            machines: Their numbers. (row,)
            machine_class: Of all machines.
            observed_at_us: (row,)
            received_at_us: (row,)
            values: A column per signal of the class; NaN or None where nothing was reported.
        """
        if len(messages):
            block = _Block(messages, machines, observed_at_us, received_at_us, values)
            self._blocks.setdefault(machine_class, []).append(block)

    def reject(
        self,
        message: int,
        *,
        topic: str,
        payload: bytes,
        received_at_us: int,
        reason: RejectionReason,
        detail: str,
        samples: int = 1,
    ) -> None:
        """Mark an open message, or a part of it, for quarantine."""
        self._rejections.append(
            Rejection(
                message=message,
                topic=topic,
                payload=payload,
                received_at_us=received_at_us,
                reason=reason,
                detail=detail,
                samples=samples,
            )
        )

    def copied(self, message: int, *, samples: int) -> None:
        """Mark samples of an open message as copies of ones that were kept before."""
        self._copies.append((message, samples))

    def take(self, received: Sequence[int], *, in_flight: Sequence[int] | None = None) -> Batch:
        """The batch so far, and an empty one from here on.

        Args:
            received: Messages read from the wire in this run, by filter.
            in_flight: Those of them that are held elsewhere, by filter; None: none are.
        """
        tables = {name: self._whole(name) for name in self._columns | self._blocks}
        message_filter = np.array(self._message_filter, dtype=np.int16)
        samples = _samples(tables.values(), message_filter, filters=len(self._filters))
        for rejection in self._rejections:
            samples[message_filter[rejection.message]] += rejection.samples
        for message, copies in self._copies:
            samples[message_filter[message]] += copies
        batch = Batch(
            run=self._run,
            tables=tables,
            filters=self._filters,
            message_filter=message_filter,
            received=_counts(received),
            in_flight=_counts(in_flight if in_flight is not None else [0] * len(self._filters)),
            samples=samples,
            rejections=tuple(self._rejections),
            copies=tuple(self._copies),
        )
        self._columns, self._blocks, self._message_filter, self.payload_bytes = {}, {}, array("h"), 0
        self._rejections, self._copies = [], []
        return batch

    def _whole(self, machine_class: str) -> pa.Table:
        """All rows of a class in the order of their messages: of two readings with one key the newest must win."""
        parts = []
        if blocks := self._blocks.get(machine_class):
            parts.append(self._joined(machine_class, blocks))
        if (columns := self._columns.get(machine_class)) is not None:
            parts.append(self._table(machine_class, columns))
        table = parts[0] if len(parts) == 1 else pa.concat_tables(parts).unify_dictionaries().combine_chunks()
        messages = table["message"].to_numpy()
        if (messages[1:] >= messages[:-1]).all():
            return table
        return table.take(pa.array(np.argsort(messages, kind="stable"))).combine_chunks()

    def _joined(self, machine_class: str, blocks: list[_Block]) -> pa.Table:
        """One table of all blocks of a class; numbers are not copied where there is one block."""
        whole = _one_block(blocks)
        skewed = np.abs(whole.observed_at - whole.received_at) > self._skew_us
        quality = np.where(skewed, np.uint8(Quality.CLOCK_SKEW), np.uint8(Quality.GOOD))
        schema = self._schemas[machine_class]
        arrays = [
            self._named(whole.machines),
            pa.array(whole.observed_at),
            pa.array(whole.received_at),
            pa.array(whole.messages.astype(np.int32)),
            pa.array(quality),
        ]
        for column, each in zip(whole.values, schema.types[_FIXED:], strict=True):
            arrays.append(_numbers(column) if isinstance(column, np.ndarray) else pa.array(column, type=each))
        return pa.Table.from_arrays(arrays, schema=schema)

    def _named(self, machines: NDArray[np.int32]) -> pa.DictionaryArray:
        """Names by numbers; only those that occur, for each batch is kept with its names."""
        occurs = np.zeros(len(self._machines), dtype=np.int32)
        occurs[machines] = 1
        places = np.cumsum(occurs, dtype=np.int32) - 1
        names = self._machines.take(pa.array(np.flatnonzero(occurs)))
        return pa.DictionaryArray.from_arrays(pa.array(places[machines]), names)

    def _table(self, machine_class: str, columns: _Columns) -> pa.Table:
        schema = self._schemas[machine_class]
        lists: list[Sequence[object]] = [
            columns.machine,
            columns.observed_at,
            columns.received_at,
            columns.message,
            columns.quality,
            *zip(*columns.rows, strict=True),
        ]
        first, *others = (pa.array(values, each) for values, each in zip(lists, _plain(schema), strict=True))
        return pa.Table.from_arrays([first.dictionary_encode(), *others], schema=schema)


def table_schema(machine_class: MachineClass) -> pa.Schema:
    """Columns of a class in a batch, as `plant.signals.Batch` states them."""
    fixed: Mapping[str, pa.DataType] = {
        "machine": pa.dictionary(pa.int32(), pa.string()),
        "observed_at": pa.int64(),
        "received_at": pa.int64(),
        "message": pa.int32(),
        "quality": pa.uint8(),
    }
    text = (SignalKind.STATE, SignalKind.EVENT)
    signals = {each.name: pa.string() if each.kind in text else pa.float64() for each in machine_class.signals}
    return pa.schema([*fixed.items(), *signals.items()])


def _plain(schema: pa.Schema) -> list[pa.DataType]:
    """Its types, with machines as text."""
    return [pa.string(), *schema.types[1:]]


def _one_block(blocks: list[_Block]) -> _Block:
    """All blocks end to end."""
    if len(blocks) == 1:
        return blocks[0]
    messages, machines, observed_at, received_at, values = zip(*blocks, strict=True)
    whole: list[Column] = []
    for parts in zip(*values, strict=True):
        numeric = isinstance(parts[0], np.ndarray)
        whole.append(np.concatenate(parts) if numeric else [text for part in parts for text in part])
    whole_messages, whole_machines = np.concatenate(messages), np.concatenate(machines)
    return _Block(whole_messages, whole_machines, np.concatenate(observed_at), np.concatenate(received_at), whole)


def _numbers(column: NDArray[np.float64]) -> pa.Array:
    """A column of numbers, null where NaN stands."""
    with np.errstate(over="ignore", invalid="ignore"):
        whole = np.isfinite(np.add.reduce(column))  # one NaN would make the sum NaN
    if whole:
        return pa.array(column)
    return pa.array(column, from_pandas=True)


def _counts(received: Sequence[int]) -> NDArray[np.int64]:
    return np.array(received, dtype=np.int64)


def _samples(tables: Iterable[pa.Table], message_filter: NDArray[np.int16], *, filters: int) -> NDArray[np.int64]:
    """Reported values of some tables, by the filter of their message. (filter,)"""
    counts = np.zeros(filters, dtype=np.int64)
    for table in tables:
        of_row = message_filter[table["message"].to_numpy()]
        signals = table.columns[_FIXED:]
        if len(of_row) and (of_row == of_row[0]).all():
            counts[of_row[0]] += sum(len(of_row) - column.null_count for column in signals)
            continue
        for column in signals:
            counts += np.bincount(of_row[column.is_valid().to_numpy()], minlength=filters)
    return counts
