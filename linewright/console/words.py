"""Numbers, times and states as people in a plant read them."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from plant.alerts import AlertState, Severity
from plant.assets import MachineState, Signal
from plant.plans import Decision, SolveStatus
from plant.quantities import Quantity

MISSING: Final = "–"


class Tone(StrEnum):
    """What a mark means; each tone has its own sign, so that colour never speaks alone."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    INFO = "info"
    MUTED = "muted"

    @property
    def sign(self) -> str:
        """A sign that is told apart without colour."""
        return {"ok": "●", "warn": "▲", "bad": "◆", "info": "◇", "muted": "○"}[self.value]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A word with its meaning."""

    word: str
    tone: Tone
    hint: str = ""
    """A longer form, for a tooltip and for screen readers."""


_STATES: Final[dict[MachineState, tuple[str, Tone, str]]] = {
    MachineState.EXECUTE: ("Running", Tone.OK, "producing"),
    MachineState.IDLE: ("Idle", Tone.MUTED, "ready, no work"),
    MachineState.STARTING: ("Starting", Tone.INFO, "coming up"),
    MachineState.RESETTING: ("Resetting", Tone.INFO, "getting ready"),
    MachineState.COMPLETING: ("Completing", Tone.INFO, "ending its job"),
    MachineState.COMPLETE: ("Complete", Tone.MUTED, "job done"),
    MachineState.STOPPING: ("Stopping", Tone.INFO, "going down"),
    MachineState.STOPPED: ("Stopped", Tone.MUTED, "stopped on purpose"),
    MachineState.SUSPENDING: ("Waiting", Tone.WARN, "starved or blocked by its neighbours"),
    MachineState.SUSPENDED: ("Waiting", Tone.WARN, "starved or blocked by its neighbours"),
    MachineState.UNSUSPENDING: ("Resuming", Tone.INFO, "its neighbours are back"),
    MachineState.HOLDING: ("Held", Tone.WARN, "held for a cause of its own"),
    MachineState.HELD: ("Held", Tone.WARN, "held for a cause of its own"),
    MachineState.UNHOLDING: ("Resuming", Tone.INFO, "its cause is gone"),
    MachineState.ABORTING: ("Fault", Tone.BAD, "stopped by a fault"),
    MachineState.ABORTED: ("Fault", Tone.BAD, "stopped by a fault"),
    MachineState.CLEARING: ("Clearing", Tone.WARN, "the fault is being cleared"),
}
_ALERT_STATES: Final[dict[AlertState, tuple[str, Tone, str]]] = {
    AlertState.ACTIVE: ("New", Tone.BAD, "active, nobody has acknowledged it yet"),
    AlertState.ACKNOWLEDGED: ("Acknowledged", Tone.WARN, "still active, somebody is on it"),
    AlertState.RETURNED: ("Went away", Tone.INFO, "no longer active, nobody has acknowledged it yet"),
    AlertState.CLOSED: ("Past", Tone.MUTED, "no longer active, acknowledged"),
}
_SEVERITIES: Final[dict[Severity, tuple[str, Tone]]] = {
    Severity.HIGH: ("High", Tone.BAD),
    Severity.MEDIUM: ("Medium", Tone.WARN),
    Severity.LOW: ("Low", Tone.INFO),
}
_STATUSES: Final[dict[SolveStatus, tuple[str, Tone, str]]] = {
    SolveStatus.OPTIMAL: ("Optimal", Tone.OK, "proved: no plan is cheaper by more than the gap"),
    SolveStatus.FEASIBLE: ("Feasible", Tone.INFO, "keeps every rule; a cheaper plan may exist, by at most the gap"),
    SolveStatus.INFEASIBLE: ("Infeasible", Tone.BAD, "no plan can keep all the rules"),
    SolveStatus.NONE: ("No plan", Tone.WARN, "none was found within the limits of the solver"),
}
_DECISIONS: Final[dict[Decision, tuple[str, Tone]]] = {
    Decision.PROPOSED: ("Proposed", Tone.INFO),
    Decision.ACCEPTED: ("Accepted", Tone.OK),
    Decision.REJECTED: ("Rejected", Tone.WARN),
    Decision.SUPERSEDED: ("Superseded", Tone.MUTED),
}
_UNIT_ENDINGS: Final = ("_mm_s", "_kwh", "_kw", "_bar", "_ratio", "_pct", "_rpm", "_c", "_a", "_v", "_s", "_h")


def state_mark(state: str | None) -> Mark:
    """A PackML state in plain words; an unknown text is shown as it came."""
    if not state:
        return Mark(word="No data", tone=Tone.MUTED, hint="no state has been reported")
    try:
        word, tone, hint = _STATES[MachineState(state)]
    except ValueError:
        return Mark(word=state, tone=Tone.INFO, hint="a state outside PackML")
    return Mark(word=word, tone=tone, hint=f"PackML {state}: {hint}")


def alert_mark(state: AlertState) -> Mark:
    """An ISA-18.2 state in plain words."""
    word, tone, hint = _ALERT_STATES[state]
    return Mark(word=word, tone=tone, hint=hint)


def severity_mark(severity: Severity) -> Mark:
    """How much an alert matters."""
    word, tone = _SEVERITIES[severity]
    return Mark(word=word, tone=tone, hint=f"{word.lower()} severity")


def status_mark(status: SolveStatus) -> Mark:
    """What is known about a plan."""
    word, tone, hint = _STATUSES[status]
    return Mark(word=word, tone=tone, hint=hint)


def decision_mark(decision: Decision) -> Mark:
    """What a person said to a plan."""
    word, tone = _DECISIONS[decision]
    return Mark(word=word, tone=tone, hint=word.lower())


def number(value: float | None, *, digits: int = 1) -> str:
    """A number with thin groups of thousands; a dash where there is none.

    >>> number(12345.678), number(None), number(-0.04)
    ('12\\u202f345.7', '–', '0.0')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:,.{digits}f}".replace(",", "\u202f")
    if text.startswith("-") and not text.strip("-0.\u202f"):
        text = text[1:]
    return text.replace("-", "\u2212", 1)


def significant(value: float | None) -> str:
    """A reading with as many digits as it deserves.

    >>> significant(0.123456), significant(7.25), significant(1234.5)
    ('0.123', '7.25', '1\\u202f234')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    size = abs(value)
    return number(value, digits=0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 or size == 0 else 3)


def percent(ratio: float | None, *, digits: int = 0) -> str:
    """A ratio in percent.

    >>> percent(0.873), percent(0.0041), percent(None)
    ('87 %', '<1 %', '–')
    """
    if ratio is None or not math.isfinite(ratio):
        return MISSING
    if digits == 0 and 0 < ratio < 0.005:
        return "<1 %"
    return f"{number(100 * ratio, digits=digits)} %"


def money(amount: float | None, *, currency: str) -> str:
    """An amount in whole units of the plant's currency.

    >>> money(-1250.4, currency="EUR")
    '−1\\u202f250 EUR'
    """
    return MISSING if amount is None else f"{number(amount, digits=0)} {currency}"


def hours(length_h: float | None) -> str:
    """A length of time in the unit people would use.

    >>> hours(0.4), hours(7.25), hours(24.0), hours(100.0)
    ('24 min', '7.2 h', '24 h', '4.2 days')
    """
    if length_h is None or not math.isfinite(length_h):
        return MISSING
    if length_h < 1:
        return f"{round(60 * length_h)} min"
    value, unit = (length_h, "h") if length_h < 72 else (length_h / 24, "days")
    return f"{number(value).removesuffix('.0')} {unit}"


def age(length: timedelta) -> str:
    """How long ago, in one unit.

    >>> age(timedelta(seconds=0.42)), age(timedelta(minutes=5)), age(timedelta(hours=30))
    ('0.4 s', '5 min', '30 h')
    """
    seconds = max(length.total_seconds(), 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def moment(at: datetime | None, *, timezone: str, now: datetime | None = None) -> str:
    """An instant in the plant's local time; the day is left out where it is today.

    >>> from datetime import UTC
    >>> at = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
    >>> moment(at, timezone="Europe/Vienna"), moment(at, timezone="Europe/Vienna", now=at)
    ('Sun 22 Nov 14:05', '14:05')
    """
    if at is None:
        return MISSING
    zone = ZoneInfo(timezone)
    local = at.astimezone(zone)
    today = now is not None and now.astimezone(zone).date() == local.date()
    return local.strftime("%H:%M") if today else f"{local:%a} {local.day} {local:%b %H:%M}"


def soon(at: datetime, *, timezone: str, now: datetime) -> str:
    """An instant within the coming week, by its weekday.

    >>> from datetime import UTC
    >>> at = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
    >>> soon(at, timezone="UTC", now=at - timedelta(hours=9)), soon(at, timezone="UTC", now=at)
    ('Tue 02:00', '02:00')
    """
    text = moment(at, timezone=timezone, now=now)
    parts = text.split()
    return f"{parts[0]} {parts[-1]}" if len(parts) > 1 and abs(at - now) < timedelta(days=6) else text


def price(per_kwh: float) -> str:
    """A price per kWh without needless zeros.

    >>> price(0.098), price(0.19), price(0.2)
    ('0.098', '0.19', '0.20')
    """
    text = f"{per_kwh:.3f}"
    return text.removesuffix("0")


def signal_title(name: str) -> str:
    """A signal's name without its unit, as a title.

    >>> signal_title("vibration_mm_s"), signal_title("scrap_parts")
    ('Vibration', 'Scrap parts')
    """
    for ending in _UNIT_ENDINGS:
        if name.endswith(ending) and len(name) > len(ending):
            name = name.removesuffix(ending)
            break
    return name.replace("_", " ").capitalize()


def unit_text(signal: Signal) -> str:
    """The unit to print behind a signal's value; empty for counts, ratios and plain numbers."""
    plain = {Quantity.COUNT, Quantity.RATIO, Quantity.DIMENSIONLESS, Quantity.STATE}
    signs = {"degC": "°C", "m3/h": "m³/h", "N.m": "N·m"}
    return "" if signal.quantity in plain else signs.get(signal.quantity.unit, signal.quantity.unit)
