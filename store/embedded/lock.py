"""One writer per folder, held by the operating system: it lets go when the process ends, however it ends."""

import fcntl
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from plant.errors import Unavailable


class WriterLock:
    """The right to write into a folder.

    Source: flock(2); the lock belongs to the open file, so a killed process leaves none behind.
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock, or raise Unavailable with who has it since when."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "writer.lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._holder()
            self._file.close()
            raise Unavailable(
                f"The store at {folder} is already being written by {holder}. A store has one writer: stop that "
                "process (Ctrl-C or SIGTERM) or use another folder; reading is possible meanwhile."
            ) from None
        self._file.seek(0)
        self._file.truncate()
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self._file.write(json.dumps({"pid": os.getpid(), "since": since}))
        self._file.flush()

    def release(self) -> None:
        """Let the next writer in; safe to call twice."""
        self._file.close()

    def _holder(self) -> str:
        self._file.seek(0)
        try:
            holder = json.loads(self._file.read())
            return f"process {holder['pid']} since {holder['since']}"
        except (ValueError, KeyError):
            return "a process that is just starting"
