"""Shadow prices: what one more hour of a line, unit of a product, kW or kg is worth to a plan, and how far that holds.

The plan's choices (setups, maintenance) are kept; what is left is a linear program. Every scarce thing enters it as a
column fixed at 0 that gives a little more of it; the column's reduced cost is the price. Where a price holds for no
amount at all, because the plan stands at a corner, the next step is solved and told instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from optimizer.costing import account
from optimizer.family_sequence import state_values
from optimizer.formulation import formulate
from optimizer.goals import as_planned, demand_money
from optimizer.highs import Integers, Outcome, Session
from optimizer.problem import PlanningProblem, due_slot
from optimizer.program import Model
from optimizer.slots import HOUR
from optimizer.standing import Standing, planned_standing
from plant.plans import Plan

TIME_LIMIT_S = 30.0
"""For each linear program [s]."""
CORNER = 1e-6
"""A price that holds for less than this of its unit stands at a corner."""
NOTABLE = 0.005
"""Prices below this are none [currency per unit]."""


class Scarce(StrEnum):
    """What can be scarce."""

    CAPACITY = "capacity"
    """One more hour of a line."""
    STOCK = "stock"
    """One more good unit of a product on hand at the start."""
    DEMAND = "demand"
    """One unit less of an order."""
    PEAK = "peak"
    """One more kW of peak that is not billed."""
    CO2_CAP = "co2_cap"
    """One more kg of emissions under the cap."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What a plan would save with a little more of something."""

    scarce: Scarce
    entity: str
    """Line, product, order, or `plant`."""
    start: datetime
    end: datetime
    """The hours for which it holds, half open."""
    unit: str
    saves: float
    """[currency/unit]"""
    holds_up_to: float
    """For this much more, at the most [unit]."""
    holds_down_to: float
    """And for this much less [unit]."""
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Probe:
    scarce: Scarce
    entity: str
    first: int
    last: int
    """Hours, half open."""
    unit: str
    terms: dict[str, float]
    """Factor in each rule, by its name."""


def shadow_prices(problem: PlanningProblem, plan: Plan) -> tuple[Price, ...]:
    """Everything that has a price in a plan, the dearest of each kind first; empty where there is no plan to price."""
    demand_money(problem.facts, question="a shadow price")
    problem = as_planned(problem, plan)
    model = formulate(problem)
    session = fixed_program(problem, model, plan)
    if session is None:
        return ()
    rows = {name: row for row, name in enumerate(model.rules)}
    probes = [
        replace(probe, terms=_known(probe, rows)) for probe in _probes(problem, model, planned_standing(problem, plan))
    ]
    probes = [probe for probe in probes if probe.terms]
    columns = [session.add_column({rows[name]: factor for name, factor in probe.terms.items()}) for probe in probes]
    base = session.run(time_limit_s=TIME_LIMIT_S, gap=0.0, integers=Integers.RELAXED)
    if base.outcome is not Outcome.FOUND:
        return ()
    costs, least, most = session.slopes()
    found = []
    for probe, column in zip(probes, columns, strict=True):
        saves, down, up = -float(costs[column]), -float(least[column]), float(most[column])
        if up < CORNER:
            saves, up = _next_step(session, column, base.objective)
        if saves >= NOTABLE:
            found.append((probe, saves, max(down, 0.0), up))
    prices = [_told(problem, *each) for each in _together(found)]
    order = list(Scarce)
    return tuple(sorted(prices, key=lambda price: (order.index(price.scarce), -price.saves)))


def fixed_program(problem: PlanningProblem, model: Model, plan: Plan) -> Session | None:
    """The plan's program with its choices settled, the hours left free; None where they leave no plan."""
    taken = {
        (m, problem.slots.shift_names.index(shift))
        for line, product, shift in account(problem.facts, plan).setups
        for m, making in enumerate(problem.makings)
        if (problem.lines[making.line], making.product) == (line, product)
    }
    starts = {window.machine: (window.start - problem.facts.start) // HOUR for window in plan.maintenance}
    session = Session(model.program)
    fixed = {session.column[variable]: float(key in taken) for key, variable in model.setup.items()}
    for k, options in model.choice.items():
        wanted = starts.get(problem.machines[k].machine)
        for option, variable in options.items():
            fixed[session.column[variable]] = float(problem.machines[k].starts[option] == wanted)
    states = state_values(model, planned_standing(problem, plan))
    fixed |= {session.column[state]: value for state, value in states.items()}
    session.fix(fixed)
    if session.run(time_limit_s=TIME_LIMIT_S, gap=0.0).outcome is not Outcome.FOUND:
        return None
    session.settle()
    for (m, t), variable in model.running.items():
        if (m, t) not in problem.frozen:  # the line's hours bound it already, and more of them must show
            session.set_bounds(session.column[variable], 0.0, float("inf"))
    return session


def _probes(problem: PlanningProblem, model: Model, standing: Standing) -> Iterator[_Probe]:
    shifts, names = problem.slots.shift, problem.slots.shift_names
    for line, t in model.available:
        name, shift = problem.lines[line], names[shifts[t]]
        mine = [making.product for making in problem.makings if making.line == line]
        terms = {f"hour|{name}|{t}": -1.0, f"shift|{name}|{shift}": -1.0}
        terms |= {f"set_up|{name}:{product}|{t}": -1.0 for product in mine}
        terms |= {f"set_up_rest|{name}:{product}|{shift}": -1.0 for product in mine}
        if line in standing:
            terms |= {f"changeover_hour|{name}|{t}": -1.0, f"changeover_shift|{name}|{shift}": -1.0}
            families = {problem.changes[line].families[f] for f in standing[line][t : t + 2]}
            terms |= {f"family_runs|{name}:{family}|{t}": -1.0 for family in families}
        yield _Probe(scarce=Scarce.CAPACITY, entity=name, first=t, last=t + 1, unit="h", terms=terms)
    for product in problem.stock:
        terms = _more_units(problem, product, 0)
        yield _Probe(scarce=Scarce.STOCK, entity=product, first=0, last=problem.hours, unit="unit", terms=terms)
    for order in problem.facts.orders:
        due = due_slot(problem.facts.start, order.due_at)
        if due < problem.hours:
            terms = _more_units(problem, order.product, due)
            yield _Probe(scarce=Scarce.DEMAND, entity=order.number, first=due, last=due + 1, unit="unit", terms=terms)
    terms = {f"peak|plant|{t}": -1.0 for t in range(problem.hours)}
    yield _Probe(scarce=Scarce.PEAK, entity="plant", first=0, last=problem.hours, unit="kW", terms=terms)
    cap = {"co2_cap|plant|horizon": -1.0}
    yield _Probe(scarce=Scarce.CO2_CAP, entity="plant", first=0, last=problem.hours, unit="kg", terms=cap)


def _more_units(problem: PlanningProblem, product: str, hour: int) -> dict[str, float]:
    """A unit more on hand from an hour on; also in the rows that count a product's lots shift by shift."""
    later = {name for s, name in enumerate(problem.slots.shift_names) if max(problem.slots.hours_of_shift(s)) >= hour}
    return {f"stock|{product}|{hour}": -1.0, **{f"lots_due|{product}|{name}": 1.0 for name in later}}


def _known(probe: _Probe, rows: dict[str, int]) -> dict[str, float]:
    return {name: factor for name, factor in probe.terms.items() if name in rows}


def _next_step(session: Session, column: int, base: float) -> tuple[float, float]:
    """The price of the first half unit more, solved anew, and how far it was tried."""
    step = 0.5
    session.set_bounds(column, step, step)
    moved = session.run(time_limit_s=TIME_LIMIT_S, gap=0.0, integers=Integers.RELAXED)
    session.set_bounds(column, 0.0, 0.0)
    return ((base - moved.objective) / step, step) if moved.outcome is Outcome.FOUND else (0.0, 0.0)


def _together(
    found: list[tuple[_Probe, float, float, float]],
) -> Iterator[tuple[_Probe, float, float, float]]:
    """Hours of a line that follow each other at one price are told as one."""
    last: tuple[_Probe, float, float, float] | None = None
    for probe, saves, down, up in found:
        if (
            last is not None
            and probe.scarce is Scarce.CAPACITY
            and (last[0].scarce, last[0].entity, last[0].last) == (probe.scarce, probe.entity, probe.first)
            and abs(saves - last[1]) < NOTABLE
        ):
            last = (replace(last[0], last=probe.last), last[1], min(last[2], down), max(last[3], up))
            continue
        if last is not None:
            yield last
        last = (probe, saves, down, up)
    if last is not None:
        yield last


def _told(problem: PlanningProblem, probe: _Probe, saves: float, down: float, up: float) -> Price:
    facts = problem.facts
    start, end = facts.start + HOUR * probe.first, facts.start + HOUR * probe.last
    currency = facts.plant.currency
    labels = {line.name: line.label for line in facts.plant.lines}
    span = _span(problem, start, end)
    unit = "units" if probe.unit == "unit" else probe.unit
    amount = f"{up:,.0f}" if up >= 10 else f"{up:.2g}"
    far = f"holds for up to {amount} {unit} more" if up < 1e6 else "holds for any amount more"
    what = {
        Scarce.CAPACITY: f"1 more hour of {labels.get(probe.entity, probe.entity)} on {span}",
        Scarce.STOCK: f"1 more good unit of {probe.entity} on hand at the start",
        Scarce.DEMAND: f"1 unit less of order {probe.entity}",
        Scarce.PEAK: "1 kW more of peak that is not billed",
        Scarce.CO2_CAP: "1 kg more under the cap on emissions",
    }[probe.scarce]
    return Price(
        scarce=probe.scarce,
        entity=probe.entity,
        start=start,
        end=end,
        unit=probe.unit,
        saves=saves,
        holds_up_to=up,
        holds_down_to=down,
        sentence=f"{what} saves {saves:,.2f} {currency}; {far}.",
    )


def _span(problem: PlanningProblem, start: datetime, end: datetime) -> str:
    zone = ZoneInfo(problem.facts.plant.timezone)
    if end - start >= timedelta(days=1):
        return f"{start.astimezone(zone):%A %H:%M} to {end.astimezone(zone):%A %H:%M}"
    return f"{start.astimezone(zone):%A %H:%M}-{end.astimezone(zone):%H:%M}"
