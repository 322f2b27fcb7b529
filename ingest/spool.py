"""What is asked of ingest while it runs: one durable file per request, taken once and answered.

Only the ingest process writes the embedded store. Who wants something written (a replay from quarantine, say) leaves a
request in this folder; ingest takes it between two batches, or at its next start, and leaves the answer beside it.
A request is removed only after it was served, so a kill in between serves it again: what serves must bear that.
"""

import os
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from plant.errors import Unavailable

ANSWERS_KEPT: Final = 100
"""Answers that stay to be read; older ones are removed."""
_REQUEST: Final = ".request"
_ANSWER: Final = ".answer"
_PROGRESS: Final = ".progress"
_TICK_NS: Final = 2_000_000_000
"""More than the coarsest clock of a file system [ns]."""


class Task(StrEnum):
    """What ingest is asked to do: with messages in quarantine, or with the store."""

    REPLAY = "replay"
    """Let them go the way of a message again, under the mappings of now."""
    DROP = "drop"
    """Remove them for good."""
    STORE = "store"
    """Work on the store that only its writer can do; `Request.order` says which."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    task: Task
    numbers: tuple[int, ...]
    """Messages in quarantine, by number."""
    mappings: str = ""
    """Fingerprint of the mappings that the asker had in mind; see `ingest.rework`."""
    asked_at_us: int = 0
    """[µs UTC, wall clock]"""
    order: str = ""
    """Of work on the store, as JSON."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request."""

    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    """Rejected again: in quarantine under a new number, with the reason of now."""
    dropped: int = 0
    missing: int = 0
    """Were no longer in quarantine."""
    detail: str = ""
    """A sentence where something went wrong."""
    done: str = ""
    """What work on the store did, in a sentence or more."""


def together(answers: Sequence[Answer]) -> Answer:
    """Answers to the parts of one request as one."""
    names = ("stored", "duplicate", "quarantined", "dropped", "missing")
    sums = {name: sum(getattr(answer, name) for answer in answers) for name in names}
    return Answer(**sums, detail="; ".join(answer.detail for answer in answers if answer.detail))


class Spool:
    """A folder of requests; any number of processes ask, one serves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen_ns = -1

    def ask(self, task: Task, numbers: Sequence[int] = (), *, mappings: str = "", order: str = "") -> str:
        """Leave a request, durably; returns its name, to wait for the answer with.

        Raises:
            Unavailable: The folder cannot be written.
        """
        name = f"{time.time_ns():020d}-{os.getpid()}"
        request = Request(
            task=task,
            numbers=tuple(dict.fromkeys(numbers)),
            mappings=mappings,
            asked_at_us=time.time_ns() // 1_000,
            order=order,
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write(name + _REQUEST, msgspec.json.encode(request))
        except OSError as error:
            raise Unavailable(
                f"Cannot write to {self._folder} ({error}). Is it there and its disk not full?"
            ) from error
        return name

    def waiting(self) -> list[str]:
        """Names of the requests to serve, oldest first."""
        return self._names(_REQUEST)

    def changed(self) -> bool:
        """Whether something may have come since the last call; costs one look at the folder's time."""
        try:
            at_ns = self._folder.stat().st_mtime_ns
        except OSError:
            return False
        # a folder's time moves in ticks, so what came in the same tick as the last look shows no change
        changed = at_ns != self._seen_ns or time.time_ns() - at_ns < _TICK_NS
        self._seen_ns = at_ns
        return changed

    def request(self, name: str) -> Request | None:
        """A request by its name; None where it is gone or cannot be read as one."""
        try:
            return msgspec.json.decode((self._folder / (name + _REQUEST)).read_bytes(), type=Request)
        except (OSError, msgspec.DecodeError):
            return None

    def settle(self, name: str, answer: Answer) -> None:
        """Leave the answer, then remove the request; OSError where the folder cannot be written."""
        self._write(name + _ANSWER, msgspec.json.encode(answer))
        (self._folder / (name + _REQUEST)).unlink(missing_ok=True)
        (self._folder / (name + _PROGRESS)).unlink(missing_ok=True)
        for old in self._names(_ANSWER)[:-ANSWERS_KEPT]:
            (self._folder / (old + _ANSWER)).unlink(missing_ok=True)

    def tell(self, name: str, progress: str) -> None:
        """Say how far a request is; lost in a power cut. OSError where the folder cannot be written."""
        temporary = self._folder / f"{name}{_PROGRESS}.new"
        temporary.write_text(progress, encoding="utf-8")
        temporary.replace(self._folder / (name + _PROGRESS))

    def progress(self, name: str) -> str:
        """How far a request is; empty when nothing was told."""
        try:
            return (self._folder / (name + _PROGRESS)).read_text(encoding="utf-8")
        except OSError:
            return ""

    def answer(self, name: str) -> Answer | None:
        """The answer to a request, once there is one."""
        try:
            return msgspec.json.decode((self._folder / (name + _ANSWER)).read_bytes(), type=Answer)
        except (OSError, msgspec.DecodeError):
            return None

    def _names(self, ending: str) -> list[str]:
        try:
            return sorted(path.name.removesuffix(ending) for path in self._folder.iterdir() if path.suffix == ending)
        except OSError:
            return []

    def _write(self, name: str, content: bytes) -> None:
        """All or nothing, and there after a power cut."""
        temporary = self._folder / f"{name}.{os.getpid()}.new"
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._folder / name)
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
