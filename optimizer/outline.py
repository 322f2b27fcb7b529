"""The outline of a plan: shift by shift instead of hour by hour, with every rule that a person could give up.

It allows more than any plan: a shift's lots come as early and use up components as late as suits the rule asked for,
setups may be parts of one in its linear program, a line's hours are counted machine by machine. What it finds
impossible is impossible. At a week's size it takes milliseconds where the program by the hour takes seconds.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
import pulp

from optimizer.chance_limits import hazard, hazard_of, limited_groups
from optimizer.highs import Integers, Outcome, Session
from optimizer.needed import only_needed
from optimizer.problem import Demand, PlanningProblem
from optimizer.program import Terms, open_hours

CREWS, CAP, FROZEN = "crews|plant", "co2_cap|plant", "frozen|plant"
NOTABLE = 1e-6
"""A rule that gives by a smaller part of itself is kept [0..1]."""
LINEAR_S, WHOLE_S = 2.0, 0.5
"""Time for a question to the linear program, and to the one with whole setups [s]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slack:
    """How far a rule gives."""

    column: int
    scale: float
    """What a whole one of it is [unit of the rule]."""


class Outline:
    """The outline's program, kept in the solver from question to question."""

    def __init__(self, problem: PlanningProblem) -> None:
        self._problem = only_needed(problem)
        self._program = pulp.LpProblem("outline", pulp.LpMinimize)
        self._slack: dict[str, tuple[pulp.LpVariable, float]] = {}
        self._shifts = [
            hours for s in range(len(problem.slots.shift_names)) if (hours := problem.slots.hours_of_shift(s))
        ]
        self._open_h = open_hours(problem)
        self._running: dict[tuple[int, int], pulp.LpVariable] = {}
        self._setup: dict[tuple[int, int], pulp.LpVariable] = {}
        self._choice = [
            {o: self._program.add_variable(f"m{k}_{o}", cat="Binary") for o in range(len(options.starts))}
            for k, options in enumerate(problem.machines)
        ]
        self._lots()
        self._lines_have_their_hours()
        self._products_balance()
        self._crews_and_chances()
        self._emissions()
        self._program.setObjective(pulp.LpAffineExpression({v: 0.0 for v, _ in self._slack.values()} or {}))
        self._session = Session(self._program)
        self.rules = tuple(self._slack)
        """Every rule that may be left out, by name."""

    def is_ruled_out(self, kept: Collection[str], *, by_whole_setups: bool = True) -> bool:
        """Whether it is proved that no plan keeps these rules."""
        self._give(set(self.rules) - set(kept))
        relaxed = self._session.run(time_limit_s=LINEAR_S, gap=0.0, integers=Integers.RELAXED)
        if relaxed.outcome is Outcome.INFEASIBLE or not by_whole_setups or not self._session.integer_count:
            return relaxed.outcome is Outcome.INFEASIBLE
        return self._session.run(time_limit_s=WHOLE_S, gap=1.0).outcome is Outcome.INFEASIBLE

    def size(self, rule: str) -> float:
        """How much a rule is about [unit of the rule]."""
        return self._slack[rule][1]

    def suspects(self, kept: Collection[str]) -> list[str]:
        """Rules among these that the linear program already finds in conflict; none where it does not."""
        self._give(self.rules, priced=kept)
        solution = self._session.run(time_limit_s=LINEAR_S, gap=0.0, integers=Integers.RELAXED)
        if solution.outcome is not Outcome.FOUND or not solution.proved or solution.objective <= NOTABLE:
            return []
        costs = self._session.reduced_costs
        return [rule for rule in kept if costs[self._column(rule)] < 1.0 - NOTABLE]

    def lacks(self, giving: Collection[str]) -> dict[str, float] | None:
        """What is missing at least where only some rules give [unit of the rule]; None: there is no plan even then."""
        self._give(giving, priced=giving, in_units=True)
        solution = self._session.run(time_limit_s=LINEAR_S, gap=0.0, integers=Integers.RELAXED)
        if solution.outcome is not Outcome.FOUND:
            return None
        values = self._session.values
        if self._session.integer_count:
            whole = self._session.run(time_limit_s=WHOLE_S, gap=0.01)
            if whole.outcome is Outcome.INFEASIBLE:
                return None
            values = self._session.values if whole.outcome is Outcome.FOUND else values
        found = {rule: float(values[self._column(rule)]) * self._slack[rule][1] for rule in giving}
        return {rule: units for rule, units in found.items() if units > NOTABLE * self._slack[rule][1]}

    def _give(self, rules: Collection[str], *, priced: Collection[str] = (), in_units: bool = False) -> None:
        """Lets some rules give, all others be kept; what those that are priced give counts."""
        giving, costly = set(rules), set(priced)
        for rule, (_, scale) in self._slack.items():
            column = self._column(rule)
            self._session.set_bounds(column, 0.0, inf if rule in giving else 0.0)
            self._session.set_cost(column, (scale if in_units else 1.0) if rule in costly else 0.0)

    def _column(self, rule: str) -> int:
        return self._session.column[self._slack[rule][0]]

    def _gives(self, rule: str, scale: float) -> tuple[pulp.LpVariable, float]:
        """The variable by which a rule gives, and what one of it is [unit of the rule]."""
        if rule not in self._slack:
            self._slack[rule] = (self._program.add_variable(f"k{len(self._slack)}", 0), max(scale, 1e-3))
        return self._slack[rule]

    def _row(self, terms: Terms, sense: int, limit: float) -> None:
        if terms:
            self._program.addConstraint(pulp.LpConstraint(pulp.LpAffineExpression(terms), sense, None, limit))

    def _lots(self) -> None:
        """A product runs in a shift only where it is set up, no longer than all that is asked of it takes."""
        problem = self._problem
        for m, making in enumerate(problem.makings):
            worth_h = self._hours_asked(m)
            for s, hours in enumerate(self._shifts):
                most = float(self._open_h[making.line, problem.slots.shift[hours[0]]])
                if most <= 0:
                    continue
                running = self._running[m, s] = self._program.add_variable(f"x{m}_{s}", 0, most)
                if making.needs_setup and not (making.ready and s == 0):
                    setup = self._setup[m, s] = self._program.add_variable(f"y{m}_{s}", cat="Binary")
                    left_h = min(max(most - making.setup_h, 0.0), worth_h)
                    self._row({running: 1.0, setup: -left_h}, pulp.LpConstraintLE, 0.0)
                self._frozen(m, hours, running, most)

    def _hours_asked(self, m: int) -> float:
        """Hours in which one lot makes all that hard rules ask [h]; no limit where others are made of it."""
        problem, making = self._problem, self._problem.makings[m]
        if (
            making.feeds != making.product
            or making.product in problem.used_up
            or any(k == m for k, _ in problem.frozen)
        ):
            return inf
        level = next(product for product in problem.facts.products if product.name == making.product)
        units = sum(float(demand.units.sum()) for demand in problem.demands if demand.product == making.product)
        return (units + (level.hard_min_stock or 0.0)) / making.good_per_h + making.step / making.rate_per_h

    def _frozen(self, m: int, hours: list[int], running: pulp.LpVariable, most: float) -> None:
        kept = [self._problem.frozen.get((m, t)) for t in hours]
        if not any(kept):
            return
        share = self._problem.slots.open_share[self._problem.makings[m].line]
        low = sum(min(span[0], float(share[t])) for t, span in zip(hours, kept, strict=True) if span is not None)
        high = sum(float(share[t]) if span is None else span[1] for t, span in zip(hours, kept, strict=True))
        gives, scale = self._gives(FROZEN, 1.0)
        if low > 0:
            self._row({running: 1.0, gives: scale}, pulp.LpConstraintGE, low)
        if high < most:
            self._row({running: 1.0, gives: -scale}, pulp.LpConstraintLE, high)

    def _lines_have_their_hours(self) -> None:
        """Runs and setups of a shift fit a line's hours, less what its machines' maintenance and failures take."""
        problem = self._problem
        for k in range(len(problem.machines)):
            self._row(dict.fromkeys(self._choice[k].values(), 1.0), pulp.LpConstraintEQ, 1.0)
        for line, name in enumerate(problem.lines):
            mine = [k for k, options in enumerate(problem.machines) if options.line == name]
            makings = [m for m, making in enumerate(problem.makings) if making.line == line]
            for s, hours in enumerate(self._shifts):
                used: Terms = {self._running[m, s]: 1.0 for m in makings if (m, s) in self._running}
                if not used:
                    continue
                for m in makings:
                    if (m, s) in self._setup and problem.makings[m].setup_h:
                        used[self._setup[m, s]] = problem.makings[m].setup_h
                self._families(line, s, makings, used)
                limit = float(self._open_h[line, problem.slots.shift[hours[0]]])
                self._row(used, pulp.LpConstraintLE, limit)
                share = problem.slots.open_share[line, hours]
                for k in mine:
                    self._row({**used, **self._hours_left(k, hours, share)}, pulp.LpConstraintLE, 0.0)
                lost = [problem.machines[k].loss[:, hours].max(axis=0) for k in mine]
                if len(mine) > 1 and float(np.sum(lost, axis=0).max()) <= 1.0:
                    taken: Terms = {
                        self._choice[k][o]: float(share @ problem.machines[k].loss[o, hours])
                        for k in mine
                        for o in self._choice[k]
                    }
                    self._row({**used, **taken}, pulp.LpConstraintLE, float(share.sum()))

    def _hours_left(self, k: int, hours: list[int], share: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Terms:
        """What each option of a machine leaves of some hours [h], below 0: its line may use no more."""
        options = self._problem.machines[k]
        at = np.array(hours)
        left: Terms = {}
        for o, (first, last) in enumerate(options.windows):
            rest = np.where((at >= first) & (at < last), 0.0, np.clip(1.0 - options.loss[o, at], 0.0, 1.0))
            left[self._choice[k][o]] = -float(share @ rest)
        return left

    def _families(self, line: int, s: int, makings: list[int], used: Terms) -> None:
        """A family is set up once in a shift for all of its products."""
        problem = self._problem
        shift = problem.slots.shift[self._shifts[s][0]]
        families: dict[str, pulp.LpVariable] = {}
        for m in makings:
            making = problem.makings[m]
            if (m, s) not in self._setup or not making.family_setup_h:
                continue
            if problem.family_still_to_set_up(m, shift, ()) is None:
                continue
            if making.family not in families:
                families[making.family] = self._program.add_variable(f"f{line}_{len(families)}_{s}", 0, 1)
                used[families[making.family]] = making.family_setup_h
            self._row({self._setup[m, s]: 1.0, families[making.family]: -1.0}, pulp.LpConstraintLE, 0.0)

    def _products_balance(self) -> None:
        """What is made of a product covers what is used up and what hard rules ask for; stock keeps its hard limits."""
        problem = self._problem
        known = {product.name: product for product in problem.facts.products}
        ends = sorted({hours[-1] for hours in self._shifts} | {problem.hours - 1})
        for product, initial in problem.stock.items():
            mine = [demand for demand in problem.demands if demand.product == product]
            hard = [need for demand in mine for need in _needs(demand, problem.hours)]
            moments = sorted({until for _, until, _ in hard} | (set(ends) if product in problem.used_up else set()))
            for t in moments:
                asked = [(rule, units) for rule, until, units in hard if until <= t]
                terms = self._made(product, t, most=True)
                for rule in sorted({rule for rule, _ in asked}):
                    gives, scale = self._gives(rule, sum(units for name, _, units in hard if name == rule))
                    terms[gives] = scale
                self._row(terms, pulp.LpConstraintGE, sum(units for _, units in asked) - initial)
            level, due = known[product], np.cumsum(sum((d.units for d in mine), np.zeros(problem.hours)))
            for t in ends:
                if level.hard_min_stock is not None:
                    gives, scale = self._gives(f"hard_min_stock|{product}", max(level.hard_min_stock, 1.0))
                    limit = level.hard_min_stock + float(due[t]) - initial
                    self._row({**self._made(product, t, most=True), gives: scale}, pulp.LpConstraintGE, limit)
                if level.hard_max_stock is not None:
                    gives, scale = self._gives(f"hard_max_stock|{product}", max(level.hard_max_stock, 1.0))
                    limit = level.hard_max_stock + float(due[t]) - initial
                    self._row({**self._made(product, t, most=False), gives: -scale}, pulp.LpConstraintLE, limit)

    def _made(self, product: str, t: int, *, most: bool) -> Terms:
        """What comes into stock until the end of an hour, less what is used up: the most or the least that a shift's
        lots may have brought by then [unit]."""
        terms: Terms = {}
        for (m, s), running in self._running.items():
            hours = self._shifts[s]
            for flow in self._problem.makings[m].flows:
                if flow.product != product:
                    continue
                early = (flow.per_h > 0) is most  # counted from its first hour on, else from its last
                if (hours[0] if early else hours[-1]) + flow.delay_h <= t:
                    terms[running] = terms.get(running, 0.0) + flow.per_h
        return terms

    def _crews_and_chances(self) -> None:
        """No more machines are maintained at a time than there are crews; chances of failing keep their limits."""
        problem = self._problem
        for t, free in enumerate(problem.crews_free):
            terms: Terms = {
                self._choice[k][o]: 1.0
                for k, options in enumerate(problem.machines)
                for o, (first, last) in enumerate(options.windows)
                if options.starts[o] is not None and first <= t < last
            }
            if len({k for k, chosen in enumerate(self._choice) if terms.keys() & chosen.values()}) > free:
                gives, scale = self._gives(CREWS, 1.0)
                self._row({**terms, gives: -scale}, pulp.LpConstraintLE, float(free))
        if (limit := problem.facts.policy.max_failure_probability) is not None:
            for k, options in enumerate(problem.machines):
                if options.failure_probability.max() > limit:
                    gives, scale = self._gives(f"chance|{options.machine}", limit)
                    chances: Terms = {v: float(options.failure_probability[o]) for o, v in self._choice[k].items()}
                    self._row({**chances, gives: -scale}, pulp.LpConstraintLE, limit)
        for name, members, most in limited_groups(problem):
            gives, scale = self._gives(name, hazard_of(most))
            hazards: Terms = {v: hazard(problem.machines[k], o) for k in members for o, v in self._choice[k].items()}
            self._row({**hazards, gives: -scale}, pulp.LpConstraintLE, hazard_of(most))

    def _emissions(self) -> None:
        """What is made emits, in the cleanest hour of its shift, and idle lines do; together no more than the cap."""
        problem, slots = self._problem, self._problem.slots
        if (cap := problem.facts.tariff.co2_cap_kg) is None:
            return
        gives, scale = self._gives(CAP, max(cap, 1.0))
        terms: Terms = {gives: -scale}
        for (m, s), running in self._running.items():
            making, hours = problem.makings[m], self._shifts[s]
            idle = 0.0 if slots.in_overtime[making.line, hours[0]] else float(problem.idle_kw[making.line])
            terms[running] = (making.energy_kwh_per_h - idle) * float(slots.co2_kg_per_kwh[hours].min())
        self._row(terms, pulp.LpConstraintLE, cap - idle_emissions(problem))


def idle_emissions(problem: PlanningProblem) -> float:
    """Of lines that are open and make nothing [kg]."""
    return float((problem.idle_kw @ problem.slots.manned_share) @ problem.slots.co2_kg_per_kwh)


def _needs(demand: Demand, hours: int) -> Iterator[tuple[str, int, float]]:
    """Hard rules on a demand: the rule, the hour at whose end it holds, the units that it asks for."""
    if demand.order and demand.waits_until < hours:
        yield f"deadline|{demand.order}", demand.waits_until, float(demand.units.sum())
    elif not isfinite(demand.backlog_cost_per_unit_h):
        for t in np.flatnonzero(demand.units):
            yield f"never_late|{demand.product}", int(t), float(demand.units[t])
