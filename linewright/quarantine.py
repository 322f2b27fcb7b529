"""Messages in quarantine as people and commands see them, and what they ask ingest to do with them."""

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ingest.broker_settings import MAIN
from ingest.rework import fingerprint
from ingest.sparkplug.links import connections
from ingest.spool import Answer, Spool, Task, together
from ingest.topics import match
from linewright.receiving import spool_of
from linewright.settings.site import Site
from linewright.wiring import open_records, open_store, wall_now
from plant.clock import instant
from store.embedded.quarantine import QuarantinedMessage

SILENT_AFTER: Final = timedelta(seconds=10)
"""An ingest without a sign of life for so long is not waited for [wall time]."""
_MOST: Final = 10_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a request."""

    done: bool
    """False: it waits in the spool."""
    sentence: str


def chosen(
    site: Site, *, topic: str | None = None, reason: str | None = None, limit: int = _MOST
) -> list[QuarantinedMessage]:
    """At most so many messages in quarantine that fit an MQTT filter and a reason, newest first."""
    everything = topic is None and reason is None
    with closing(open_store(site)) as store:
        messages = store.quarantine(limit=limit if everything else _MOST)
    fitting = [
        message
        for message in messages
        if (reason is None or message.reason == reason)
        and (topic is None or match(topic.split("/"), message.topic.split("/")) is not None)
    ]
    return fitting[:limit]


def find(site: Site, number: int) -> QuarantinedMessage | None:
    """One message by its number."""
    with closing(open_store(site)) as store:
        return store.quarantine_item(number)


def ask(site: Site, *, task: str, numbers: Sequence[int], wait_s: float) -> Outcome:
    """Ask ingest to replay or drop messages, and wait for its answer where it is alive.

    Raises:
        Unavailable: The request cannot be written.
    """
    asked = [_leave(site, broker, task=task, numbers=some) for broker, some in _by_broker(site, numbers).items()]
    if not ingest_lives(site):
        sentence = f"Ingest does not run here now. The request is kept: {len(numbers)} to {task} when it starts."
        return Outcome(done=False, sentence=sentence)
    until = time.monotonic() + wait_s
    while any(spool.answer(name) is None for spool, name in asked):
        if time.monotonic() >= until:
            sentence = (
                f"Ingest has not taken the request within {wait_s:.0f} s; it is kept. If linewright.toml was changed "
                "since ingest started, restart it (stop and start `linewright run`): it then serves what waits."
            )
            return Outcome(done=False, sentence=sentence)
        time.sleep(0.05)
    answers = [answer for spool, name in asked if (answer := spool.answer(name)) is not None]
    return Outcome(done=True, sentence=_told(together(answers), Task(task)))


def _leave(site: Site, broker: str, *, task: str, numbers: Sequence[int]) -> tuple[Spool, str]:
    """Leave a request with the ingestor of a broker; where, and under which name."""
    spool = spool_of(site, broker)
    settings = connections(site.ingest, broker=site.broker)[broker].settings
    mappings = fingerprint(settings.mappings, plant=site.plant)
    return spool, spool.ask(Task(task), numbers, mappings=mappings)


def _by_broker(site: Site, numbers: Sequence[int]) -> dict[str, list[int]]:
    """Numbers by the connection their messages came from; what none of now brought goes to the main one."""
    names = connections(site.ingest, broker=site.broker)
    if len(names) == 1:
        return {MAIN: list(numbers)}
    found: dict[str, list[int]] = {}
    with closing(open_store(site)) as store:
        for number in numbers:
            message = store.quarantine_item(number)
            name = "" if message is None else message.filter.split(": ", 1)[0]
            found.setdefault(name if name in names else MAIN, []).append(number)
    return found


def as_text_line(message: QuarantinedMessage) -> str:
    """One line for a terminal."""
    received_at = instant(message.received_at_us)
    head = f"{message.number:>6}  {received_at:%Y-%m-%d %H:%M:%S}Z  {_printable(message.topic)}"
    return f"{head}  {message.reason}: {message.detail}"


def as_json_line(message: QuarantinedMessage) -> str:
    """One JSON object; the payload as text where it is UTF-8, else as hexadecimal."""
    document: dict[str, object] = {
        "number": message.number,
        "topic": message.topic,
        "received_at": instant(message.received_at_us).isoformat(),
        "reason": message.reason.value,
        "detail": message.detail,
        "samples": message.samples,
        "filter": message.filter,
        "run": message.run,
    }
    try:
        document["payload"] = message.payload.decode("utf-8")
    except UnicodeDecodeError:
        document["payload_hex"] = message.payload.hex()
    return json.dumps(document)


def as_document(message: QuarantinedMessage) -> str:
    """All of one message for a terminal."""
    try:
        payload = _printable(message.payload.decode("utf-8"))
    except UnicodeDecodeError:
        payload = f"(not text; hexadecimal) {message.payload.hex(' ')}"
    return "\n".join(
        [
            _printable(message.topic),
            f"received {instant(message.received_at_us).isoformat()} in {message.run}, filter {message.filter}",
            f"{message.reason}: {message.detail}",
            payload,
        ]
    )


def _printable(text: str) -> str:
    """Text from outside, without the power to steer a terminal.

    >>> _printable("a\\x1b[2J")
    'a\\\\x1b[2J'
    """
    return "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in text)


def _told(answer: Answer, task: Task) -> str:
    if answer.detail:
        return f"Nothing was done: {answer.detail}."
    gone = f" {answer.missing} were no longer in quarantine." if answer.missing else ""
    if task is Task.DROP:
        return f"{answer.dropped} dropped.{gone}"
    again = answer.quarantined
    hint = f" See `linewright quarantine list --limit {again}` for the reasons of now." if again else ""
    total = answer.stored + answer.duplicate + again
    return (
        f"{total} replayed: {answer.stored} stored, {answer.duplicate} were there already, "
        f"{again} rejected again.{gone}{hint}"
    )


def ingest_lives(site: Site) -> bool:
    """Whether ingest has given a sign of life of late."""
    with closing(open_records(site)) as records:
        return any(beat.role == "ingest" and wall_now() - beat.at < SILENT_AFTER for beat in records.roles())
