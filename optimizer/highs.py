"""The one door to the solver: a program goes in, values with an honest status, bound and gap come out.

PuLP calls a plan optimal when the time limit struck with an incumbent; what counts is read from the solver's own info.
Source: HiGHS documentation, HighsInfo and HighsModelStatus.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from importlib.metadata import version
from typing import Any

import numpy as np
import pulp
from numpy.typing import NDArray

SEED = 0
INTEGRALITY = 1e-6
"""An integer this near to a whole number counts as one; HiGHS' own default."""
WALL_PER_CPU = 2.0
"""On a busy machine a solve may last this many times its limit on the wall clock, while it waits for its turn."""
LEAST_S = 0.05
"""A solve is given this much time at least [s]."""

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
    """CPU [s]."""


class Session:
    """A program kept in the solver from solve to solve: bounds and integers change, rows come on top, values stay."""

    def __init__(self, program: pulp.LpProblem) -> None:
        solver = pulp.HiGHS(msg=False, threads=1, random_seed=SEED)
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
        self._until = math.inf
        self._highs.cbMipInterrupt.subscribe(self._stop)
        self._highs.cbSimplexInterrupt.subscribe(self._stop)

    def run(
        self, *, time_limit_s: float, gap: float, integers: Integers = Integers.KEPT, start: Values | None = None
    ) -> Solution:
        """Solves within a CPU time limit [s]; `start` is a solution to begin with."""
        import highspy  # 60 ms, and only where something is solved

        limit_s = max(time_limit_s, LEAST_S)
        relaxed = integers is Integers.RELAXED or not len(self._integers)
        kind = highspy.HighsVarType.kContinuous if relaxed else highspy.HighsVarType.kInteger
        self._highs.changeColsIntegrality(
            len(self._integers), self._integers, np.full(len(self._integers), int(kind), dtype=np.uint8)
        )
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + limit_s * WALL_PER_CPU)
        self._highs.setOptionValue("mip_rel_gap", gap)
        if start is not None:
            known = highspy.HighsSolution()
            known.col_value = start
            self._highs.setSolution(known)
        began = time.thread_time()
        self._until = began + limit_s
        self._highs.run()
        return self._read(relaxed=relaxed, seconds=time.thread_time() - began)

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

    def slopes(self) -> tuple[Values, Values, Values]:
        """After a linear program: what a unit more of each column costs, and the values between which that holds.

        For columns at a bound; each of shape (column,).
        """
        costs = np.array(self._highs.getSolution().col_dual)
        _, ranging = self._highs.getRanging()
        return costs, np.array(ranging.col_bound_dn.value_), np.array(ranging.col_bound_up.value_)

    @property
    def rows(self) -> int:
        """How many rows the program has."""
        return int(self._highs.getNumRow())

    def tell(self, values: Values) -> None:
        """Puts values into the program's variables."""
        for variable, value in zip(self._variables, values, strict=True):
            variable.varValue = float(value)

    def _stop(self, event: Any) -> None:
        # An interrupt stays set from run to run unless it is taken back.
        event.interrupt(time.thread_time() > self._until)

    def _read(self, *, relaxed: bool, seconds: float) -> Solution:
        import highspy

        info, status = self._highs.getInfo(), self._highs.getModelStatus()
        if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
            return Solution(outcome=Outcome.INFEASIBLE, objective=math.nan, bound=None, proved=True, seconds=seconds)
        proved = status == highspy.HighsModelStatus.kOptimal
        bound = info.mip_dual_bound if not relaxed else info.objective_function_value if proved else -math.inf
        known = bound if math.isfinite(bound) else None
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return Solution(outcome=Outcome.UNFINISHED, objective=math.nan, bound=known, proved=False, seconds=seconds)
        self.values = np.array(self._highs.getSolution().col_value)
        objective = info.objective_function_value
        return Solution(outcome=Outcome.FOUND, objective=objective, bound=known, proved=proved, seconds=seconds)


def run(program: pulp.LpProblem, *, time_limit_s: float, gap: float) -> Solution:
    """Solves a program with HiGHS in this process: quiet, one thread, a fixed seed; values go into its variables."""
    session = Session(program)
    solution = session.run(time_limit_s=time_limit_s, gap=gap)
    if solution.outcome is Outcome.FOUND:
        session.tell(session.values)
    return solution


def description(*, time_limit_s: float, gap: float) -> str:
    """Solver, version and options, as a certificate states them."""
    tools = f"HiGHS {version('highspy')} through PuLP {version('pulp')}"
    return f"{tools}; threads 1, seed {SEED}, gap {gap:g}, time limit {time_limit_s:g} s of CPU"
