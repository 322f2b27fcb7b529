"""The search for the best schedule: a first plan at once, better ones by neighbourhoods, then the proof.

1. A first plan order by order, its hours placed by a linear program.
2. The linear relaxation, tightened by rows on the setups that orders take; a plan that leans on it.
3. Fix and optimise.
4. Branch and bound over everything from the best plan on, where there is time enough for it to say something.
"""

import math
from dataclasses import dataclass

import pulp

from optimizer import highs
from optimizer.control import CONTROL, Clock, Control, Progress
from optimizer.family_sequence import read_standing, settled_states
from optimizer.formulation import formulate
from optimizer.goals import goal_terms
from optimizer.greedy import Favour, greedy_lots
from optimizer.highs import Integers, Outcome, Session, Solution, Values
from optimizer.improve import Best, improve
from optimizer.maintenance import Leaning, choose_maintenance
from optimizer.previous import favoured_lots, favoured_maintenance
from optimizer.problem import PlanningProblem, by_the_shift
from optimizer.program import Model
from optimizer.rounding import Schedule, round_to_units
from optimizer.setup_cuts import strengthen
from optimizer.whole_lots import place_whole_units

SMALL = 200
"""Programs with fewer yes-or-no choices are solved without a first plan; so are those of maintenance alone, whose
relaxation is nearly whole."""
RELAXED_SHARE, BETTER_SHARE = 0.55, 0.65
"""Parts of the time limit after which the relaxation and the neighbourhoods end [0..1]."""
WHOLE_SHARE, WHOLE_LEAST_S = 0.1, 0.5
"""Time to place whole units: a part of the limit, but this much at least [s]; it comes on top of the limit."""
FIRST_LEAST_S = 15.0
"""Time that a first plan may take, however short the limit [s]."""
BEGIN_S = 2.0
"""Time to try the choices of an earlier plan [s]."""
WORTH_PROVING = 6.0
"""Branch and bound begins only where this many times the relaxation's time is left; else neighbourhoods go on."""
LEANINGS = (0.5, 0.8, 1.0)
"""Parts of the relaxation that plans lean on, each in turn [0..1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A schedule with what the solver proved about it."""

    schedule: Schedule
    solution: Solution
    constant: float
    """Cost that no choice changes [currency]."""
    how: str
    """How it came about, as the certificate states it."""
    model: Model
    """The program; its variables hold the schedule's values before rounding."""

    @property
    def bound(self) -> float | None:
        """No plan can cost less [currency]."""
        return None if self.solution.bound is None else self.solution.bound + self.constant


def search(
    problem: PlanningProblem,
    *,
    time_limit_s: float,
    gap: float | None = None,
    without: frozenset[str] = frozenset(),
    control: Control = CONTROL,
    start: Model | None = None,
) -> Found | Outcome:
    """The best schedule the solver finds, with `without` naming machines that may not be maintained.

    `start` is the program of an earlier search for the same plant, whose choices are tried first.

    Stops at a relative `gap`; None: the policy's. The limit is CPU time, or work, as the control measures it.
    """
    gap = problem.facts.policy.gap if gap is None else gap
    clock = Clock(time_limit_s, control)
    model = formulate(problem, without=without)
    session = Session(model.program, clock)
    chase = _Chase(session, model, problem, gap)
    if start is not None:
        chase.begin_from(start)
    choices = len(model.setup) + len(model.state) + sum(len(options) for options in model.choice.values())
    if not (model.setup or model.state) or choices < SMALL:
        chase.prove()
    else:
        chase.first_plans()
        chase.relax()
        chase.better()
        chase.prove()
    if chase.best is None and not chase.is_infeasible:
        chase.first_plans()
    if chase.best is None:
        return Outcome.INFEASIBLE if chase.is_infeasible else Outcome.UNFINISHED
    best, solution = chase.best, chase.solution()
    limit_s = max(time_limit_s * WHOLE_SHARE, WHOLE_LEAST_S)
    place_whole_units(model, problem, session=session, values=best.values, time_limit_s=limit_s)
    how = highs.description(time_limit_s=time_limit_s, gap=gap, control=control)
    return Found(
        schedule=read_schedule(problem, model),
        solution=solution,
        constant=goal_terms(model, problem, problem.goal)[1],
        how=f"{how}; stopped by hand" if clock.is_cancelled else how,
        model=model,
    )


def read_schedule(problem: PlanningProblem, model: Model) -> Schedule:
    """The solver's values, rounded to units that can be made."""
    chosen = tuple(
        max(variables, key=lambda o: variables[o].varValue or 0.0) if (variables := model.choice[k]) else 0
        for k in range(len(problem.machines))
    )
    running = {key: max(variable.varValue or 0.0, 0.0) for key, variable in model.running.items()}
    return round_to_units(problem, running=running, chosen=chosen, standing=read_standing(problem, model))


class _Chase:
    """A search under way: the best plan and the best bound so far, and the steps that move them."""

    def __init__(self, session: Session, model: Model, problem: PlanningProblem, gap: float) -> None:
        self._session, self._model, self._problem, self._gap = session, model, problem, gap
        self._clock = session.clock
        self._constant = goal_terms(model, problem, problem.goal)[1]
        self._relaxed: Values | None = None
        self._relaxed_s = 0.0
        self._told: tuple[float, float] | None = None
        self.best: Best | None = None
        self.bound = -math.inf
        self.is_infeasible = False

    def solution(self) -> Solution:
        """The best plan and what is proved of it."""
        known = self.bound if math.isfinite(self.bound) else None
        objective = math.nan if self.best is None else self.best.objective
        return Solution(
            outcome=Outcome.UNFINISHED if self.best is None else Outcome.FOUND,
            objective=objective,
            bound=known,
            proved=self.best is not None and self._is_near(self.best),
            seconds=self._clock.spent_s,
        )

    def begin_from(self, earlier: Model) -> None:
        """The choices of an earlier plan, where they keep the rules of this program."""
        known = {variable.name: variable.varValue for variable in earlier.program.variables()}
        session = self._session
        fixed = {
            column: float(round(known.get(variable.name) or 0.0))
            for variable, column in session.column.items()
            if variable.cat == pulp.LpInteger
        }
        session.fix(fixed)
        session.forget()
        solution = session.run(time_limit_s=BEGIN_S, gap=self._gap, integers=Integers.RELAXED)
        session.fix({})
        if solution.outcome is Outcome.FOUND and solution.proved:
            self._take(Best(values=session.values, objective=solution.objective))

    def first_plans(self) -> None:
        """One from the orders alone, one that keeps to the accepted plan."""
        self._session.may_be_cancelled = False
        self._try({}, {})
        if self._problem.facts.previous is not None:
            self._try(favoured_maintenance(self._problem), favoured_lots(self._problem))
        self._session.may_be_cancelled = True

    def relax(self) -> None:
        """The linear relaxation with rows on setups, and plans that lean on it."""
        self._relaxed_s = math.inf  # branch and bound over what takes so long would not come to an end
        limit_s = self._clock.left_s(RELAXED_SHARE)
        if limit_s <= 0:
            return
        relaxed = strengthen(self._session, self._model, self._problem, time_limit_s=limit_s, tell=self._raise)
        self.is_infeasible = relaxed.outcome is Outcome.INFEASIBLE
        self._relaxed_s = relaxed.seconds if relaxed.proved else math.inf
        if relaxed.outcome is not Outcome.FOUND:
            return
        values, column = self._session.values, self._session.column
        self._relaxed = values
        leaning: Leaning = {
            k: {o: float(values[column[variable]]) for o, variable in options.items()}
            for k, options in self._model.choice.items()
        }
        for share in LEANINGS:
            favour = {key: share * min(float(values[column[y]]), 1.0) for key, y in self._model.setup.items()}
            if self._clock.left_s(BETTER_SHARE) > 0:
                self._try(leaning, favour)

    def better(self) -> None:
        """Better plans by neighbourhoods."""
        if self.best is None or self._is_near(self.best):
            return
        until = BETTER_SHARE if self._is_worth_proving() else 1.0
        improve(
            self._session,
            self._model,
            self._problem,
            self.best,
            relaxed=self._relaxed,
            until_share=until,
            accept=self._take,
        )

    def prove(self) -> None:
        """Branch and bound over everything, from the best plan on."""
        if self.is_infeasible or (self.best is not None and (self._is_near(self.best) or not self._is_worth_proving())):
            return
        self._session.fix({})
        self._session.follow = self._follow
        start = None if self.best is None else self.best.values
        last = self._session.run(time_limit_s=self._clock.left_s(), gap=self._gap, start=start)
        self._session.follow = None
        self.is_infeasible = last.outcome is Outcome.INFEASIBLE
        self._raise(last.bound)
        if last.outcome is Outcome.FOUND:
            self._take(Best(values=self._session.values, objective=last.objective))

    def _try(self, leaning: Leaning, favour: Favour) -> None:
        """A plan made order by order, its hours placed by a linear program; kept where it is the best."""
        session, model = self._session, self._model
        if (chosen := choose_maintenance(self._problem, leaning)) is None:
            return
        lots = greedy_lots(by_the_shift(self._problem), chosen, favour)
        fixed = {
            session.column[variable]: float(option == chosen[k])
            for k, options in model.choice.items()
            for option, variable in options.items()
        }
        fixed |= {session.column[setup]: float(key in lots) for key, setup in model.setup.items()}
        if self._problem.changes:
            limit_s = max(self._clock.left_s(), FIRST_LEAST_S)
            fixed |= settled_states(session, model, self._problem, fixed, chosen, time_limit_s=limit_s)
        session.fix(fixed)
        session.forget()
        is_linear = len(fixed) == session.integer_count
        solution = session.run(
            time_limit_s=max(self._clock.left_s(), FIRST_LEAST_S),
            gap=self._gap,
            integers=Integers.RELAXED if is_linear else Integers.KEPT,
            method=session.method,
        )
        session.fix({})
        if solution.outcome is Outcome.FOUND and solution.proved:
            self._take(Best(values=session.values, objective=solution.objective))

    def _take(self, plan: Best) -> bool:
        """Keeps a plan that is the best so far, and says whether the best one is good enough."""
        if self.best is None or plan.objective < self.best.objective:
            self.best = plan
            self._tell(plan.objective)
        return self._is_near(self.best)

    def _raise(self, bound: float | None) -> None:
        if bound is not None and bound > self.bound:
            self.bound = bound
            self._tell(math.inf if self.best is None else self.best.objective)

    def _is_near(self, plan: Best) -> bool:
        """Whether the bound shows that a plan is good enough; the gap leaves constants out."""
        return plan.objective - self.bound <= self._gap * abs(plan.objective)

    def _is_worth_proving(self) -> bool:
        return self._clock.left_s() > WORTH_PROVING * self._relaxed_s

    def _follow(self, incumbent: float, bound: float) -> None:
        """Branch and bound reports here."""
        known = math.inf if self.best is None else self.best.objective
        self.bound = max(self.bound, bound) if math.isfinite(bound) else self.bound
        self._tell(min(incumbent, known))

    def _tell(self, incumbent: float) -> None:
        if (incumbent, self.bound) == self._told:
            return
        self._told = (incumbent, self.bound)
        self._clock.control.report(
            Progress(
                spent_s=self._clock.spent_s,
                incumbent=incumbent + self._constant if math.isfinite(incumbent) else None,
                bound=self.bound + self._constant if math.isfinite(self.bound) else None,
            )
        )
