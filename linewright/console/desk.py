"""Long questions of the console, each answered by the command line in a process of its own and kept with the records.

The pages never wait: they show what is under way, let people cancel it, and show kept answers with their time.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final

from linewright.console.feed import Source
from linewright.console.views.question_view import Kind, condensed
from linewright.settings.site import Site
from plant.errors import Unavailable
from store.records import Records

log = logging.getLogger(__name__)

MOST_KEPT: Final = 20
"""Answers kept of one plan; the oldest go first."""
STARTING_S: Final = 6.0
"""Until a process has loaded what it needs [s]."""
REFUSED: Final = 2
"""Exit code of the command line where a question cannot be answered as asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LongQuestion:
    """What is asked of a plan."""

    kind: Kind
    plan: str
    title: str
    """As people read it above the answer."""
    words: tuple[str, ...]
    """Of the command line, after `linewright plan`."""
    searches: int = 1
    """One after the other, each up to `limit_s`."""
    limit_s: float = 0.0
    """CPU time of each search [s]; 0: nothing is searched for."""
    document: str = ""
    """A file that the command reads as its last word; empty: none."""

    @property
    def likely_s(self) -> float:
        """How long it usually takes at the most [s]; searching, then rounding and checking."""
        return STARTING_S + 1.6 * self.limit_s * self.searches


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A kept answer."""

    kind: Kind
    title: str
    at: datetime
    """Plant time at which it was computed."""
    took_s: float
    """Of wall time [s]."""
    document: str
    """The file that was asked with; empty: none."""
    result: Any
    """As the command printed it, condensed."""


class State(Enum):
    """Where a question stands."""

    WAITING = auto()
    RUNNING = auto()
    ANSWERED = auto()
    FAILED = auto()
    CANCELLED = auto()


@dataclass(slots=True)
class Job:
    """A question under way, or the last one of its kind and title."""

    question: LongQuestion
    state: State = State.WAITING
    began_s: float = 0.0
    ended_s: float = 0.0
    sentence: str = ""
    """Why there is no answer; empty: there is one, or there may be."""
    task: "asyncio.Task[None] | None" = None

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in (State.WAITING, State.RUNNING)

    @property
    def spent_s(self) -> float:
        """Of wall time, since it began [s]."""
        if not self.began_s:
            return 0.0
        return (self.ended_s or time.monotonic()) - self.began_s


@dataclass(slots=True)
class Desk:
    """All questions of one console; one is worked on at a time, as a search takes a core."""

    site: Site
    source: Source
    jobs: list[Job] = field(default_factory=list)
    kept: dict[str, tuple[Answer, ...]] = field(default_factory=dict)
    """By plan, the newest first; loaded when a page first asks."""
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def ask(self, question: LongQuestion) -> Job:
        """Begin to answer, in the background; the same question under way is not asked twice."""
        for job in self.jobs:
            if job.question == question and job.is_open:
                return job
        self.jobs = [job for job in self.jobs if job.is_open or not _alike(job.question, question)]
        job = Job(question=question)
        self.jobs.append(job)
        job.task = asyncio.get_running_loop().create_task(self._work(job))
        return job

    def cancel(self, job: Job) -> None:
        """Give a question up; its process ends at once."""
        if job.is_open and job.task is not None:
            job.task.cancel()

    def job_of(self, plan: str, kind: Kind, title: str = "") -> Job | None:
        """The newest question of a kind, and of a title where one is given."""
        for job in reversed(self.jobs):
            asked = job.question
            if (asked.plan, asked.kind) == (plan, kind) and title in ("", asked.title):
                return job
        return None

    async def load(self, plan: str) -> None:
        """Have the kept answers of a plan at hand. Raises Unavailable."""
        if plan not in self.kept:
            document = await self.source.on_records(lambda records: records.noted(_key(plan)))
            self.kept.setdefault(plan, _read(document))

    async def close(self) -> None:
        """Give up everything under way."""
        tasks = [job.task for job in self.jobs if job.is_open and job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, job: Job) -> None:
        try:
            async with self.turn:
                job.state, job.began_s = State.RUNNING, time.monotonic()
                code, out, told = await _run(self.site, job.question)
            job.ended_s = time.monotonic()
            if not out.strip():
                job.state, job.sentence = State.FAILED, _why(code, told)
                return
            await self._keep(job, json.loads(out))
            job.state = State.ANSWERED
        except asyncio.CancelledError:
            job.state, job.sentence, job.ended_s = State.CANCELLED, "Cancelled.", time.monotonic()
            raise
        except Unavailable as trouble:
            job.state, job.sentence, job.ended_s = State.FAILED, str(trouble), time.monotonic()
        except Exception as fault:  # whatever it was, the page must not wait for ever
            log.error("question_failed", exc_info=fault)
            job.state, job.ended_s = State.FAILED, time.monotonic()
            job.sentence = "The answer could not be read; the cause is in the log of the serve role. Please ask again."

    async def _keep(self, job: Job, result: Any) -> None:
        asked = job.question
        answer = Answer(
            kind=asked.kind,
            title=asked.title,
            at=self.site.clock.now(),
            took_s=job.spent_s,
            document=asked.document,
            result=condensed(asked.kind, result),
        )
        await self.load(asked.plan)
        others = (a for a in self.kept[asked.plan] if (a.kind, a.title, a.document) != _same(answer))
        answers = (answer, *others)[:MOST_KEPT]

        def put(records: Records) -> None:
            records.note(_key(asked.plan), {"answers": [_write(each) for each in answers]})

        self.kept[asked.plan] = answers
        await self.source.on_records(put)


async def _run(site: Site, question: LongQuestion) -> tuple[int, str, str]:
    """Exit code, output and error output of the command; cancelling ends it with all its processes."""
    with contextlib.ExitStack() as files:
        words = ["plan", *question.words, "--json", "--site", str(site.folder)]
        if question.document:
            folder = Path(files.enter_context(tempfile.TemporaryDirectory(prefix="linewright-question-")))
            file = folder / "scenarios.toml"
            file.write_text(question.document, encoding="utf-8")
            words.append(str(file))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "linewright", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, told = await process.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
    return process.returncode or 0, out.decode(errors="replace"), told.decode(errors="replace")


def _why(code: int, told: str) -> str:
    """What the command said, without the line that opens a refusal."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    if code == REFUSED and len(lines) > 1:
        return " ".join(lines[1:])
    return lines[-1] if lines else f"The search ended with code {code} and said nothing. Please ask again."


def _alike(one: LongQuestion, other: LongQuestion) -> bool:
    return (one.plan, one.kind, one.title) == (other.plan, other.kind, other.title)


def _same(answer: Answer) -> tuple[Kind, str, str]:
    return answer.kind, answer.title, answer.document


def _key(plan: str) -> str:
    return f"answers {plan}"


def _write(answer: Answer) -> dict[str, Any]:
    return {
        "kind": answer.kind.value,
        "title": answer.title,
        "at": answer.at.isoformat(),
        "took_s": round(answer.took_s, 2),
        "document": answer.document,
        "result": answer.result,
    }


def _read(document: Mapping[str, Any] | None) -> tuple[Answer, ...]:
    return tuple(
        Answer(**{**each, "kind": Kind(each["kind"]), "at": datetime.fromisoformat(each["at"])})
        for each in (document or {}).get("answers", ())
    )
