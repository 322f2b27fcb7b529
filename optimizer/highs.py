"""The one door to the solver: a program goes in, values with an honest status, bound and gap come out.

PuLP calls a plan optimal when the time limit struck with an incumbent; what counts is read from the solver's own info.
Source: HiGHS documentation, HighsInfo and HighsModelStatus.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from importlib.metadata import version
from typing import Any

import numpy as np
import pulp
from numpy.typing import NDArray

from optimizer.control import CONTROL, Clock, Control, Measure
from optimizer.dual_bound import safe_bound

INTEGRALITY = 1e-6
"""An integer this near to a whole number counts as one; HiGHS' own default."""
WALL_PER_CPU = 2.0
"""On a busy machine a solve may last this many times its limit on the wall clock, while it waits for its turn."""
FIRST_WALL_PER_CPU = 10.0
"""The same for what may not be cancelled, as nothing is known before."""
LEAST_S = 0.05
"""A solve is given this much time at least [s]."""
INTERIOR_FROM = 12_000
"""Programs of as many columns go to the interior point method: a week of 10 lines takes it a fifth of the time."""
MIP_STEP_S, SIMPLEX_STEP_S, INTERIOR_STEP_S = 1e-6, 8e-9, 7e-7
"""What a step of each method takes on a usual machine, per nonzero of the program [s]."""

Values = NDArray[np.float64]


class Outcome(Enum):
    """What the solver found."""

    FOUND = auto()
    """A solution, with a bound on how much better any other may be."""
    INFEASIBLE = auto()
    UNFINISHED = auto()
    """No solution within the time."""


class Integers(Enum):
    """Whether yes-or-no choices must be whole."""

    KEPT = auto()
    RELAXED = auto()
    """The linear relaxation."""


class Method(Enum):
    """How a linear program is solved."""

    SIMPLEX = auto()
    """To a corner, from the last one: for small changes, prices and ranges."""
    INTERIOR = auto()
    """To the middle of the optima, from nothing: for what is large."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Solution:
    """What the solver said; the values themselves are in the program's variables."""

    outcome: Outcome
    objective: float
    """Of the incumbent, without constants; NaN without one."""
    bound: float | None
    """No solution can cost less, without constants; None: not known."""
    proved: bool
    """Whether the solver ended by itself within the asked gap."""
    seconds: float
    """By the clock's measure [s]."""


class Session:
    """A program kept in the solver from solve to solve: bounds and integers change, rows come on top, values stay."""

    def __init__(self, program: pulp.LpProblem, clock: Clock | None = None) -> None:
        self.clock = clock or Clock(math.inf)
        control = self.clock.control
        _use_threads(control.threads)
        solver = pulp.HiGHS(msg=False, threads=control.threads, random_seed=control.seed)
        solver.createAndConfigureSolver(program)
        solver.buildSolverModel(program)
        self._highs: Any = program.solverModel
        self._variables: list[pulp.LpVariable] = program.variables()
        self.column = {variable: index for index, variable in enumerate(self._variables)}
        """Where a variable stands in `values`."""
        self._integers = np.array(
            [i for i, variable in enumerate(self._variables) if variable.cat == pulp.LpInteger], dtype=np.int32
        )
        self._bounds = {
            i: (-math.inf if v.lowBound is None else v.lowBound, math.inf if v.upBound is None else v.upBound)
            for i, v in enumerate(self._variables)
        }
        self.values: Values = np.zeros(len(self._variables))
        """Of the last solution found. (variable,)"""
        self.may_be_cancelled = True
        """Whether a solve ends when the search is cancelled; not while the first plan is made."""
        self.follow: Callable[[float, float], None] | None = None
        """Called with incumbent and bound, without constants, while a program with integers is solved."""
        self._until = math.inf
        self._nonzeros = 0
        self._highs.cbMipInterrupt.subscribe(self._stop_integers)
        self._highs.cbSimplexInterrupt.subscribe(self._stop_simplex)
        self._highs.cbIpmInterrupt.subscribe(self._stop_interior)

    def run(
        self,
        *,
        time_limit_s: float,
        gap: float,
        integers: Integers = Integers.KEPT,
        method: Method = Method.SIMPLEX,
        start: Values | None = None,
    ) -> Solution:
        """Solves within a limit by the clock's measure [s]; `start` is a solution to begin with."""
        import highspy  # 60 ms, and only where something is solved

        limit_s = max(time_limit_s, LEAST_S)
        relaxed = integers is Integers.RELAXED or not len(self._integers)
        kind = highspy.HighsVarType.kContinuous if relaxed else highspy.HighsVarType.kInteger
        self._highs.changeColsIntegrality(
            len(self._integers), self._integers, np.full(len(self._integers), int(kind), dtype=np.uint8)
        )
        patience = WALL_PER_CPU if self.may_be_cancelled else FIRST_WALL_PER_CPU
        by_work = self.clock.control.measure is Measure.WORK
        wall_s = math.inf if by_work else self._highs.getRunTime() + limit_s * patience
        interior = relaxed and method is Method.INTERIOR
        self._highs.setOptionValue("time_limit", wall_s)
        self._highs.setOptionValue("mip_rel_gap", gap)
        self._highs.setOptionValue("solver", "ipm" if interior else "choose")
        self._highs.setOptionValue("run_crossover", "off" if interior else "on")
        if start is not None:
            known = highspy.HighsSolution()
            known.col_value = start
            self._highs.setSolution(known)
        began = self.clock.spent_s
        self._until = began + limit_s
        self._nonzeros = int(self._highs.getNumNz())
        self._highs.run()
        return self._read(relaxed=relaxed, seconds=self.clock.spent_s - began)

    def fix(self, fixed: Mapping[int, float]) -> None:
        """Fixes columns at values; all others have their own bounds again."""
        columns = np.arange(len(self._variables), dtype=np.int32)
        lower = np.array([fixed.get(i, self._bounds[i][0]) for i in range(len(columns))])
        upper = np.array([fixed.get(i, self._bounds[i][1]) for i in range(len(columns))])
        self._highs.changeColsBounds(len(columns), columns, lower, upper)

    def add_row(self, terms: Mapping[int, float], *, at_least: float) -> None:
        """Adds a row that every solution keeps: the terms by column reach a value at least."""
        columns, factors = np.array(list(terms), dtype=np.int32), np.array(list(terms.values()))
        self._highs.addRow(at_least, math.inf, len(terms), columns, factors)

    def drop_slack_rows(self, first: int, limits: Sequence[float]) -> None:
        """Drops the rows from `first` on that the last solution does not touch; `limits` are their least values."""
        reached = self._highs.getSolution().row_value
        slack = [first + n for n, limit in enumerate(limits) if reached[first + n] > limit + INTEGRALITY]
        if slack:
            self._highs.deleteRows(len(slack), np.array(slack, dtype=np.int32))

    def settle(self) -> None:
        """Fixes every yes-or-no choice as the last solution has it; all other columns have their own bounds again."""
        self.fix({int(i): float(round(self.values[i])) for i in self._integers})

    def add_column(self, terms: Mapping[int, float]) -> int:
        """Adds a free-of-charge column that is fixed at 0, with its factors by row; gives its place in `values`."""
        rows, factors = np.array(list(terms), dtype=np.int32), np.array(list(terms.values()))
        self._highs.addCol(0.0, 0.0, 0.0, len(terms), rows, factors)
        return int(self._highs.getNumCol()) - 1

    def set_bounds(self, column: int, lower: float, upper: float) -> None:
        """Gives one column other bounds."""
        self._highs.changeColBounds(column, lower, upper)

    def forget(self) -> None:
        """Drops the last basis: what is solved next is presolved, which beats a basis of a far-off plan."""
        self._highs.clearSolver()

    def set_cost(self, column: int, cost: float) -> None:
        """Gives one column another cost."""
        self._highs.changeColCost(column, cost)

    def slopes(self) -> tuple[Values, Values, Values]:
        """After a linear program: what a unit more of each column costs, and the values between which that holds.

        For columns at a bound; each of shape (column,).
        """
        _, ranging = self._highs.getRanging()
        return self.reduced_costs, np.array(ranging.col_bound_dn.value_), np.array(ranging.col_bound_up.value_)

    @property
    def reduced_costs(self) -> Values:
        """After a linear program: what a unit more of each column costs. (column,)"""
        return np.array(self._highs.getSolution().col_dual)

    @property
    def method(self) -> Method:
        """What solves the program's relaxation soonest."""
        return Method.INTERIOR if len(self._variables) >= INTERIOR_FROM else Method.SIMPLEX

    @property
    def integer_count(self) -> int:
        """How many columns must be whole."""
        return len(self._integers)

    @property
    def rows(self) -> int:
        """How many rows the program has."""
        return int(self._highs.getNumRow())

    def tell(self, values: Values) -> None:
        """Puts values into the program's variables."""
        for variable, value in zip(self._variables, values, strict=True):
            variable.varValue = float(value)

    def _stop_integers(self, event: Any) -> None:
        if self.follow is not None:
            self.follow(event.data_out.mip_primal_bound, event.data_out.mip_dual_bound)
        self._stop(event, MIP_STEP_S)

    def _stop_simplex(self, event: Any) -> None:
        self._stop(event, SIMPLEX_STEP_S)

    def _stop_interior(self, event: Any) -> None:
        self._stop(event, INTERIOR_STEP_S)

    def _stop(self, event: Any, step_s: float) -> None:
        self.clock.work(step_s * self._nonzeros)
        is_cancelled = self.may_be_cancelled and self.clock.is_cancelled
        # An interrupt stays set from run to run unless it is taken back.
        event.interrupt(is_cancelled or self.clock.spent_s > self._until)

    def _read(self, *, relaxed: bool, seconds: float) -> Solution:
        import highspy

        info, status = self._highs.getInfo(), self._highs.getModelStatus()
        if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
            return Solution(outcome=Outcome.INFEASIBLE, objective=math.nan, bound=None, proved=True, seconds=seconds)
        if status == highspy.HighsModelStatus.kModelEmpty:  # nothing to choose: every point is the best one
            return Solution(outcome=Outcome.FOUND, objective=0.0, bound=0.0, proved=True, seconds=seconds)
        proved = status == highspy.HighsModelStatus.kOptimal
        bound = info.mip_dual_bound if not relaxed else self._relaxed_bound()
        known = bound if math.isfinite(bound) else None
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return Solution(outcome=Outcome.UNFINISHED, objective=math.nan, bound=known, proved=False, seconds=seconds)
        self.values = np.array(self._highs.getSolution().col_value)
        objective = info.objective_function_value
        return Solution(outcome=Outcome.FOUND, objective=objective, bound=known, proved=proved, seconds=seconds)

    def _relaxed_bound(self) -> float:
        """What the prices of the rows prove, whether or not the solver was done."""
        import highspy

        if self._highs.getInfo().dual_solution_status == highspy.SolutionStatus.kSolutionStatusNone:
            return -math.inf
        return safe_bound(self._highs.getLp(), np.array(self._highs.getSolution().row_dual))


def run(program: pulp.LpProblem, *, time_limit_s: float, gap: float) -> Solution:
    """Solves a program with HiGHS in this process: quiet, one thread, a fixed seed; values go into its variables."""
    session = Session(program)
    solution = session.run(time_limit_s=time_limit_s, gap=gap)
    if solution.outcome is Outcome.FOUND:
        session.tell(session.values)
    return solution


def description(*, time_limit_s: float, gap: float, control: Control = CONTROL) -> str:
    """Solver, version and options, as a certificate states them."""
    tools = f"HiGHS {version('highspy')} through PuLP {version('pulp')}"
    limit = f"time limit {time_limit_s:g} s of CPU"
    if control.measure is Measure.WORK:
        limit = f"work limit {time_limit_s:g} s, repeatable"
    options = f"threads {control.threads}, seed {control.seed}, gap {gap:g}, {limit}"
    return f"{tools}; {options}"


def _use_threads(threads: int) -> None:
    """HiGHS keeps one pool of threads for the whole process: another number needs another pool."""
    import highspy

    if _pool and _pool[-1] != threads:
        highspy.Highs.resetGlobalScheduler(True)
    _pool[:] = [threads]


_pool: list[int] = []
