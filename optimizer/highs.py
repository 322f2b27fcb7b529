"""The one door to the solver: a program goes in, values with an honest status, bound and gap come out.

PuLP calls a plan optimal when the time limit struck with an incumbent; what counts is read from the solver's own info.
Source: HiGHS documentation, HighsInfo and HighsModelStatus.
"""

import math
import time
from dataclasses import dataclass
from enum import Enum, auto
from importlib.metadata import version

import pulp

SEED = 0
INTEGRALITY = 1e-6
"""An integer this near to a whole number counts as one; HiGHS' own default."""


class Outcome(Enum):
    """What the solver found."""

    FOUND = auto()
    """A solution, with a bound on how much better any other may be."""
    INFEASIBLE = auto()
    UNFINISHED = auto()
    """No solution within the time."""


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


class Start(Enum):
    """Where the search for integers begins."""

    NOWHERE = auto()
    AT_VALUES = auto()
    """At the values that the program's variables have."""
    WITHOUT_INTEGERS = auto()
    """Integers may be broken: the linear relaxation."""


def run(program: pulp.LpProblem, *, time_limit_s: float, gap: float, start: Start = Start.NOWHERE) -> Solution:
    """Solves a program with HiGHS in this process: quiet, one thread, a fixed seed."""
    import highspy  # 60 ms, and only where something is solved

    began = time.perf_counter()
    integers = start is not Start.WITHOUT_INTEGERS
    solver = pulp.HiGHS(mip=integers, msg=False, threads=1, timeLimit=time_limit_s, gapRel=gap, random_seed=SEED)
    solver.createAndConfigureSolver(program)
    solver.buildSolverModel(program)
    if start is Start.AT_VALUES:
        values = highspy.HighsSolution()
        values.col_value = [variable.varValue or 0.0 for variable in program.variables()]
        program.solverModel.setSolution(values)
    solver.callSolver(program)
    highs = program.solverModel
    info, status = highs.getInfo(), highs.getModelStatus()
    seconds = time.perf_counter() - began
    if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        return Solution(outcome=Outcome.INFEASIBLE, objective=math.nan, bound=None, proved=True, seconds=seconds)
    has_integers = integers and any(variable.cat == pulp.LpInteger for variable in program.variables())
    proved = status == highspy.HighsModelStatus.kOptimal
    bound = info.mip_dual_bound if has_integers else info.objective_function_value if proved else -math.inf
    known = bound if math.isfinite(bound) else None
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Solution(outcome=Outcome.UNFINISHED, objective=math.nan, bound=known, proved=False, seconds=seconds)
    solver.findSolutionValues(program)
    objective = info.objective_function_value
    return Solution(outcome=Outcome.FOUND, objective=objective, bound=known, proved=proved, seconds=seconds)


def description(*, time_limit_s: float, gap: float) -> str:
    """Solver, version and options, as a certificate states them."""
    tools = f"HiGHS {version('highspy')} through PuLP {version('pulp')}"
    return f"{tools}; threads 1, seed {SEED}, gap {gap:g}, time limit {time_limit_s:g} s"
