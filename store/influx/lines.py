"""Readings as lines of InfluxDB's line protocol, written by hand.

One line per reading: `press,machine=L1-press,line=L1 power_kw=3.5,state="Execute" 1763800000000000`, time in µs. The
client's `Point` costs four times as much with 20 fields, and writes an empty line for a NaN. Numbers are always floats,
because a field that was an integer once refuses floats for ever.

Source: InfluxDB 2 documentation, "Line protocol", sections "Data types and format" and "Special characters".
"""

import math
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plant.signals import Window

KEY_ESCAPES: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": " ", "\r": " "})
MEASUREMENT_ESCAPES: Final = str.maketrans({",": r"\,", " ": r"\ ", "\n": " ", "\r": " "})
TEXT_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": " ", "\r": " "})
"""A line break would end the line at some servers, so text is written without."""
MIX: Final = np.uint64(0x9E3779B97F4A7C15)
"""Odd, from the golden ratio: spreads neighbouring values over all bits (Knuth, TAOCP 3, 6.4)."""


def lines_of(window: Window, rows: NDArray[np.intp], *, machine_class: str, line: str) -> list[str]:
    """A line for each of these rows of a raw window that reports anything; NaN, infinity and None are left out.

    Args:
        window: Raw readings of one machine.
        rows: Which of them. (row,)
        machine_class: The measurement.
        line: Of the plant, as a tag.
    """
    fields: list[list[str]] = [[] for _ in rows]
    for signal, numbers in window.values.items():
        start = f"{key_of(signal)}="
        for parts, number in zip(fields, numbers[rows].tolist(), strict=True):
            if math.isfinite(number):
                parts.append(f"{start}{number!r}")
    for signal, texts in window.states.items():
        start = f'{key_of(signal)}="'
        for parts, text in zip(fields, texts[rows].tolist(), strict=True):
            if text is not None:
                parts.append(f'{start}{text.translate(TEXT_ESCAPES)}"')
    head = f"{head_of(machine_class, window.machine, line)} "
    times = window.observed_at[rows].tolist()
    return [f"{head}{','.join(parts)} {time}" for parts, time in zip(fields, times, strict=True) if parts]


def head_of(measurement: str, machine: str, line: str) -> str:
    """Measurement and tags of a line.

    >>> head_of("press", "L1-press", "L1")
    'press,machine=L1-press,line=L1'
    """
    return f"{measurement.translate(MEASUREMENT_ESCAPES)},machine={_tag(machine)},line={_tag(line)}"


def key_of(signal: str) -> str:
    """A signal as the key of a field."""
    return signal.translate(KEY_ESCAPES)


def marks_of(window: Window) -> NDArray[np.uint64]:
    """A number per reading that changes with its time and with each of its values. (time,)

    By it a reading that was sent is known again without keeping its line; a revised value has another mark.
    """
    marks = _mixed(window.observed_at.astype(np.uint64))
    for index, numbers in enumerate(window.values.values(), start=1):
        # NaN has many bit patterns
        bits = np.where(np.isnan(numbers), np.nan, numbers).view(np.uint64)
        marks = _mixed(marks ^ (bits + np.uint64(index)))
    for texts in window.states.values():
        marks = _mixed(marks ^ pd.util.hash_array(texts, categorize=True))
    return marks


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    spread = bits * MIX
    return spread ^ (spread >> np.uint64(29))


def _tag(text: str) -> str:
    """A tag's value; a backslash at its end would escape the comma behind it.

    >>> _tag("Press 1")
    'Press\\\\ 1'
    """
    escaped = text.translate(KEY_ESCAPES)
    return escaped + r"\ " if escaped.endswith("\\") else escaped
