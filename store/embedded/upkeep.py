"""The writer's housekeeping beside writing: compaction in small steps, damaged files set aside, old files deleted."""

import sqlite3
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from store.embedded import sealing
from store.embedded.care import set_aside
from store.embedded.columns import ClassColumns
from store.embedded.compaction import Deletion, compact, deletion_tasks, next_task
from store.embedded.memory import give_back
from store.embedded.segments import Damaged
from store.settings import StoreSettings


class Upkeep:
    """What is being compacted, and which classes may have something to compact."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        folder: Path,
        *,
        columns: Mapping[str, ClassColumns],
        settings: StoreSettings,
    ) -> None:
        self._connection, self._folder = connection, folder
        self._columns, self._settings = columns, settings
        self._candidates = set(columns)
        self._running: Generator[int] | None = None

    @property
    def waits(self) -> bool:
        """Whether there may be something to do."""
        return self._running is not None or bool(self._candidates)

    def sealed(self, name: str) -> None:
        """A class has a new segment."""
        self._candidates.add(name)

    def step(self, *, everything: bool = False) -> None:
        """Go on with what is being compacted by one machine, or begin with what is due."""
        self.past_damage(lambda: self._step(everything=everything))

    def finish(self, *, everything: bool = False) -> None:
        """Compact all that is due, or all there is."""
        self._candidates.update(self._columns)
        while self.waits:
            self.step(everything=everything)
        self.unlink_retired()

    def delete(self, name: str, deletion: Deletion) -> None:
        """Write the windows of a deletion again without its rows; those of a class that are sealed."""
        self.stop()
        columns = self._columns[name]

        def rewrite() -> int:
            tasks = deletion_tasks(self._connection, name, deletion)
            for task in tasks:
                steps = compact(
                    self._connection, self._folder, task, columns=columns, wall_us=wall_us(), without=deletion
                )
                for _ in steps:
                    pass
            return len(tasks)

        self.past_damage(rewrite)
        self.unlink_retired()

    def stop(self) -> None:
        """Give up what is being compacted; nothing of it stays."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def past_damage(self, work: Callable[[], int]) -> int:
        """Do it; a segment that turns out damaged is set aside, named, and it is done without."""
        while True:
            try:
                return work()
            except Damaged as damage:
                self.stop()
                set_aside(self._connection, self._folder, damage.segment, why=damage.why, wall_us=wall_us())

    def unlink_retired(self) -> None:
        """Delete the files that left the manifest long enough ago."""
        before_us = wall_us() - round(self._settings.unlink_after_s * 1e6)
        sealing.unlink_retired(self._connection, self._folder, before_us=before_us)

    def _step(self, *, everything: bool) -> int:
        if self._running is None:
            name = min(self._candidates)
            task = next_task(self._connection, name, settings=self._settings, everything=everything)
            if task is None:
                self._candidates.discard(name)
                return 0
            columns = self._columns[name]
            self._running = compact(self._connection, self._folder, task, columns=columns, wall_us=wall_us())
        rows = 0
        try:
            rows = next(self._running)
        except StopIteration:
            self._running = None
            self.unlink_retired()
            give_back()
        except BaseException:
            self._running = None
            raise
        return rows


def wall_us() -> int:
    """Wall time, for how long files are kept [µs UTC]."""
    return time.time_ns() // 1000
