"""A small plant and batches for it, for every test of a store."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from plant.assets import Line, Machine, MachineClass, Plant, Signal, SignalKind
from plant.clock import instant
from plant.quantities import Quantity
from plant.signals import Batch, Quality, Rejection, RejectionReason

FILTER = "acme/linz/+/+/+/telemetry"
SECOND = 1_000_000
START_US = 1_700_000_000 * SECOND
"""2023-11-14T22:13:20Z, a multiple of 10 s but not of a minute."""

SIGNALS = (
    Signal(name="temperature_c", quantity=Quantity.TEMPERATURE),
    Signal(name="current_a", quantity=Quantity.CURRENT),
    Signal(name="good_parts", quantity=Quantity.COUNT, kind=SignalKind.COUNTER),
    Signal(name="state", quantity=Quantity.STATE, kind=SignalKind.STATE),
)
PRESS = MachineClass(name="press", signals=SIGNALS)
OVEN = MachineClass(name="oven", signals=(Signal(name="pressure_bar", quantity=Quantity.PRESSURE), SIGNALS[3]))
MACHINES = (
    Machine(name="L1-press", label="Press 1", line="L1", machine_class="press"),
    Machine(name="L2-press", label="Press 2", line="L1", machine_class="press"),
    Machine(name="L1-oven", label="Oven 1", line="L1", machine_class="oven"),
)
PLANT = Plant(
    enterprise="acme",
    site="linz",
    timezone="Europe/Vienna",
    currency="EUR",
    lines=(Line(name="L1", label="Line 1", area="hall1", machines=MACHINES),),
    classes=(PRESS, OVEN),
)

Row = Mapping[str, Any]


def at(seconds: float) -> Any:
    """The instant so many seconds after the start."""
    return instant(START_US + round(seconds * SECOND))


def row(machine: str, seconds: float, *, received: float | None = None, **values: Any) -> Row:
    """A message of one row: seconds after the start when observed and (None: a second later) when received."""
    return {"machine": machine, "at": seconds, "received": seconds + 1 if received is None else received} | values


def batch(
    *rows: Row, run: str = "run", received: int | None = None, rejected: Sequence[int] = (), filters: int = 1
) -> Batch:
    """One message per row, unless a row says `message`; message numbers in `rejected` have a rejected part too.

    Args:
        rows: As `row` makes them; `quality` and `message` may be among the values.
        run: Of the ingestor.
        received: Messages read from the wire so far; None: those of this batch.
        rejected: Messages with a rejection of one sample.
        filters: How many topic filters there are; messages are dealt to them in turn.
    """
    numbered = [dict(each) | {"message": each.get("message", index)} for index, each in enumerate(rows)]
    count = max([each["message"] for each in numbered] + [*rejected, -1]) + 1
    tables: dict[str, list[dict[str, Any]]] = {}
    for each in numbered:
        tables.setdefault(PLANT.machine_index[each["machine"]].machine_class, []).append(each)
    message_filter = np.arange(count, dtype=np.int16) % filters
    totals = np.bincount(message_filter, minlength=filters).astype(np.int64)
    return Batch(
        run=run,
        tables={name: _table(name, some) for name, some in tables.items()},
        filters=tuple(FILTER if index == 0 else f"{FILTER}/{index}" for index in range(filters)),
        message_filter=message_filter,
        received=totals if received is None else np.full(filters, received, dtype=np.int64),
        rejections=tuple(
            Rejection(
                message=message,
                topic="acme/linz/hall1/L1/L1-press/telemetry",
                payload=b'{"temperature_c": "hot"}',
                received_at_us=START_US,
                reason=RejectionReason.WRONG_TYPE,
                detail="temperature_c is text; a number would be right.",
                samples=1,
            )
            for message in rejected
        ),
    )


def series(machine: str, count: int, *, first: int = 0, step_s: float = 1.0, message: int = 0) -> list[Row]:
    """Rows of a gauge and a counter that both equal their index, and a state that changes every tenth row."""
    return [
        row(
            machine,
            index * step_s,
            temperature_c=float(index),
            good_parts=float(index),
            state="Execute" if index // 10 % 2 else "Idle",
            message=message + index - first,
        )
        for index in range(first, first + count)
    ]


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    columns: dict[str, Any] = {
        "machine": pa.array([each["machine"] for each in rows], pa.string()),
        "observed_at": pa.array([START_US + round(each["at"] * SECOND) for each in rows], pa.int64()),
        "received_at": pa.array([START_US + round(each["received"] * SECOND) for each in rows], pa.int64()),
        "message": pa.array([each["message"] for each in rows], pa.int32()),
        "quality": pa.array([int(each.get("quality", Quality.GOOD)) for each in rows], pa.uint8()),
    }
    for signal in PLANT.class_index[name].signals:
        kind = pa.string() if signal.kind in (SignalKind.STATE, SignalKind.EVENT) else pa.float64()
        columns[signal.name] = pa.array([each.get(signal.name) for each in rows], kind)
    return pa.table(columns)
