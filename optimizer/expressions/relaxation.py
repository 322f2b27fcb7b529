"""A user's model as a mixed-integer program that holds every point of it: its optimum is a proven bound.

Affine terms enter as they are. A function of one variable becomes pieces, each a chord with the certified error around
it; a binary times a bounded variable is exact (McCormick); a product of two variables is a difference of two squares.
Source: Vielma, Mixed integer linear programming formulation techniques, SIAM Review 57, 2015.
"""

import ast
import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pulp

from optimizer.expressions.enclosure import chord_error
from optimizer.expressions.model import Domain, UserModel, Variable
from optimizer.expressions.parse import breakpoints, number, variables_of

Affine = dict[str, float]
"""Factors by name; the constant under the empty name."""


class NotSeparableError(ValueError):
    """An expression without a certified form; the text says which."""


@dataclass(kw_only=True, slots=True)
class Relaxation:
    """The program while it is built, with the bounds of all its variables."""

    pieces: int
    program: pulp.LpProblem = field(default_factory=lambda: pulp.LpProblem("model", pulp.LpMinimize))
    columns: dict[str, pulp.LpVariable] = field(default_factory=dict)
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    binaries: set[str] = field(default_factory=set)
    constant: float = 0.0
    """Of the objective; the solver's bound is without it."""
    known: dict[str, Affine] = field(default_factory=dict)
    """Terms that were put into the program already, by their text."""


def relax(model: UserModel, *, pieces: int) -> Relaxation:
    """The program of a model. Raises NotSeparableError where an expression has no certified form."""
    relaxation = Relaxation(pieces=pieces)
    for variable in model.variables:
        _add(relaxation, variable)
    for rule in model.rules:
        form = _form(relaxation, rule.tree)
        sense = {"<=": pulp.LpConstraintLE, ">=": pulp.LpConstraintGE, "==": pulp.LpConstraintEQ}[rule.relation]
        _constrain(relaxation, form, sense)
    objective = _form(relaxation, model.objective)
    sign = -1.0 if model.maximize else 1.0
    terms = {relaxation.columns[name]: sign * factor for name, factor in objective.items() if name}
    relaxation.program.setObjective(pulp.LpAffineExpression(terms))
    relaxation.constant = sign * objective.get("", 0.0)
    return relaxation


def _add(relaxation: Relaxation, variable: Variable) -> None:
    low = variable.lower
    high = None if math.isinf(variable.upper) else variable.upper
    category = "Continuous" if variable.domain is Domain.CONTINUOUS else "Integer"
    number_of = len(relaxation.columns)
    relaxation.columns[variable.name] = relaxation.program.add_variable(f"v{number_of}", low, high, cat=category)
    relaxation.spans[variable.name] = (variable.lower, variable.upper)
    if variable.domain is Domain.BINARY:
        relaxation.binaries.add(variable.name)


def _auxiliary(relaxation: Relaxation, low: float, high: float) -> str:
    name = f" {len(relaxation.columns)}"
    lower, upper = (None if math.isinf(end) else end for end in (low, high))
    relaxation.columns[name] = relaxation.program.add_variable(f"w{len(relaxation.columns)}", lower, upper)
    relaxation.spans[name] = (low, high)
    return name


def _constrain(relaxation: Relaxation, form: Affine, sense: int) -> None:
    terms = {relaxation.columns[key]: factor for key, factor in form.items() if key}
    right = -form.get("", 0.0)
    relaxation.program.addConstraint(pulp.LpConstraint(pulp.LpAffineExpression(terms), sense, None, right))


def _form(relaxation: Relaxation, node: ast.expr) -> Affine:
    """An expression as an affine form over the program's variables; what is nonlinear gets variables of its own."""
    if not variables_of(node):
        value = number(node, {})
        if not math.isfinite(value):
            raise NotSeparableError(f"`{ast.unparse(node)[:40]}` is not a finite number.")
        return {"": value}
    match node:
        case ast.Name(id=name):
            return {name: 1.0}
        case ast.UnaryOp(op=op, operand=operand):
            return _scale(_form(relaxation, operand), -1.0 if isinstance(op, ast.USub) else 1.0)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            sign = 1.0 if isinstance(op, ast.Add) else -1.0
            return _plus(_form(relaxation, left), _form(relaxation, right), sign)
        case ast.Call(func=ast.Name(id="sum"), args=arguments):
            total: Affine = {}
            for argument in arguments:
                total = _plus(total, _form(relaxation, argument), 1.0)
            return total
        case ast.BinOp(left=left, op=ast.Mult(), right=right) if not (variables_of(left) and variables_of(right)):
            constant, other = (left, right) if not variables_of(left) else (right, left)
            return _scale(_form(relaxation, other), number(constant, {}))
        case ast.BinOp(left=left, op=ast.Div(), right=right) if not variables_of(right):
            divisor = number(right, {})
            return _scale(_form(relaxation, left), 1.0 / divisor if divisor else math.nan)
    text = ast.unparse(node)
    if text not in relaxation.known:
        relaxation.known[text] = _nonlinear(relaxation, node)
    return relaxation.known[text]


def _nonlinear(relaxation: Relaxation, node: ast.expr) -> Affine:
    if isinstance(node, ast.IfExp):
        return _conditional(relaxation, node)
    names = variables_of(node)
    if len(names) == 1 and not any(isinstance(part, ast.IfExp) for part in ast.walk(node)):
        (name,) = names
        return {_pieces(relaxation, node, name, name): 1.0}
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _product(relaxation, _form(relaxation, left), _form(relaxation, right))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            inverse = ast.BinOp(left=ast.Constant(value=1.0), op=ast.Div(), right=right)
            return _product(relaxation, _form(relaxation, left), _form(relaxation, inverse))
        case ast.BinOp(left=left, op=op, right=right) if not variables_of(left) or not variables_of(right):
            inner, outer = (left, right) if variables_of(left) else (right, left)
            name = _stand_in(relaxation, inner)
            hole = ast.Name(id=name)
            both = (hole, outer) if inner is left else (outer, hole)
            return {_pieces(relaxation, ast.BinOp(left=both[0], op=op, right=both[1]), name, name): 1.0}
        case ast.Call(func=ast.Name(id="pwl") as function, args=[argument, *points]):
            name = _stand_in(relaxation, argument)
            call = ast.Call(func=function, args=[ast.Name(id=name), *points], keywords=[])
            return {_pieces(relaxation, call, name, name): 1.0}
        case ast.Call(func=function, args=[argument]):
            name = _stand_in(relaxation, argument)
            call = ast.Call(func=function, args=[ast.Name(id=name)], keywords=[])
            return {_pieces(relaxation, call, name, name): 1.0}
    raise NotSeparableError(f"`{ast.unparse(node)[:60]}` has no certified form.")


def _conditional(relaxation: Relaxation, node: ast.IfExp) -> Affine:
    """One of two expressions by a binary: where the comparison holds the first, where it does not the second."""
    test = node.test
    assert isinstance(test, ast.Compare)
    sign = 1.0 if isinstance(test.ops[0], ast.LtE) else -1.0
    difference = _plus(_form(relaxation, test.left), _form(relaxation, test.comparators[0]), -1.0)
    over = _equal_to(relaxation, _scale(difference, sign))
    low, high = relaxation.spans[over]
    if not math.isfinite(high - low):
        raise NotSeparableError(f"`{ast.unparse(test)[:60]}` needs variables with `lower` and `upper`.")
    if high <= 0 or low > 0:
        return _form(relaxation, node.body if high <= 0 else node.orelse)
    holds = f" {len(relaxation.columns)}"
    relaxation.columns[holds] = relaxation.program.add_variable(f"w{len(relaxation.columns)}", cat="Binary")
    relaxation.spans[holds] = (0.0, 1.0)
    relaxation.binaries.add(holds)
    _constrain(relaxation, {over: 1.0, holds: high, "": -high}, pulp.LpConstraintLE)
    _constrain(relaxation, {over: 1.0, holds: -low}, pulp.LpConstraintGE)
    other = _form(relaxation, node.orelse)
    gained = _plus(_form(relaxation, node.body), other, -1.0)
    return _plus(other, _product(relaxation, {holds: 1.0}, gained), 1.0)


def _stand_in(relaxation: Relaxation, node: ast.expr) -> str:
    """A variable that equals an expression."""
    return _equal_to(relaxation, _form(relaxation, node))


def _equal_to(relaxation: Relaxation, form: Affine) -> str:
    low = high = form.get("", 0.0)
    for name, factor in form.items():
        if name:
            ends = [factor * end for end in relaxation.spans[name]]
            low, high = low + min(ends), high + max(ends)
    name = _auxiliary(relaxation, low, high)
    _constrain(relaxation, _plus(form, {name: 1.0}, -1.0), pulp.LpConstraintEQ)
    return name


def _pieces(relaxation: Relaxation, node: ast.expr, inner: str, name: str) -> str:
    """A variable for a function of one variable: on each piece its chord, with the certified error around it."""
    low, high = relaxation.spans[name]
    if not math.isfinite(high - low):
        raise NotSeparableError(f"{name.strip() or 'a term'} needs `lower` and `upper` to be taken apart.")
    kinks = [x for call in _calls(node, "pwl", inner) for x, _ in breakpoints(call) if low < x < high]
    ends = np.unique([*np.linspace(low, high, relaxation.pieces + 1), *kinks])
    values = [number(node, {inner: float(end)}) for end in ends]
    errors = [chord_error(node, inner, float(a), float(b)) for a, b in pairwise(ends)]
    if not all(math.isfinite(v) for v in [*values, *(end for error in errors for end in error)]):
        raise NotSeparableError(f"`{ast.unparse(node)[:60]}` is not bounded on [{low:g}, {high:g}].")
    program, column = relaxation.program, relaxation.columns[name]
    result = _auxiliary(relaxation, -math.inf, math.inf)
    chosen: dict[Any, float] = {}
    position: dict[Any, float] = {column: -1.0}
    level_low: dict[Any, float] = {}
    level_high: dict[Any, float] = {}
    for k, (below, above) in enumerate(errors):
        a, b = float(ends[k]), float(ends[k + 1])
        on = program.add_variable(f"{relaxation.columns[result].name}_on{k}", cat="Binary")
        share = program.add_variable(f"{relaxation.columns[result].name}_at{k}", 0, 1)
        program.addConstraint(pulp.LpConstraint(pulp.LpAffineExpression({share: 1.0, on: -1.0}), pulp.LpConstraintLE))
        chosen[on] = 1.0
        position |= {on: a, share: b - a}
        level_low |= {on: values[k] + below, share: values[k + 1] - values[k]}
        level_high |= {on: values[k] + above, share: values[k + 1] - values[k]}
    target = relaxation.columns[result]
    for terms, sense, right in (
        (chosen, pulp.LpConstraintEQ, 1.0),
        (position, pulp.LpConstraintEQ, 0.0),
        (level_low | {target: -1.0}, pulp.LpConstraintLE, 0.0),
        (level_high | {target: -1.0}, pulp.LpConstraintGE, 0.0),
    ):
        program.addConstraint(pulp.LpConstraint(pulp.LpAffineExpression(terms), sense, None, right))
    levels = [v + e for v, error in zip(values, [errors[0], *errors], strict=True) for e in error]
    levels += [v + e for v, error in zip(values[:-1], errors, strict=True) for e in error]
    relaxation.spans[result] = (min(levels), max(levels))
    return result


def _calls(node: ast.expr, function: str, name: str) -> list[ast.Call]:
    """Calls of a function on a variable itself."""
    return [
        call
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == function
        and isinstance(call.args[0], ast.Name)
        and call.args[0].id == name
    ]


def _product(relaxation: Relaxation, left: Affine, right: Affine) -> Affine:
    total: Affine = {}
    for a, p in left.items():
        for b, q in right.items():
            if not a or not b:
                total = _plus(total, {a or b: p * q}, 1.0)
            else:
                total = _plus(total, {_times(relaxation, *sorted((a, b))): p * q}, 1.0)
    return total


def _times(relaxation: Relaxation, a: str, b: str) -> str:
    if (key := f"{a} * {b}") in relaxation.known:
        return next(iter(relaxation.known[key]))
    if a == b:
        square = ast.BinOp(left=ast.Name(id=a), op=ast.Pow(), right=ast.Constant(value=2))
        result = a if a in relaxation.binaries else _pieces(relaxation, square, a, a)
    elif a in relaxation.binaries or b in relaxation.binaries:
        result = _switched(relaxation, *((a, b) if a in relaxation.binaries else (b, a)))
    else:
        half, rest = {a: 0.5, b: 0.5}, {a: 0.5, b: -0.5}
        u, v = _equal_to(relaxation, half), _equal_to(relaxation, rest)
        result = _equal_to(relaxation, {_times(relaxation, u, u): 1.0, _times(relaxation, v, v): -1.0})
    relaxation.known[key] = {result: 1.0}
    return result


def _switched(relaxation: Relaxation, binary: str, name: str) -> str:
    """A binary times a bounded variable, exactly. Source: McCormick, Mathematical Programming 10, 1976."""
    low, high = relaxation.spans[name]
    if not math.isfinite(high - low):
        raise NotSeparableError(f"{name} needs `lower` and `upper`, as it is multiplied with {binary}.")
    result = _auxiliary(relaxation, min(low, 0.0), max(high, 0.0))
    _constrain(relaxation, {result: 1.0, binary: -high}, pulp.LpConstraintLE)
    _constrain(relaxation, {result: 1.0, binary: -low}, pulp.LpConstraintGE)
    _constrain(relaxation, {result: 1.0, name: -1.0, binary: -low, "": low}, pulp.LpConstraintLE)
    _constrain(relaxation, {result: 1.0, name: -1.0, binary: -high, "": high}, pulp.LpConstraintGE)
    return result


def _scale(form: Affine, factor: float) -> Affine:
    if not math.isfinite(factor):
        raise NotSeparableError("a factor is not a finite number.")
    return {name: value * factor for name, value in form.items()}


def _plus(a: Affine, b: Affine, sign: float) -> Affine:
    total = dict(a)
    for name, factor in b.items():
        total[name] = total.get(name, 0.0) + sign * factor
    return total
