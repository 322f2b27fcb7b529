"""A real Dask cluster on loopback: a scheduler and workers, each a process of its own."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

START_LIMIT_S: Final = 60.0


def slow_square(number: int) -> tuple[int, int]:
    """A piece of work that takes a moment: the square, and who did it."""
    time.sleep(0.1)
    return number**2, os.getpid()


class DaskCluster:
    """A scheduler; workers are added and killed by the test."""

    def __init__(self, folder: Path) -> None:
        self._file, self._log = folder / "scheduler.json", (folder / "dask.log").open("wb")
        self._environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])]),
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
        }
        self.scheduler = self._start("dask_scheduler", "--port", "0", "--scheduler-file", str(self._file))
        self.workers: list[subprocess.Popen[bytes]] = []
        until = time.monotonic() + START_LIMIT_S
        while not self._file.exists() or not self._file.read_text():
            assert time.monotonic() < until
            assert self.scheduler.poll() is None
            time.sleep(0.05)
        self.address: str = json.loads(self._file.read_text())["address"]

    def add_worker(self, *, path: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a worker process with one thread; `path`: where it runs and looks for packages first."""
        worker = self._start("dask_worker", self.address, "--nthreads", "1", "--no-nanny", path=path)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        """End what still runs."""
        for process in (*self.workers, self.scheduler):
            if process.poll() is None:
                process.kill()
            process.wait()
        self._log.close()

    def _start(self, program: str, *arguments: str, path: Path | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *arguments, "--host", "127.0.0.1", "--no-dashboard"],
            stdout=self._log,
            stderr=self._log,
            cwd=path,
            env=self._environment if path is None else self._environment | {"PYTHONPATH": str(path)},
        )
