"""Where one message goes in a batch: its readings to the columns, what cannot be used to quarantine."""

from typing import Final

from ingest.batching import Batcher
from ingest.decode.contents import Hearing
from ingest.decode.formats import contents_of
from ingest.retained import Memory
from ingest.topics import Route, Unroutable
from plant.signals import RejectionReason

FOR_A_HANDLER: Final = None
"""What `place` gives for a message on a side topic: it is no reading, and its handler is to settle it."""


def place(
    batcher: Batcher,
    message: int,
    *,
    way: Route | Unroutable,
    topic: str,
    payload: bytes,
    received_at_us: int,
    max_payload_bytes: int,
    hearing: Hearing = Hearing.LIVE,
    memory: Memory | None = None,
    retained: bool = False,
) -> tuple[str, ...] | None:
    """Put an open message into a batch, whole or in part.

    Args:
        batcher: Where `message` was opened.
        message: Its index.
        way: What its topic means.
        topic: As it came.
        payload: As it came.
        received_at_us: When it was read from the wire [µs UTC, plant clock].
        max_payload_bytes: Larger messages are not decoded [byte].
        hearing: From the wire, or from quarantine.
        memory: Tells copies of retained messages; needed while a batch holds any.
        retained: Whether this message is one.

    Returns:
        Fields that no signal is mapped to; `FOR_A_HANDLER` where nothing was placed.
    """

    def reject(reason: RejectionReason, detail: str, samples: int) -> None:
        batcher.reject(
            message,
            topic=topic,
            payload=payload,
            received_at_us=received_at_us,
            reason=reason,
            detail=detail,
            samples=samples,
        )

    if len(payload) > max_payload_bytes:
        detail = (
            f"the message has {len(payload)} bytes, more than broker.max_payload_bytes ({max_payload_bytes}); "
            "send smaller messages or raise the limit"
        )
        reject(RejectionReason.TOO_LARGE, detail, 1)
        return ()
    if isinstance(way, Unroutable):
        reject(*way.fault)
        return ()
    if way.plan is None:
        return FOR_A_HANDLER
    contents = contents_of(payload, plan=way.plan, machine=way.machine, heard_at_us=received_at_us, hearing=hearing)
    for reading in contents.readings:
        if memory is not None and retained and memory.has(reading):
            batcher.copied(message, samples=sum(value is not None for value in reading.values))
            continue
        at_us = batcher.add(
            message,
            machine=reading.machine,
            machine_class=reading.machine_class,
            observed_at_us=reading.observed_at_us,
            received_at_us=received_at_us,
            values=reading.values,
            told=reading.quality,
        )
        if memory is not None:
            memory.note(reading, at_us=at_us)
    if contents.fault is not None:
        reject(*contents.fault)
    return contents.unknown
