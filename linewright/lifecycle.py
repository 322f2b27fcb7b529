"""How a process of Linewright lives: it stops when told, or when the supervisor that started it is gone."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

from linewright.wiring import wall_now
from plant.errors import Unavailable
from store.records import Records

SUPERVISOR_VARIABLE: Final = "LINEWRIGHT_SUPERVISOR_PID"
BEAT_PERIOD_S: Final = 2.0
"""How often a role says that it lives; `status` calls it silent after ten missing beats."""
SILENT_AFTER_S: Final = 10 * BEAT_PERIOD_S

log = logging.getLogger(__name__)


def stop_on_signals(supervisor_pid: int | None = None) -> threading.Event:
    """An event that SIGTERM, SIGINT or the end of the supervisor sets; call from the main thread.

    Args:
        supervisor_pid: Parent to watch; its end stops this process too, so that a killed supervisor leaves no orphans.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    if supervisor_pid is not None:
        threading.Thread(target=_watch_parent, args=(supervisor_pid, stop), name="parent-watch", daemon=True).start()
    return stop


def ask_on_hangup(asked: threading.Event) -> None:
    """Have SIGHUP set an event: by custom it asks to read the configuration again. Call from the main thread."""
    signal.signal(signal.SIGHUP, lambda _number, _frame: asked.set())


def beat(
    role: str,
    *,
    records: Records,
    detail: Callable[[], dict[str, object]],
    stop: threading.Event,
) -> threading.Thread:
    """Start a thread that reports this role's life and detail until `stop` is set."""
    since = wall_now()

    def run() -> None:
        away = False
        while True:
            try:
                records.beat(role, pid=os.getpid(), since=since, at=wall_now(), detail=detail())
                away = False
            except Unavailable as error:
                if not away:
                    log.warning("beat_missed", extra={"role": role, "reason": str(error)})
                away = True
            if stop.wait(BEAT_PERIOD_S):
                return

    thread = threading.Thread(target=run, name=f"beat-{role}", daemon=True)
    thread.start()
    return thread


def _watch_parent(parent: int, stop: threading.Event) -> None:
    while not stop.wait(0.5):
        if os.getppid() != parent:
            log.warning("supervisor_gone", extra={"pid": parent})
            stop.set()
