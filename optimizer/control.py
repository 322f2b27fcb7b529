"""How a search is driven: threads, seed, what its limit counts, who hears of its progress, and who may stop it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

SEED = 0


class Measure(Enum):
    """What a search's limit counts."""

    CPU = auto()
    """CPU seconds: as much as the machine manages."""
    WORK = auto()
    """Steps of the solver, priced in seconds of a usual machine: equal runs give equal plans, whatever else runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a search stands."""

    spent_s: float
    """By the search's own measure [s]."""
    incumbent: float | None
    """Cost of the best plan so far, constants included [currency]; None: none yet."""
    bound: float | None
    """No plan can cost less [currency]; None: not known yet."""

    @property
    def gap(self) -> float | None:
        """How much less another plan may cost, as a part of the incumbent [0..1]."""
        if self.incumbent is None or self.bound is None:
            return None
        return max(self.incumbent - self.bound, 0.0) / max(abs(self.incumbent), 1.0)


def _tell_nobody(_: Progress) -> None:
    """Progress that nobody follows."""


def _never() -> bool:
    """A search that nobody stops."""
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """How a search is driven."""

    threads: int = 1
    seed: int = SEED
    measure: Measure = Measure.CPU
    report: Callable[[Progress], None] = _tell_nobody
    """Called with every better plan and bound."""
    is_cancelled: Callable[[], bool] = _never
    """Asked again and again; once true, the search ends with the best plan so far."""


CONTROL = Control()
"""One thread, CPU seconds, unwatched."""


class Clock:
    """What a search has spent, by its measure, against its limit."""

    def __init__(self, limit_s: float, control: Control = CONTROL) -> None:
        self.limit_s = limit_s
        self.control = control
        self._began_s = time.thread_time()
        self._worked_s = 0.0

    @property
    def spent_s(self) -> float:
        """Since the clock was made [s]."""
        return self._worked_s if self.control.measure is Measure.WORK else time.thread_time() - self._began_s

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked the search to end."""
        return self.control.is_cancelled()

    def left_s(self, share: float = 1.0) -> float:
        """Until a share of the limit is spent [s]; none once the search is cancelled."""
        return 0.0 if self.is_cancelled else max(self.limit_s * share - self.spent_s, 0.0)

    def work(self, seconds: float) -> None:
        """Counts steps of the solver [s of a usual machine]."""
        self._worked_s += seconds
