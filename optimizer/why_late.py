"""Why an order is late: what stands in its way line by line, in hours and units, and what being in time would cost."""

from dataclasses import dataclass
from fractions import Fraction

from optimizer.costing import Account, account
from optimizer.exact import ZERO
from optimizer.explain import local_time
from optimizer.facts import PlanningFacts
from optimizer.problem import PlanningProblem, due_slot
from optimizer.questions import Answer, ask
from optimizer.statements import Demand, Statement
from plant.errors import Fault, QuestionError
from plant.plans import LateOrder, Plan
from plant.production import Capability, Order

NOTABLE = Fraction(1, 20)
"""Less is not told [h or unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """One thing that stands in the way."""

    sentence: str
    hours: float
    """Of a line, until the order is due [h]; 0 where it is not about time."""
    units: float
    """Good units of the order's product that it stands for [unit]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WhyLate:
    """The whole answer."""

    order: str
    late: LateOrder | None
    """None: the order is in time."""
    chain: tuple[Link, ...]
    in_time: Answer | None
    """What being in time would cost, solved; None where the order is in time."""


def why_late(problem: PlanningProblem, plan: Plan, *, order: str, time_limit_s: float) -> WhyLate:
    """What keeps an order of a plan from being in time. Raises ConfigError for an order the plan does not know."""
    facts = problem.facts
    wanted = next((each for each in facts.orders if each.number.lower() == order.lower()), None)
    if wanted is None or due_slot(facts.start, wanted.due_at) >= problem.hours:
        known = ", ".join(o.number for o in facts.orders if due_slot(facts.start, o.due_at) < problem.hours)
        expected = f"an order that is due within the plan: {known or 'there is none'}."
        raise QuestionError((Fault(where="order", found=repr(order), expected=expected),))
    late = next((each for each in plan.late if each.order == wanted.number), None)
    if late is None:
        return WhyLate(order=wanted.number, late=None, chain=(), in_time=None)
    worked_out = account(facts, plan)
    statement = Statement(text=f"deliver {wanted.number} in time", demand=Demand.DELIVER, order=wanted.number)
    return WhyLate(
        order=wanted.number,
        late=late,
        chain=(*_supply(facts, worked_out, wanted, late), *_lines(facts, worked_out, wanted, late)),
        in_time=ask(problem, plan, statement=statement, time_limit_s=time_limit_s),
    )


def _supply(facts: PlanningFacts, worked_out: Account, order: Order, late: LateOrder) -> list[Link]:
    """Where the product's units come from and whom they go to before this order."""
    due = due_slot(facts.start, order.due_at)
    good = {(c.line, c.product): 1 - Fraction(c.scrap_ratio) for c in facts.capabilities}
    made: dict[str, Fraction] = {}
    for (line, product, t), units in worked_out.units.items():
        if product == order.product and 0 <= t <= due:
            made[line] = made.get(line, ZERO) + units * good.get((line, product), ZERO)
    stock = sum(s.quantity for s in facts.stock if s.product == order.product)
    where = ", ".join(f"{float(units):,.0f} on {line}" for line, units in sorted(made.items())) or "none made"
    asked = f"Order {order.number} asks for {order.quantity:,.0f} {order.product} by {local_time(facts, order.due_at)}"
    missing = f"{amount(late.units_late)} are missing then"
    links = [
        Link(
            sentence=f"{asked}; {missing}. On hand: {stock:,.0f}; made by then: {where}.",
            hours=0.0,
            units=late.units_late,
        )
    ]
    rank = (-order.priority, order.due_at, order.number)
    before = [
        other
        for other in facts.orders
        if other.product == order.product
        and due_slot(facts.start, other.due_at) <= due
        and (-other.priority, other.due_at, other.number) < rank
    ]
    for other in sorted(before, key=lambda o: (-o.priority, o.due_at)):
        word = "is more urgent" if other.priority > order.priority else "is due before"
        sentence = f"Order {other.number} {word} and takes {other.quantity:,.0f} {order.product} first."
        links.append(Link(sentence=sentence, hours=0.0, units=other.quantity))
    return links


def amount(units: float) -> str:
    """Units as people say them: whole, but for a few.

    >>> amount(1234.5), amount(0.28)
    ('1,234', '0.28')
    """
    return f"{units:,.0f}" if units >= 10 else f"{units:.2g}"


def _lines(facts: PlanningFacts, worked_out: Account, order: Order, late: LateOrder) -> list[Link]:
    """What each line that could make the product does until the order is due."""
    able = [c for c in facts.capabilities if c.product == order.product]
    links = []
    for capability in sorted(able, key=lambda c: -c.rate_per_h * (1 - c.scrap_ratio)):
        good_per_h = Fraction(capability.rate_per_h) * (1 - Fraction(capability.scrap_ratio))
        needed = Fraction(late.units_late) / good_per_h
        label = next(line.label for line in facts.plant.lines if line.name == capability.line)
        sentence = (
            f"{label} would need {amount(float(needed))} h more of {order.product} by then. Its hours until then:"
        )
        links.append(Link(sentence=sentence, hours=float(needed), units=late.units_late))
        for said, hours in _uses(facts, worked_out, capability, order):
            if hours >= NOTABLE:
                sentence = f"  {float(hours):.1f} h {said}"
                links.append(Link(sentence=sentence, hours=float(hours), units=float(hours * good_per_h)))
    return links


def _uses(
    facts: PlanningFacts, worked_out: Account, capability: Capability, order: Order
) -> list[tuple[str, Fraction]]:
    """How a line's clock hours until an order is due are spent."""
    line, due = capability.line, due_slot(facts.start, order.due_at)
    opened = worked_out.calendar.open_share[line][: due + 1]
    machines = next(each.machines for each in facts.plant.lines if each.name == line)
    uses: list[tuple[str, Fraction]] = [("closed by calendar or closures", Fraction(due + 1) - sum(opened, ZERO))]
    away = [False] * (due + 1)
    for machine in machines:
        first, last = worked_out.fates[machine.name].window
        window = [t for t in range(first, min(last, due + 1)) if not away[t]]
        for t in window:
            away[t] = True
        uses.append((f"standing for the maintenance of {machine.label}", sum((opened[t] for t in window), ZERO)))
    up = worked_out.available[line][: due + 1]
    expected = sum((share for t, share in enumerate(opened) if not away[t]), ZERO) - sum(up, ZERO)
    uses.append(("expected to be lost to failures and repairs", expected))
    rates = {(c.line, c.product): Fraction(c.rate_per_h) for c in facts.capabilities}
    running: dict[str, Fraction] = {}
    for (where, product, t), units in worked_out.units.items():
        if where == line and 0 <= t <= due:
            running[product] = running.get(product, ZERO) + units / rates[line, product]
    for product, hours in sorted(running.items(), key=lambda item: -item[1]):
        uses.append((f"making {product}" + (" (this product)" if product == order.product else ""), hours))
    shifts = worked_out.calendar.shifts[: due + 1]
    setups = sum(
        (Fraction(c.setup_h) for (where, _, s), c in worked_out.setups.items() if where == line and s in shifts), ZERO
    )
    families = worked_out.families.items()
    setups += sum((Fraction(c.family_setup_h) for (at, _, s), c in families if at == line and s in shifts), ZERO)
    uses.append(("setting up", setups))
    changes = [change for change in worked_out.changes if change.line == line]
    changing = sum((part for change in changes for t, part in change.takes.items() if t <= due), ZERO)
    if facts.changeovers:
        uses.append(("changing over from family to family", changing))
    rest = sum(up, ZERO) - sum(running.values(), ZERO) - setups - changing
    uses.append(("free: cheaper left idle than set up, at that hour's energy price and peak", rest))
    return uses
