"""Expressions as people write them, read by Python's own parser and never run: only what is listed passes."""

import ast
import math
import warnings
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

MAX_LENGTH, MAX_DEPTH, MAX_NODES = 2000, 40, 600
MAX_NUMBER = 1e15
FUNCTIONS: dict[str, tuple[int, int]] = {
    "exp": (1, 1),
    "log": (1, 1),
    "sqrt": (1, 1),
    "abs": (1, 1),
    "min": (2, 50),
    "max": (2, 50),
    "sum": (1, 1000),
    "pwl": (5, 201),
}
"""Least and greatest number of arguments."""
WriteOut = Callable[[ast.expr], ast.expr]
RELATIONS: dict[type[ast.cmpop], str] = {ast.LtE: "<=", ast.GtE: ">=", ast.Eq: "=="}


class ExpressionError(ValueError):
    """An expression that cannot be read; the text says where and what would be right."""


def parse(text: str, names: frozenset[str], *, write_out: WriteOut | None = None) -> ast.expr:
    """The tree of an arithmetic expression. Raises ExpressionError for anything but arithmetic on the names.

    `write_out` takes its indices away before it is checked.

    >>> ast.unparse(parse("2 * x + exp(y)", frozenset({"x", "y"})))
    '2 * x + exp(y)'
    """
    tree = _read(text)
    tree = tree if write_out is None else write_out(tree)
    _check(tree, names, 0)
    return tree


def parse_rule(text: str, names: frozenset[str], *, write_out: WriteOut | None = None) -> tuple[ast.expr, str]:
    """A rule `left <= right` (or `>=`, `==`) as the tree of left - right, and its relation."""
    tree = _read(text)
    tree = tree if write_out is None else write_out(tree)
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1 or type(tree.ops[0]) not in RELATIONS:
        raise ExpressionError("a rule compares two sides once, by <=, >= or ==.")
    left, right = tree.left, tree.comparators[0]
    _check(left, names, 0)
    _check(right, names, 0)
    return ast.BinOp(left=left, op=ast.Sub(), right=right), RELATIONS[type(tree.ops[0])]


def _read(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"it is {len(text)} characters long; at most {MAX_LENGTH} are read.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python's own style, such as `1if x`
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError(f"it cannot be read as arithmetic ({error}).") from error
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise ExpressionError(f"it has more than {MAX_NODES} parts.")
    return tree


def _check(node: ast.expr, names: frozenset[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ExpressionError(f"it is nested more than {MAX_DEPTH} deep.")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if not math.isfinite(value) or abs(value) > MAX_NUMBER:
                raise ExpressionError("a number is not finite or beyond 1e15.")
        case ast.Name(id=name):
            if name not in names:
                raise ExpressionError(f"{name} is no variable or parameter of this model.")
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(operand, names, depth + 1)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow(), right=right):
            _check(left, names, depth + 1)
            _check(right, names, depth + 1)
        case ast.IfExp(test=ast.Compare(left=left, ops=[ast.LtE() | ast.GtE()], comparators=[right])):
            for part in (left, right, node.body, node.orelse):
                _check(part, names, depth + 1)
        case ast.IfExp():
            raise ExpressionError("what follows `if` compares two sides once, by <= or >=.")
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            least, most = FUNCTIONS[name]
            if not least <= len(arguments) <= most:
                raise ExpressionError(f"{name} takes {least} to {most} arguments; here it has {len(arguments)}.")
            for argument in arguments:
                _check(argument, names, depth + 1)
        case _:
            raise ExpressionError(
                f"`{ast.unparse(node)[:40]}` is not allowed; use numbers, names, + - * / **, `a if x <= y else b` and "
                f"{', '.join(FUNCTIONS)}."
            )


def variables_of(node: ast.expr) -> frozenset[str]:
    """Names in an expression, without those of functions."""
    called = {id(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
    return frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and id(n) not in called)


def evaluate(node: ast.expr, values: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Any:
    """The value of a checked expression in any arithmetic: numbers, or enclosures of them."""
    match node:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]  # checked; whole numbers could grow without end
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=op, operand=operand):
            inner = evaluate(operand, values, functions)
            return -inner if isinstance(op, ast.USub) else inner
        case ast.BinOp(left=left, op=op, right=right):
            a, b = evaluate(left, values, functions), evaluate(right, values, functions)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div():
                    return a / b
                case _:
                    return a**b
        case ast.IfExp(test=ast.Compare(left=left, ops=[relation], comparators=[right]), body=body, orelse=other):
            over = evaluate(left, values, functions) - evaluate(right, values, functions)
            return functions["if"](
                over if isinstance(relation, ast.LtE) else -over,
                lambda: evaluate(body, values, functions),
                lambda: evaluate(other, values, functions),
            )
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return functions[name](*(evaluate(argument, values, functions) for argument in arguments))
    raise ExpressionError("an unchecked expression was evaluated.")


def breakpoints(node: ast.Call) -> list[tuple[float, float]]:
    """The points of `pwl(x, x1, y1, x2, y2, ...)`. Raises ExpressionError where they are none."""
    given = [number(argument, {}) if not variables_of(argument) else math.nan for argument in node.args[1:]]
    points = list(zip(given[::2], given[1::2], strict=False))
    rising = all(a[0] < b[0] for a, b in pairwise(points))
    if len(given) % 2 or not rising or not all(math.isfinite(value) for value in given):
        raise ExpressionError("pwl takes x, then points x1, y1, x2, y2, ... of numbers, x1 < x2 < ...")
    return points


def along(x: float, *points: float) -> float:
    """The value of a piecewise-linear function, held before its first and after its last point.

    >>> along(1.5, 1.0, 10.0, 2.0, 20.0, 3.0, 0.0)
    15.0
    """
    at, levels = points[::2], points[1::2]
    if x <= at[0]:
        return levels[0]
    for (a, b), (low, high) in zip(pairwise(at), pairwise(levels), strict=True):
        if x <= b:
            return low + (high - low) * (x - a) / (b - a)
    return levels[-1]


NUMBERS: dict[str, Callable[..., float]] = {
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "abs": abs,
    "min": min,
    "max": max,
    "sum": lambda *terms: math.fsum(terms),
    "pwl": along,
    "if": lambda over, yes, no: yes() if over <= 0 else no(),
}


def number(node: ast.expr, values: Mapping[str, float]) -> float:
    """The value of an expression at a point; NaN where it is not defined there."""
    try:
        value = evaluate(node, values, NUMBERS)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError):  # TypeError: of a root of a negative number
        return math.nan
    return float(value) if isinstance(value, int | float) else math.nan
