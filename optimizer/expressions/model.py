"""A user's model: sets, parameters, variables with bounds, an objective, named rules. A file in, checked trees out."""

import ast
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeGuard

from optimizer.expressions.documents import read_document
from optimizer.expressions.indexing import MOST_MEMBERS, flat_name, members_of, places_of, written_out
from optimizer.expressions.parse import MAX_NUMBER, ExpressionError, WriteOut, breakpoints, parse, parse_rule
from plant.errors import DataError, Fault

FIELDS: Final = frozenset({"title", "maximize", "minimize", "sets", "parameters", "variables", "subject_to"})
MEMBER: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}").fullmatch
MOST_FAULTS: Final = 50
MOST_VARIABLES: Final = 5000


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
    """The model of a TOML or YAML document. Raises DataError with every fault, each naming its field.

    Parameters are put into the trees as numbers, indices are written out; units are for people.

    Args:
        document: The text.
        where: The file's name; its ending says what it is.
    """
    raw = read_document(document, where=where)
    reading = _Reading(where=where)
    for key in raw.keys() - FIELDS:
        reading.fault(str(key), raw[key], "no such field; see docs/models.md.")
    tables = {name: raw.get(name, {}) for name in ("sets", "parameters", "variables", "subject_to")}
    for name, table in tables.items():
        if not isinstance(table, dict) or not all(isinstance(key, str) for key in table):
            reading.fault(name, table, "a table whose names are text; in YAML put `on` and `no` in quotes.")
            tables[name] = {}
    reading.read_sets(tables["sets"])
    reading.read_parameters(tables["parameters"])
    reading.read_variables(tables["variables"])
    goals = [key for key in ("maximize", "minimize") if key in raw]
    objective: ast.expr = ast.Constant(value=0)
    if len(goals) != 1 or not isinstance(raw[goals[0]], str):
        reading.fault("maximize", goals, "give exactly one of `maximize` and `minimize`, as text.")
    else:
        try:
            objective = reading.tree(parse(raw[goals[0]], reading.names, write_out=reading.write_out({})))
        except ExpressionError as error:
            reading.fault(goals[0], raw[goals[0]], str(error))
    rules = [rule for name, given in tables["subject_to"].items() for rule in reading.rules_of(name, given)]
    if reading.faults:
        raise DataError(tuple(reading.faults[:MOST_FAULTS]))
    return UserModel(
        title=str(raw.get("title", where))[:200],
        maximize=goals == ["maximize"],
        objective=objective,
        variables=tuple(reading.variables),
        rules=tuple(rules),
    )


@dataclass(kw_only=True, slots=True)
class _Reading:
    """What has been read of a document, and what was wrong with it."""

    where: str
    faults: list[Fault] = field(default_factory=list)
    sets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parameters: dict[str, float] = field(default_factory=dict)
    """Those of an index under `name[member]`."""
    variables: list[Variable] = field(default_factory=list)
    indexed: set[str] = field(default_factory=set)
    names: frozenset[str] = frozenset()
    """Of everything that an expression may name."""

    def fault(self, place: str, found: object, expected: str) -> None:
        """Notes what is wrong where."""
        self.faults.append(Fault(where=f"{self.where}: {place[:80]}", found=repr(found)[:80], expected=expected))

    def read_sets(self, table: dict[str, Any]) -> None:
        """Sets are lists of names."""
        for name, members in table.items():
            sound = isinstance(members, list) and all(isinstance(each, str) and MEMBER(each) for each in members)
            if not name.isidentifier() or not sound or len(set(members)) != len(members) or len(members) > MOST_MEMBERS:
                expected = f"a set is a list of up to {MOST_MEMBERS} different names of letters, digits, `_`, `-`, `.`."
                self.fault(f"sets.{name}", members, expected)
            else:
                self.sets[name] = tuple(members)

    def read_parameters(self, table: dict[str, Any]) -> None:
        """Numbers, or one for every place of an index."""
        for name, value in table.items():
            if not name.isidentifier():
                self.fault(f"parameters.{name}", name, "a parameter's name is letters, digits and _.")
            elif isinstance(value, dict) and "index" in value:
                self._indexed_parameter(name, value)
            elif is_number(given := value.get("value") if isinstance(value, dict) else value):
                self.parameters[name] = float(given)
            else:
                expected = "it must be a finite number, or a table with `value` (or `index` and `values`) and `unit`."
                self.fault(f"parameters.{name}", value, expected)

    def _indexed_parameter(self, name: str, value: dict[str, Any]) -> None:
        self.indexed.add(name)
        try:
            places = members_of(value["index"], self.sets)
        except ExpressionError as error:
            self.fault(f"parameters.{name}.index", value["index"], str(error))
            return
        for members in places:
            given: Any = value.get("values")
            for member in members:
                given = given.get(member) if isinstance(given, dict) else None
            if is_number(given):
                self.parameters[flat_name(name, members)] = float(given)
            else:
                place = ".".join(members)
                self.fault(f"parameters.{name}.values.{place}", given, "it must be a finite number.")

    def read_variables(self, table: dict[str, Any]) -> None:
        """What is to be chosen, once or for every place of an index."""
        if not table:
            self.fault("variables", "none", "name at least one variable.")
        known = {name.split("[")[0] for name in self.parameters} | self.indexed
        for name, value in table.items():
            problems = list(_variable_faults(name, value, known))
            for place, found, expected in problems:
                self.fault(place, found, expected)
            if not problems:
                try:
                    self.variables += self._variables(name, value)
                except ExpressionError as error:
                    self.fault(f"variables.{name}", value, str(error))
            if isinstance(value, dict) and "index" in value:
                self.indexed.add(name)
        if len(self.variables) > MOST_VARIABLES:
            self.fault("variables", len(self.variables), f"at most {MOST_VARIABLES} are taken, indices written out.")
        self.names = frozenset(self.parameters) | {v.name for v in self.variables} | set(table)

    def _variables(self, name: str, value: dict[str, Any]) -> list[Variable]:
        places = members_of(value["index"], self.sets) if "index" in value else [()]
        domain = Domain(value.get("domain", "continuous"))
        low, high = (0.0, 1.0) if domain is Domain.BINARY else (0.0, math.inf)
        found = []
        for members in places:
            lower = self._bound(value.get("lower", low), members)
            upper = self._bound(value.get("upper", high), members)
            if lower > upper:
                raise ExpressionError(f"`lower` ({lower:g}) must be at most `upper` ({upper:g}).")
            full = flat_name(name, members) if members else name
            unit = str(value.get("unit", ""))[:40]
            found.append(Variable(name=full, lower=lower, upper=upper, domain=domain, unit=unit))
        return found

    def _bound(self, given: float | str, members: tuple[str, ...]) -> float:
        if not isinstance(given, str):
            return float(given)
        for name in (given, flat_name(given, members)):
            if name in self.parameters:
                return self.parameters[name]
        raise ExpressionError(f"{given[:40]} is no parameter of this model, or has another index.")

    def write_out(self, place: Mapping[str, str]) -> WriteOut:
        """What takes the indices out of an expression."""
        indexed = frozenset(self.indexed)
        return lambda tree: written_out(tree, sets=self.sets, indexed=indexed, place=place)

    def tree(self, parsed: ast.expr) -> ast.expr:
        """A checked tree with numbers for its parameters."""
        tree = _with_parameters(parsed, self.parameters)
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "pwl":
                breakpoints(call)
        return tree

    def rules_of(self, name: str, given: Any) -> Iterator[Rule]:
        """A rule, or one for every place of its `for`."""
        try:
            table = given if isinstance(given, dict) else {"rule": given}
            text = table.get("rule")
            if not isinstance(text, str) or set(table) - {"for", "rule", "unit"}:
                raise ExpressionError("a rule is text, or a table with `for` and `rule`.")
            places = places_of(table["for"], self.sets) if "for" in table else [{}]
            for place in places:
                parsed, relation = parse_rule(text, self.names, write_out=self.write_out(place))
                full = flat_name(name, tuple(place.values())) if place else name
                yield Rule(name=full, text=text, tree=self.tree(parsed), relation=relation)
        except ExpressionError as error:
            self.fault(f"subject_to.{name}", given, str(error))


def _variable_faults(name: str, value: Any, parameters: Collection[str]) -> Iterator[tuple[str, object, str]]:
    place = f"variables.{name}"
    if not name.isidentifier() or name in parameters:
        yield place, name, "a variable's name is letters, digits and _, and no parameter's."
    if not isinstance(value, dict):
        yield place, value, "it must be a table with `lower` and `upper`."
        return
    for key in value.keys() - {"lower", "upper", "domain", "unit", "index"}:
        yield f"{place}.{key}", value[key], "no such field; there are lower, upper, domain, unit and index."
    if value.get("domain", "continuous") not in list(Domain):
        yield f"{place}.domain", value["domain"], "it must be continuous, integer or binary."
    for bound in ("lower", "upper"):
        if bound in value and not is_number(value[bound]) and not isinstance(value[bound], str):
            expected = (
                "it must be a finite number of at most 1e15 in size (leave it out for none), or name a parameter."
            )
            yield f"{place}.{bound}", value[bound], expected


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number that can be calculated with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _with_parameters(tree: ast.expr, parameters: Mapping[str, float]) -> ast.expr:
    class Substitution(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return ast.Constant(value=parameters[node.id]) if node.id in parameters else node

        def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
            body, other = self.visit(node.body), self.visit(node.orelse)
            return ast.IfExp(test=self.visit(node.test), body=body, orelse=other)

        def visit_Call(self, node: ast.Call) -> ast.expr:
            return ast.Call(func=node.func, args=[self.visit(argument) for argument in node.args], keywords=[])

    substituted: ast.expr = Substitution().visit(tree)
    return substituted
