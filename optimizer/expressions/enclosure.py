"""Enclosures of a function of one variable and its two derivatives over an interval: how far a chord can be off.

Source: Moore, Kearfott and Cloud, Introduction to Interval Analysis, 2009, ch. 6 and 9.
"""

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optimizer.expressions.parse import along, evaluate

Span = tuple[float, float]
EVERYTHING: Span = (-math.inf, math.inf)
MARGIN = 1e-12
"""For the rounding of floats, relative to the value."""


@dataclass(frozen=True, slots=True)
class Jet:
    """Spans of a value and of its first and second derivative."""

    value: Span
    slope: Span
    bend: Span

    def __add__(self, other: Any) -> "Jet":
        b = _jet(other)
        return Jet(_add(self.value, b.value), _add(self.slope, b.slope), _add(self.bend, b.bend))

    def __radd__(self, other: Any) -> "Jet":
        return self.__add__(other)

    def __neg__(self) -> "Jet":
        return self.__mul__(-1.0)

    def __sub__(self, other: Any) -> "Jet":
        return self + _jet(other) * -1.0

    def __rsub__(self, other: Any) -> "Jet":
        return _jet(other).__sub__(self)

    def __mul__(self, other: Any) -> "Jet":
        b = _jet(other)
        cross = _times(self.slope, b.slope)
        return Jet(
            _times(self.value, b.value),
            _add(_times(self.slope, b.value), _times(self.value, b.slope)),
            _add(_add(_times(self.bend, b.value), _times(self.value, b.bend)), _add(cross, cross)),
        )

    def __rmul__(self, other: Any) -> "Jet":
        return self.__mul__(other)

    def __truediv__(self, other: Any) -> "Jet":
        return self * _power(_jet(other), -1.0)

    def __rtruediv__(self, other: Any) -> "Jet":
        return _jet(other) * _power(self, -1.0)

    def __pow__(self, other: Any) -> "Jet":
        if isinstance(other, Jet):
            return Jet(EVERYTHING, EVERYTHING, EVERYTHING)
        return _power(self, float(other))

    def __rpow__(self, other: Any) -> "Jet":
        return _exp(self.__mul__(math.log(other))) if other > 0 else Jet(EVERYTHING, EVERYTHING, EVERYTHING)


def chord_error(node: ast.expr, name: str, low: float, high: float) -> Span:
    """How far the function can lie below and above its chord on an interval; infinite where that is not known."""
    try:
        jet = evaluate(node, {name: Jet((low, high), (1.0, 1.0), (0.0, 0.0))}, _FUNCTIONS)
    except (ArithmeticError, ValueError, TypeError):  # beyond what floats hold
        return EVERYTHING
    if not isinstance(jet, Jet):
        return (0.0, 0.0)
    share = (high - low) ** 2 / 8.0
    width = jet.value[1] - jet.value[0]
    if any(math.isnan(end) for end in (*jet.value, *jet.bend)):
        return EVERYTHING
    below = min(max(jet.bend[1], 0.0) * share, width)
    above = min(max(-jet.bend[0], 0.0) * share, width)
    size = max(abs(jet.value[0]), abs(jet.value[1]), 1.0)
    return (-below - MARGIN * size, above + MARGIN * size)


def _jet(value: Any) -> Jet:
    return value if isinstance(value, Jet) else Jet((float(value), float(value)), (0.0, 0.0), (0.0, 0.0))


def _add(a: Span, b: Span) -> Span:
    return (a[0] + b[0], a[1] + b[1])


def _times(a: Span, b: Span) -> Span:
    products = [0.0 if x == 0.0 or y == 0.0 else x * y for x in a for y in b]
    return (min(products), max(products))


def _chain(inner: Jet, value: Span, slope: Span, bend: Span) -> Jet:
    """The outer function's spans put together with those of what is inside."""
    square = _times(inner.slope, inner.slope)
    square = (max(square[0], 0.0), square[1])
    return Jet(value, _times(slope, inner.slope), _add(_times(bend, square), _times(slope, inner.bend)))


def _power(inner: Jet, exponent: float) -> Jet:
    whole = exponent == int(exponent)
    if (inner.value[0] < 0 and not whole) or (exponent < 0 and inner.value[0] <= 0 <= inner.value[1]):
        return Jet(EVERYTHING, EVERYTHING, EVERYTHING)
    slope = _scaled(exponent, _raised(inner.value, exponent - 1))
    bend = _scaled(exponent * (exponent - 1), _raised(inner.value, exponent - 2))
    return _chain(inner, _raised(inner.value, exponent), slope, bend)


def _scaled(factor: float, span: Span) -> Span:
    return _times((factor, factor), span) if factor else (0.0, 0.0)


def _raised(span: Span, exponent: float) -> Span:
    ends = [_value(lambda x: x**exponent, x) for x in span]
    if span[0] < 0 < span[1]:
        if exponent < 0:
            return EVERYTHING
        ends.append(0.0 if exponent else 1.0)
    return (min(ends), max(ends))


def _value(function: Callable[[float], float], x: float) -> float:
    try:
        return function(x)
    except (ZeroDivisionError, OverflowError):
        return math.inf
    except ValueError:
        return -math.inf


def _exp(jet: Any) -> Jet:
    inner = _jet(jet)
    span = (_value(math.exp, inner.value[0]), _value(math.exp, inner.value[1]))
    return _chain(inner, span, span, span)


def _log(jet: Any) -> Jet:
    inner = _jet(jet)
    if inner.value[0] <= 0:
        return Jet(EVERYTHING, EVERYTHING, EVERYTHING)
    low, high = inner.value
    return _chain(inner, (math.log(low), math.log(high)), (1 / high, 1 / low), (-1 / low**2, -1 / high**2))


def _abs(jet: Any) -> Jet:
    inner = _jet(jet)
    if inner.value[0] >= 0:
        return inner
    if inner.value[1] <= 0:
        return -inner
    most = max(-inner.value[0], inner.value[1])
    return Jet((0.0, most), EVERYTHING, EVERYTHING)


def _unknown(*_: Any) -> Jet:
    return Jet(EVERYTHING, EVERYTHING, EVERYTHING)


def _either(over: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Jet:
    low, high = _jet(over).value
    if high <= 0:
        return _jet(yes())
    if low > 0:
        return _jet(no())
    a, b = _jet(yes()), _jet(no())
    value = (min(a.value[0], b.value[0]), max(a.value[1], b.value[1]))
    return Jet(value, EVERYTHING, EVERYTHING)


def _pwl(jet: Any, *points: Any) -> Jet:
    inner = _jet(jet)
    numbers = [_jet(point).value[0] for point in points]
    low, high = inner.value
    at = numbers[::2]
    levels = [along(low, *numbers), along(high, *numbers)]
    levels += [level for x, level in zip(at, numbers[1::2], strict=True) if low < x < high]
    value = (min(levels), max(levels))
    if not any(low < x < high for x in at):
        slope = (levels[1] - levels[0]) / (high - low) if high > low else 0.0
        return _chain(inner, value, (slope, slope), (0.0, 0.0))
    return Jet(value, EVERYTHING, EVERYTHING)


def _sum(*terms: Any) -> Jet:
    total = _jet(0.0)
    for term in terms:
        total = total + term
    return total


_FUNCTIONS: dict[str, Callable[..., Jet]] = {
    "exp": _exp,
    "log": _log,
    "sqrt": lambda jet: _power(_jet(jet), 0.5),
    "abs": _abs,
    "min": _unknown,
    "max": _unknown,
    "sum": _sum,
    "pwl": _pwl,
    "if": _either,
}
