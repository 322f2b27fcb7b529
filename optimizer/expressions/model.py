"""A user's model file: parameters, variables with bounds, an objective, named rules. TOML in, checked trees out."""

import ast
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeGuard

from optimizer.expressions.parse import ExpressionError, parse, parse_rule
from plant.errors import DataError, Fault


class Domain(StrEnum):
    """What values a variable may take."""

    CONTINUOUS = "continuous"
    INTEGER = "integer"
    BINARY = "binary"


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """Something to be chosen."""

    name: str
    lower: float
    upper: float
    domain: Domain
    unit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A named rule: the tree of left minus right, compared with 0."""

    name: str
    text: str
    tree: ast.expr
    relation: str
    """`<=`, `>=` or `==`."""

    def residual(self, difference: float) -> float:
        """How far left minus right breaks the rule; 0 where it holds, infinite where it is not defined."""
        if math.isnan(difference):
            return math.inf
        return {"<=": max(difference, 0.0), ">=": max(-difference, 0.0), "==": abs(difference)}[self.relation]


@dataclass(frozen=True, kw_only=True, slots=True)
class UserModel:
    """Maximise or minimise an objective under rules."""

    title: str
    maximize: bool
    objective: ast.expr
    variables: tuple[Variable, ...]
    rules: tuple[Rule, ...]


def read_model(document: str, *, where: str) -> UserModel:
    """The model of a TOML document. Raises ConfigError with every fault, each naming its field.

    Parameters are put into the trees as numbers; units are for people.
    """
    try:
        raw = tomllib.loads(document)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError((Fault(where=where, found=str(error), expected="a TOML document."),)) from error
    faults: list[Fault] = []

    def fault(field: str, found: object, expected: str) -> None:
        faults.append(Fault(where=f"{where}: {field}", found=str(found)[:80], expected=expected))

    for key in raw.keys() - {"title", "maximize", "minimize", "parameters", "variables", "subject_to"}:
        fault(key, raw[key], "no such field; see deploy/models for examples.")
    tables = {name: raw.get(name, {}) for name in ("parameters", "variables", "subject_to")}
    for name, table in tables.items():
        if not isinstance(table, dict):
            fault(name, table, "it must be a table.")
            tables[name] = {}
    parameters: dict[str, float] = {}
    for name, value in tables["parameters"].items():
        given = value.get("value") if isinstance(value, dict) else value
        if _is_number(given):
            parameters[name] = float(given)
        else:
            fault(f"parameters.{name}", value, "it must be a finite number, or a table with `value` and `unit`.")
    variables = []
    for name, value in tables["variables"].items():
        problems = list(_variable_faults(name, value, parameters))
        for field, found, expected in problems:
            fault(field, found, expected)
        if not problems:
            variables.append(_variable(name, value))
    if not tables["variables"]:
        fault("variables", "none", "name at least one variable.")
    names = frozenset(parameters) | frozenset(tables["variables"])
    objective: ast.expr = ast.Constant(value=0)
    goals = [key for key in ("maximize", "minimize") if key in raw]
    if len(goals) != 1 or not isinstance(raw[goals[0]], str):
        fault("maximize", goals, "give exactly one of `maximize` and `minimize`, as text.")
    else:
        try:
            objective = _with_parameters(parse(raw[goals[0]], names), parameters)
        except ExpressionError as error:
            fault(goals[0], raw[goals[0]], str(error))
    rules = []
    for name, text in tables["subject_to"].items():
        try:
            if not isinstance(text, str):
                raise ExpressionError("a rule is text.")
            tree, relation = parse_rule(text, names)
            tree = _with_parameters(tree, parameters)
            rules.append(Rule(name=name, text=text, tree=tree, relation=relation))
        except ExpressionError as error:
            fault(f"subject_to.{name}", text, str(error))
    if faults:
        raise DataError(tuple(faults))
    return UserModel(
        title=str(raw.get("title", where)),
        maximize=goals == ["maximize"],
        objective=objective,
        variables=tuple(variables),
        rules=tuple(rules),
    )


def _variable_faults(name: str, value: Any, parameters: Mapping[str, float]) -> Iterator[tuple[str, object, str]]:
    field = f"variables.{name}"
    if not name.isidentifier() or name in parameters:
        yield field, name, "a variable's name is letters, digits and _, and no parameter's."
    if not isinstance(value, dict):
        yield field, value, "it must be a table with `lower` and `upper`."
        return
    if value.get("domain", "continuous") not in list(Domain):
        yield f"{field}.domain", value["domain"], "it must be continuous, integer or binary."
    for bound in ("lower", "upper"):
        if bound in value and not _is_number(value[bound]):
            yield f"{field}.{bound}", value[bound], "it must be a finite number."
            return
    if value.get("lower", 0.0) > value.get("upper", math.inf):
        yield field, (value.get("lower", 0.0), value["upper"]), "`lower` must be at most `upper`."


def _variable(name: str, value: dict[str, Any]) -> Variable:
    domain = Domain(value.get("domain", "continuous"))
    low, high = (0.0, 1.0) if domain is Domain.BINARY else (0.0, math.inf)
    lower, upper = float(value.get("lower", low)), float(value.get("upper", high))
    return Variable(name=name, lower=lower, upper=upper, domain=domain, unit=str(value.get("unit", "")))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _with_parameters(tree: ast.expr, parameters: Mapping[str, float]) -> ast.expr:
    class Substitution(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return ast.Constant(value=parameters[node.id]) if node.id in parameters else node

        def visit_Call(self, node: ast.Call) -> ast.expr:
            return ast.Call(func=node.func, args=[self.visit(argument) for argument in node.args], keywords=[])

    substituted: ast.expr = Substitution().visit(tree)
    return substituted
