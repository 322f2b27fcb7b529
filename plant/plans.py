"""A proposed plan, with the proof that it keeps the rules."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


class SolveStatus(StrEnum):
    """What the solver and the independent check say together."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NONE = "none"
    """No plan was found within the limits."""


TERMS: Final = (
    "setups",
    "families",
    "overtime",
    "scrap",
    "recovery",
    "holding",
    "backlog",
    "delays",
    "safety",
    "overflow",
    "energy",
    "co2",
    "peak",
    "maintenance",
    "failures",
)
"""Names of the terms of a plan's cost, in the order in which they are told."""


class Goal(StrEnum):
    """What a plan can aim at; less is better of each."""

    LATENESS = "lateness"
    """The term `backlog` [currency]."""
    RISK = "risk"
    """The term `failures`: what failures are expected to cost [currency]."""
    COST = "cost"
    """All terms, weighted [currency]."""
    CO2 = "co2"
    """Emissions [kg]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GoalStep:
    """A goal in its place in the order."""

    goal: Goal
    tolerance: float = 0.0
    """Later goals may raise it by this part of what was reached, or of 1 where that is less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GoalLimit:
    """What a goal may be at most."""

    goal: Goal
    at_most: float
    """[unit of the goal]"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """What a plan aims at, where it is not plain cost."""

    weights: dict[str, float] = field(default_factory=dict)
    """Of terms of the cost, by name; a term without one counts once."""
    order: tuple[GoalStep, ...] = ()
    """Goals, the most important first; cost comes last where it is not among them."""
    limits: tuple[GoalLimit, ...] = ()
    """Kept whatever is aimed at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GoalStage:
    """What was reached for one goal of the order."""

    goal: Goal
    tolerance: float
    """As asked for."""
    reached: float
    """By the best plan of this stage, in exact arithmetic [unit of the goal]."""
    bound: float | None
    """No plan that keeps the earlier goals has less [unit of the goal]; None: not known."""
    limit: float
    """What later goals may raise it to [unit of the goal]."""


class Decision(StrEnum):
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRun:
    """A line making one product for some hours."""

    line: str
    product: str
    start: datetime
    end: datetime
    gross_units: int
    good_units: float
    """Expected [unit]."""
    energy_kwh: float
    setup: bool
    """Whether the run begins with a setup."""
    hourly_units: tuple[float, ...] = ()
    """Gross units in each clock hour that the run touches, first hour first; `gross_units` is their sum [unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedChangeover:
    """A line changing from one family of products to another."""

    line: str
    before: str
    """The family that it was set up for."""
    after: str
    start: datetime
    """In the clock hour in which it counts."""
    end: datetime
    """Beyond closed hours, where it goes on in the next open ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MaintenanceWindow:
    """A machine being maintained."""

    machine: str
    line: str
    start: datetime
    end: datetime
    expected_failure_cost: float
    """With this window, over the horizon [currency]."""
    expected_failure_cost_without: float
    """Without any maintenance, over the horizon [currency]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CostTerm:
    """One named part of the objective."""

    name: str
    amount: float
    """[currency]; costs positive, sales negative."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HourUse:
    """Energy in one hour."""

    start: datetime
    energy_kwh: float
    price_per_kwh: float
    co2_kg: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LateOrder:
    order: str
    product: str
    due_at: datetime
    units_late: float
    """Good units missing when due [unit]."""
    expected_at: datetime | None
    """When the plan completes it; None: not within the horizon."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleCheck:
    """One rule, re-checked by code that shares nothing with the formulation."""

    rule: str
    sentence: str
    instances: int
    """How many constraints of this rule were evaluated."""
    worst_residual: float
    """Greatest violation, 0 where none [unit of the rule]."""
    tolerance: float
    holds: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """Why this plan may be trusted."""

    inputs_hash: str
    """SHA-256 of the facts the plan was made from."""
    model_versions: tuple[str, ...]
    solver: str
    """Name, version and options."""
    solve_s: float
    """[s]"""
    solver_objective: float
    """As the solver reported it [currency]."""
    recomputed_objective: float
    """Re-derived from the facts and the rounded plan in exact arithmetic [currency]."""
    bound: float | None
    """No plan can cost less [currency]."""
    gap: float | None
    """(recomputed objective - bound) / max(|objective|, 1) [0..]."""
    checks: tuple[RuleCheck, ...]
    checked: bool
    """Every rule holds. Nothing unchecked is published."""
    stages: tuple[GoalStage, ...] = ()
    """What was reached goal by goal, in their order; none where cost alone was aimed at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """A rule that cannot hold together with the others named beside it."""

    rule: str
    """Constraint name `rule|entity|time`."""
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    """A way to make an infeasible plan feasible."""

    sentence: str
    amount: float
    """How much of the rule must give [unit of the rule]."""
    cost: float | None
    """Objective after the repair [currency]; None: not solved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What each line makes when, when machines are maintained, and what that costs."""

    number: str
    """Stable identifier, e.g. `P-20261122T160000-3`."""
    created_at: datetime
    """Plant time."""
    start: datetime
    end: datetime
    status: SolveStatus
    reason: str
    """Why it was made: `hourly`, `alert A-...`, `on demand`."""
    runs: tuple[PlannedRun, ...]
    maintenance: tuple[MaintenanceWindow, ...]
    costs: tuple[CostTerm, ...]
    hours: tuple[HourUse, ...]
    late: tuple[LateOrder, ...]
    peak_kw: float
    co2_kg: float
    certificate: Certificate | None
    """None only where there is no plan."""
    headline: str
    """One sentence: what moved, and what it saves."""
    saving: float | None
    """Cost of doing without the maintenance that this plan proposes, minus its cost [currency]."""
    conflicts: tuple[Conflict, ...] = ()
    repairs: tuple[Repair, ...] = ()
    decision: Decision = Decision.PROPOSED
    decided_by: str = ""
    decision_reason: str = ""
    changeovers: tuple[PlannedChangeover, ...] = ()
    """Of lines whose changes from family to family are told one by one."""

    @property
    def cost(self) -> float:
        """Sum of the cost terms [currency]."""
        return sum(term.amount for term in self.costs)
