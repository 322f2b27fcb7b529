"""Lines to the server: those it refuses are found by halving, so that one bad line never blocks the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from store.influx.server import Refused


class LineServer(Protocol):
    """What takes the lines: raises Refused for bad ones and Unavailable when away."""

    def write(self, lines: Sequence[str]) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What became of some lines."""

    confirmed: int
    refused: tuple[tuple[int, str], ...]
    """Index of each refused line, with the server's words."""


def deliver(server: LineServer, lines: Sequence[str], *, together: int) -> Delivery:
    """Send lines, halving what the server refuses until the bad ones stand alone.

    Args:
        server: Takes them.
        lines: Line protocol, times in µs.
        together: Most lines of one request.

    Raises:
        Unavailable: the server is away; some lines may have been taken, and sending all again changes nothing.
    """
    confirmed, refused = 0, list[tuple[int, str]]()
    due = [(first, min(first + together, len(lines))) for first in range(0, len(lines), together)][::-1]
    while due:
        first, past = due.pop()
        try:
            server.write(lines[first:past])
        except Refused as error:
            if past - first > 1:
                middle = (first + past) // 2
                due += [(middle, past), (first, middle)]
            else:
                refused.append((first, str(error)))
        else:
            confirmed += past - first
    return Delivery(confirmed=confirmed, refused=tuple(refused))
