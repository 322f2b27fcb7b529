"""Questions to the server in InfluxQL over `/query`, which InfluxDB 1.x, 2.x and 3.x all answer.

Source: InfluxData documentation, "InfluxQL reference" and "InfluxDB API: /query 1.x compatibility"; answers are asked
for in chunks, one JSON document a line, so that neither side holds a long answer at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from plant.errors import Unavailable
from store.influx.server import ADVICE, REASON_LENGTH
from store.influx.settings import InfluxSettings

CHUNK_ROWS: Final = 20_000
PIECE_BYTES: Final = 2**18
READ_TIMEOUT_S: Final = 120.0
"""Between two pieces of an answer [s]; a long aggregation says nothing until it is done."""
NOT_THERE: Final = ("database not found", "bucket not found", "could not find bucket")


class Objection(Unavailable):
    """The server answers, and does not take the question; the text holds its words."""


class NoSuchBucket(Unavailable):
    """The bucket is not there yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Rows of one measurement and one set of tags."""

    name: str
    tags: dict[str, str]
    columns: list[str]
    """`time` first [µs UTC]."""
    values: list[list[Any]]


class _Series(msgspec.Struct):
    name: str = ""
    tags: dict[str, str] = {}
    columns: list[str] = []
    values: list[list[Any]] = []


class _Result(msgspec.Struct):
    series: list[_Series] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result] = []
    error: str = ""


@dataclass(frozen=True, slots=True)
class InfluxQuery:
    """Asks one bucket; safe to share between threads."""

    settings: InfluxSettings
    pool: PoolManager = field(
        default_factory=lambda: PoolManager(timeout=Timeout(connect=10.0, read=READ_TIMEOUT_S), retries=False)
    )

    def ask(self, statement: str) -> Iterator[Series]:
        """The rows of a SELECT or SHOW, as they come.

        Raises:
            NoSuchBucket: it has to be made first.
            Unavailable: the server is away, or does not take the question; the text holds its words.
        """
        yield from self._answers("GET", statement)

    def speaks(self) -> bool:
        """Whether InfluxQL is understood there: VictoriaMetrics answers every question with nothing."""
        try:
            for _ in self.ask("SELECT"):
                pass
        except Objection:
            return True
        return False

    def tell(self, statement: str) -> None:
        """Have a DELETE done. Raises as `ask` does."""
        for _ in self._answers("POST", statement):
            pass

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        self.pool.clear()

    def _answers(self, method: str, statement: str) -> Iterator[Series]:
        settings = self.settings
        asked = {
            "db": settings.bucket,
            "q": statement,
            "epoch": "u",
            "chunked": "true",
            "chunk_size": str(CHUNK_ROWS),
        }
        headers = {"Accept": "application/json"}
        if token := settings.token_text():
            headers["Authorization"] = f"Token {token}"
        url = f"{settings.url.rstrip('/')}/query?{urlencode(asked)}"
        try:
            answer = self.pool.urlopen(method, url, headers=headers, preload_content=False, redirect=False)
            try:
                if answer.status != 200:
                    self._refuse(answer.status, answer.read().decode("utf-8", "replace"))
                for line in _lines(answer.stream(PIECE_BYTES)):
                    yield from self._series(line)
            finally:
                answer.release_conn()
        except (HTTPError, OSError, msgspec.MsgspecError) as error:
            reason = " ".join(str(error).split())[:REASON_LENGTH]
            raise Unavailable(
                f"Cannot read from InfluxDB at {settings.address} ({reason}). Is it running, and is its address right?"
            ) from error

    def _series(self, line: bytes) -> Iterator[Series]:
        document = msgspec.json.decode(line, type=_Answer)
        for result in document.results:
            if error := result.error or document.error:
                self._refuse(200, error)
            for found in result.series:
                yield Series(name=found.name, tags=found.tags, columns=found.columns, values=found.values)

    def _refuse(self, status: int, text: str) -> None:
        reason = " ".join(text.split())[:REASON_LENGTH]
        if any(words in reason for words in NOT_THERE):
            raise NoSuchBucket(f"There is no bucket {self.settings.bucket} at {self.settings.url} ({reason}).")
        advice = ADVICE.get(status, "Is it well?")
        raise Objection(f"InfluxDB at {self.settings.address} answered {status} ({reason}). {advice}")


def select(fields: Sequence[str], measurement: str, *, where: str, by: str = "") -> str:
    """A SELECT of fields, quoted already, from a measurement, which is not.

    >>> select(["last(state)"], "press", where="time > 0", by="machine")
    'SELECT last(state) FROM "press" WHERE time > 0 GROUP BY machine'
    """
    grouped = f" GROUP BY {by}" if by else ""
    return f"SELECT {', '.join(fields)} FROM {name_of(measurement)} WHERE {where}{grouped}"  # noqa: S608 - quoted


def delete(measurement: str, *, where: str) -> str:
    """A DELETE from a measurement."""
    return f"DELETE FROM {name_of(measurement)} WHERE {where}"  # noqa: S608 - quoted


def name_of(identifier: str) -> str:
    r"""A measurement, field or tag in a question.

    >>> print(name_of('press "A"'))
    "press \"A\""
    """
    escaped = identifier.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def among(machines: Sequence[str]) -> str:
    """The condition that a row is of one of these machines.

    >>> among(["L1-press", "L2-press"])
    "(machine = 'L1-press' OR machine = 'L2-press')"
    """
    texts = (machine.replace("\\", "\\\\").replace("'", "\\'") for machine in machines)
    return "(" + " OR ".join(f"machine = '{text}'" for text in texts) + ")"


def within(start_us: int, end_us: int) -> str:
    """The condition that a row is in [start, end) [µs UTC].

    >>> within(1_700_000_000_000_000, 1_700_000_001_000_000)
    'time >= 1700000000000000000 AND time < 1700000001000000000'
    """
    return f"time >= {start_us * 1000} AND time < {end_us * 1000}"


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines that hold something."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line for line in whole if line.strip())
    if rest.strip():
        yield rest
