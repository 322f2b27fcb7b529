"""A search followed at the terminal: a live line or a line of JSON each time; Ctrl-C keeps the best plan."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from threading import Event
from types import FrameType
from typing import TextIO

from optimizer.control import Progress


class Follow(StrEnum):
    """How a search is followed."""

    QUIET = "quiet"
    LINE = "line"
    JSON = "json"


def follower(follow: Follow, stream: TextIO) -> Callable[[Progress], None]:
    """What hears of a search's progress and writes it to a stream."""
    if follow is Follow.JSON:
        return lambda progress: _write(stream, json.dumps(as_fields(progress)) + "\n")
    if follow is Follow.LINE:
        return lambda progress: _write(stream, f"\r{as_line(progress):<78}")
    return lambda _: None


def as_fields(progress: Progress) -> dict[str, float | None]:
    """Where a search stands, as the fields of a line of JSON."""
    return {
        "spent_s": round(progress.spent_s, 3),
        "incumbent": progress.incumbent,
        "bound": progress.bound,
        "gap": progress.gap,
    }


def as_line(progress: Progress) -> str:
    """Where a search stands, in a line.

    >>> as_line(Progress(spent_s=3.2, incumbent=1040.0, bound=1000.0))
    '  3.2 s  best plan 1,040.00  no plan below 1,000.00  gap 3.85 %'
    """
    plan = "no plan yet" if progress.incumbent is None else f"best plan {progress.incumbent:,.2f}"
    bound = "" if progress.bound is None else f"  no plan below {progress.bound:,.2f}"
    gap = "" if progress.gap is None else f"  gap {progress.gap:.2%}".replace("%", " %")
    return f"{progress.spent_s:5.1f} s  {plan}{bound}{gap}"


@contextmanager
def kept_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Within it, the first Ctrl-C ends the search with its best plan and a second one ends the program."""
    cancelled = Event()
    before = signal.getsignal(signal.SIGINT)

    def cancel(_: int, __: FrameType | None) -> None:
        cancelled.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, cancel)
    try:
        yield cancelled.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
