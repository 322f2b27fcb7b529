"""The writer's housekeeping beside writing: compaction in small steps, damaged files set aside, what is old let go."""

import sqlite3
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from store.embedded import sealing
from store.embedded.care import set_aside
from store.embedded.columns import ClassColumns
from store.embedded.compaction import ROWS_PER_GRAIN, Task, compact, deletion_tasks, next_task
from store.embedded.layout import transaction
from store.embedded.memory import give_back
from store.embedded.retention import Deletion, Removal, enter, let_go, limits_at
from store.embedded.rolled_files import delete_rolled
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
        now_us: Callable[[], int],
    ) -> None:
        self._connection, self._folder = connection, folder
        self._columns, self._settings, self._now_us = columns, settings, now_us
        self._rows_per_grain = ROWS_PER_GRAIN if settings.raw_days is None else 0.0
        self._deleting = False
        self._candidates = set(columns)
        self._running: Generator[int, None, int] | None = None

    @property
    def waits(self) -> bool:
        """Whether there may be something to do."""
        return not self._deleting and (self._running is not None or bool(self._candidates))

    def sealed(self, name: str) -> None:
        """A class has a new segment."""
        self._candidates.add(name)

    def step(self, *, everything: bool = False) -> int:
        """Go on with what is being compacted by one machine, or begin with what is due; returns its rows."""
        return self.past_damage(lambda: self._step(everything=everything))

    def look_again(self) -> None:
        """Any class may have something due by now."""
        self._candidates.update(self._columns)

    def finish(self, *, everything: bool = False) -> None:
        """Compact all that is due, or all there is."""
        self._candidates.update(self._columns)
        while self.waits:
            self.step(everything=everything)
        self.unlink_retired()

    def delete(self, name: str, deletion: Deletion) -> Generator[int, None, int]:
        """Write the windows of a deletion again without its rows; those of a class that are sealed.

        Nothing else is compacted meanwhile.

        Yields:
            Rows of each machine and window.

        Returns:
            Instants that are gone.
        """
        self.stop()
        self._deleting, gone = True, 0
        try:
            while True:
                try:
                    for task in deletion_tasks(self._connection, name, deletion):
                        gone += yield from self._compacting(task, self._columns[name], without=deletion)
                    break
                except Damaged as damage:
                    self._set_aside(damage)
            delete_rolled(self._connection, self._folder, name, deletion, wall_us=wall_us())
            with transaction(self._connection):
                enter(
                    self._connection,
                    Removal.DELETED,
                    name,
                    deletion.machine,
                    (deletion.start_us, deletion.end_us),
                    rows=gone,
                    size=0,
                    at_us=self._now_us(),
                )
        finally:
            self._deleting = False
        self.unlink_retired()
        return gone

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
                self._set_aside(damage)

    def unlink_retired(self) -> None:
        """Delete the files that left the manifest long enough ago."""
        before_us = wall_us() - round(self._settings.unlink_after_s * 1e6)
        sealing.unlink_retired(self._connection, self._folder, before_us=before_us)

    def _step(self, *, everything: bool) -> int:
        if self._running is None:
            name = min(self._candidates)
            limits = limits_at(self._settings, now_us=self._now_us())
            task = next_task(self._connection, name, settings=self._settings, limits=limits, everything=everything)
            if task is None:
                let_go(self._connection, name, limits, at_us=self._now_us(), wall_us=wall_us())
                self._candidates.discard(name)
                return 0
            self._running = self._compacting(task, self._columns[name])
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

    def _compacting(
        self, task: Task, columns: ClassColumns, *, without: Deletion | None = None
    ) -> Generator[int, None, int]:
        return compact(
            self._connection,
            self._folder,
            task,
            columns=columns,
            wall_us=wall_us(),
            at_us=self._now_us(),
            without=without,
            rows_per_grain=self._rows_per_grain,
        )

    def _set_aside(self, damage: Damaged) -> None:
        set_aside(self._connection, self._folder, damage.segment, why=damage.why, wall_us=wall_us())


def wall_us() -> int:
    """Wall time, for how long files are kept [µs UTC]."""
    return time.time_ns() // 1000
