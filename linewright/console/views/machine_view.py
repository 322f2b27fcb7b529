"""The Machine page's content: signals over time, the strip of states, the risk and what shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from linewright.console.snapshot import STALE_PERIODS, Snapshot
from linewright.console.words import (
    MISSING,
    Mark,
    hours,
    moment,
    number,
    percent,
    signal_title,
    significant,
    state_mark,
    unit_text,
)
from plant.assets import MachineClass, Plant, Signal, SignalKind, SignalRole
from plant.clock import instant, microseconds
from plant.risks import Risk
from plant.signals import Aggregation, Quality, Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """A selectable length of history with the grain it is read at."""

    name: str
    length: timedelta
    step: timedelta


RANGES: Final = (
    Range(name="1 h", length=timedelta(hours=1), step=timedelta(seconds=30)),
    Range(name="8 h", length=timedelta(hours=8), step=timedelta(minutes=2)),
    Range(name="24 h", length=timedelta(hours=24), step=timedelta(minutes=5)),
    Range(name="7 d", length=timedelta(days=7), step=timedelta(minutes=30)),
)
RATE_SPANS: Final = 60
"""Most points of a counter's rate over a range: enough to see a shift, few enough to smooth single parts."""
US_PER_H: Final = 3_600_000_000
_FLAG_WORDS: Final = {
    Quality.OUT_OF_RANGE: "out of range",
    Quality.STUCK: "stuck",
    Quality.JUMP: "jump",
    Quality.COUNTER_RESET: "counter reset",
    Quality.CLOCK_SKEW: "clock skew",
    Quality.NO_DEVICE_TIME: "no device time",
    Quality.STALE: "stale",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalSeries:
    """One small multiple."""

    name: str
    title: str
    unit: str
    last: str
    points: tuple[tuple[int, float | None], ...]
    """[µs UTC] and value; None breaks the line at a gap."""
    flagged: tuple[tuple[int, float], ...]
    """Points whose value is doubted."""
    note: str
    """What is doubted, and how often; empty where nothing is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A stretch of one state."""

    left: float
    """Share of the range [0..1]."""
    width: float
    state: Mark
    hint: str
    silent: bool
    """Whether nothing was reported here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskView:
    """The risk of one machine, said plainly."""

    headline: str
    detail: str
    enough_data: bool
    life: tuple[tuple[str, str, str], ...]
    """Name, value and meaning of the three quantiles of remaining life."""
    evidence: tuple[tuple[str, float, str], ...]
    """Sentence, share [0..1] and share as text; greatest first."""
    model: str
    nearest: str = ""
    """The past case that looked most alike; empty: none did."""
    diagnoses: tuple[tuple[str, str], ...] = ()
    """What is behind signals that are not as they were: cause and sentence."""


def aggregations(machine_class: MachineClass) -> dict[str, Aggregation]:
    """How each signal is condensed: levels by mean, counters and states by their last value."""
    return {
        signal.name: Aggregation.MEAN if signal.kind is SignalKind.GAUGE else Aggregation.LAST
        for signal in machine_class.signals
    }


def stale_note(snapshot: Snapshot, *, machine: str) -> str:
    """What is stale on a machine, in a sentence; empty where nothing is."""
    stale = snapshot.stale(machine)
    if not stale:
        return ""
    titles = ", ".join(signal_title(value.signal) for value in stale[:5])
    more = f" and {len(stale) - 5} more" if len(stale) > 5 else ""
    return f"The source of this machine was declared dead. The last values before that are shown: {titles}{more}."


def signal_series(
    window: Window, *, machine_class: MachineClass, flags: Mapping[str, NDArray[np.uint8]]
) -> tuple[SignalSeries, ...]:
    """One series for each gauge, and for each counter its increase per step.

    Args:
        window: What the machine reported.
        machine_class: Its signals.
        flags: `Quality` of each signal's values by signal. (time,)
    """
    return tuple(
        _series(window, signal, flags.get(signal.name))
        for signal in machine_class.signals
        if signal.kind in (SignalKind.GAUGE, SignalKind.COUNTER) and signal.name in window.values
    )


def state_segments(window: Window, *, plant: Plant) -> tuple[Segment, ...]:
    """The strip of states over the window's range; silence is a state of its own."""
    machine_class = plant.class_of(window.machine)
    signal = machine_class.signal(SignalRole.STATE)
    if signal is None or signal.name not in window.states or len(window) == 0:
        return ()
    start_us, end_us = microseconds(window.start), microseconds(window.end)
    patience_us = _patience_us(signal, window)
    runs: list[tuple[int, int, str | None]] = []

    def extend(begin: int, end: int, state: str | None) -> None:
        if end <= begin:
            return
        if runs and runs[-1][2] == state:
            runs[-1] = (runs[-1][0], end, state)
        else:
            runs.append((begin, end, state))

    reports = [
        (max(int(at), start_us), str(text))
        for at, text in zip(window.observed_at, window.states[signal.name], strict=True)
        if text is not None
    ]
    first_us = reports[0][0] if reports else end_us
    extend(start_us, first_us, reports[0][1] if reports and first_us - start_us <= patience_us else None)
    for index, (at, text) in enumerate(reports):
        following = reports[index + 1][0] if index + 1 < len(reports) else end_us
        held = min(following, at + patience_us) if following - at > patience_us else following
        extend(at, held, text)
        extend(held, following, None)
    length_us = max(end_us - start_us, 1)
    return tuple(
        Segment(
            left=(begin - start_us) / length_us,
            width=(end - begin) / length_us,
            state=state_mark(state),
            hint=f"{state_mark(state).word} from {_local(begin, plant)} to {_local(end, plant)}",
            silent=state is None,
        )
        for begin, end, state in runs
    )


def risk_view(risk: Risk | None, *, plant: Plant, now: datetime) -> RiskView:
    """The risk in words; what is not known is said to be unknown."""
    if risk is None:
        return RiskView(
            headline=MISSING,
            detail="Not assessed yet. The first assessment follows within a minute of the first readings.",
            enough_data=False,
            life=(),
            evidence=(),
            model=MISSING,
        )
    last_h = risk.horizons_h[-1] if risk.horizons_h else float("inf")
    mode = "" if risk.mode in ("any", "") else f" by {risk.mode.replace('_', ' ')}"
    within = f"of failing{mode} within {hours(risk.horizon_h)} of operation"
    seen = f"assessed {moment(risk.assessed_at, timezone=plant.timezone, now=now)}"
    seen += f", {hours(risk.age_h)} of operation since its last maintenance" if risk.age_h > 0 else ""
    return RiskView(
        headline=percent(risk.probability),
        detail=f"{within}; {seen}"
        if risk.enough_data
        else f"Not enough data: {risk.reason or 'too few readings'}. "
        f"The figure is the base rate of its class, {within}.",
        enough_data=risk.enough_data,
        life=(
            ("9 in 10 last", _life(risk.remaining_life_p10_h, last_h), "p10: reached with 90 % probability"),
            ("Half last", _life(risk.remaining_life_p50_h, last_h), "p50: the median remaining life"),
            ("1 in 10 lasts", _life(risk.remaining_life_p90_h, last_h), "p90: reached with 10 % probability"),
        ),
        evidence=tuple(
            (item.sentence or f"{signal_title(item.signal)}, {item.scale}", item.share, percent(item.share))
            for item in sorted(risk.evidence, key=lambda item: -item.share)
            if item.share > 0
        ),
        model=risk.model_version or MISSING,
        nearest=sentence_of(risk.nearest.sentence) if risk.nearest else "",
        diagnoses=tuple(
            (each.cause.value.replace("_", " ").capitalize(), sentence_of(each.sentence)) for each in risk.diagnoses
        ),
    )


def sentence_of(text: str) -> str:
    """A finding as a sentence of its own.

    >>> sentence_of("heat has stood still")
    'Heat has stood still.'
    """
    return f"{text[:1].upper()}{text[1:]}."


def _series(window: Window, signal: Signal, flags: NDArray[np.uint8] | None) -> SignalSeries:
    values = np.asarray(window.values[signal.name], dtype=np.float64)
    unit, title = unit_text(signal), signal_title(signal.name)
    reported = np.flatnonzero(np.isfinite(values))
    instants = window.observed_at[reported]
    shown = values[reported]
    last = significant(float(shown[-1])) if len(shown) else MISSING
    doubts = (window.quality if flags is None else window.quality | flags)[reported]
    unsaid = Quality.GAP
    if window.step is not None and window.step > signal.period:
        unsaid |= Quality.JUMP | Quality.STUCK  # means of long steps neither jump nor stick as readings do
    doubts = doubts & np.uint8(0xFF ^ int(unsaid))
    patience_us = _patience_us(signal, window)
    if signal.kind is SignalKind.COUNTER:
        total = number(float(shown[-1]), digits=0) if len(shown) else MISSING
        instants, shown, doubts = _rate(instants, shown, doubts, patience_us=patience_us)
        title, last, unit = f"{title} per hour", f"{total} {unit}".strip() + " in total", ""
    points: list[tuple[int, float | None]] = []
    for index, at in enumerate(instants):
        if points and signal.kind is SignalKind.GAUGE and at - points[-1][0] > patience_us:
            points.append((int(points[-1][0]) + 1, None))
        value = float(shown[index])
        points.append((int(at), round(value, 4) if np.isfinite(value) else None))
    return SignalSeries(
        name=signal.name,
        title=title,
        unit=unit,
        last=f"{last} {unit}".strip(),
        points=tuple(points),
        flagged=tuple((int(instants[i]), float(shown[i])) for i in np.flatnonzero(doubts) if np.isfinite(shown[i])),
        note=_doubt_note(doubts),
    )


def _rate(
    instants: NDArray[np.int64], counts: NDArray[np.float64], doubts: NDArray[np.uint8], *, patience_us: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    """Growth of a counter per hour over spans of equal length.

    The counter is read between its reports by straight lines; a span with a silence or a fall in it says nothing. The
    newest report is left out, because its step is still filling.
    """
    at, count = instants[:-1].astype(np.float64), counts[:-1]
    if len(at) < 2:
        return instants[:0], counts[:0], doubts[:0]
    spans = max(min(RATE_SPANS, (len(at) - 1) // 4), 1)
    edges = np.linspace(at[0], at[-1], spans + 1)
    grown = np.diff(np.interp(edges, at, count)) / (np.diff(edges) / US_PER_H)
    broken = np.flatnonzero((np.diff(count) < 0) | (np.diff(at) > patience_us))
    for start, end in zip(at[broken], at[broken + 1], strict=True):
        grown[(edges[1:] > start) & (edges[:-1] < end)] = np.nan
    span_of = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, spans - 1)
    marks = np.zeros(spans, dtype=np.uint8)
    np.bitwise_or.at(marks, span_of, doubts[:-1])
    return ((edges[:-1] + edges[1:]) / 2).astype(np.int64), grown, marks


def _doubt_note(doubts: NDArray[np.uint8]) -> str:
    counts = {word: int(np.count_nonzero(doubts & int(flag))) for flag, word in _FLAG_WORDS.items()}
    return ", ".join(f"{count} × {word}" for word, count in counts.items() if count)


def _patience_us(signal: Signal, window: Window) -> int:
    grain = max(signal.period, window.step or timedelta(0))
    return round(STALE_PERIODS * grain.total_seconds() * 1_000_000)


def _life(remaining_h: float, last_h: float) -> str:
    return f"> {hours(last_h)}" if remaining_h >= last_h else hours(remaining_h)


def _local(at_us: int, plant: Plant) -> str:
    return moment(instant(at_us), timezone=plant.timezone)
