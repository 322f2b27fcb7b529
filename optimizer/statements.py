"""What a planner may ask for in words, such as `maintain L2-press on Tuesday`, as a limit on a problem.

A small set of forms, read by patterns; nothing is ever evaluated. `FORMS` is what is shown where a text fits none.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from optimizer.facts import PlanningFacts
from optimizer.problem import PlanningProblem
from optimizer.risk_tables import MachineOptions
from optimizer.slots import HOUR
from plant.errors import ConfigError, Fault, QuestionError
from plant.plans import Plan

FORMS = (
    "no maintenance [on MACHINE or LINE] [WHEN]",
    "maintain MACHINE [WHEN]",
    "no PRODUCT on LINE [WHEN]",
    "nothing on LINE [WHEN]",
    "deliver ORDER in time",
)
WHEN = (
    "WHEN is `on DAY`, `before HH:MM`, `after HH:MM`, `at HH:MM` or several; DAY a weekday, today, tomorrow or a date."
)
MOST_LETTERS = 200
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WHEN_PATTERN = r"(?P<when>(?:\s+(?:on\s+\S+|(?:at|before|after)\s+\d{1,2}(?::\d\d)?))*)"
_NO_DAY = rf"(?!{'|'.join(WEEKDAYS)}|today|tomorrow|\d)"
_PATTERNS = (
    ("idle", re.compile(rf"nothing\s+on\s+(?P<place>.+?){WHEN_PATTERN}")),
    (
        "spare",
        re.compile(rf"no\s+maintenance(?:\s+on\s+(?P<place>{_NO_DAY}.+?))?{WHEN_PATTERN}"),
    ),
    ("maintain", re.compile(rf"maintain\s+(?P<place>.+?){WHEN_PATTERN}")),
    ("stop", re.compile(rf"no\s+(?P<product>.+?)\s+on\s+(?P<place>.+?){WHEN_PATTERN}")),
    ("deliver", re.compile(r"deliver\s+(?:order\s+)?(?P<order>.+?)\s+in\s+time")),
)


class Demand(StrEnum):
    """What is asked for."""

    SPARE = "spare"
    """Machines are not maintained in a time."""
    MAINTAIN = "maintain"
    """A machine's maintenance starts in a time."""
    STOP = "stop"
    """A line does not make some products in a time."""
    DELIVER = "deliver"
    """An order is complete when it is due."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A demand on a plan."""

    text: str
    demand: Demand
    machines: tuple[str, ...] = ()
    line: str = ""
    products: tuple[str, ...] = ()
    order: str = ""
    hours: tuple[int, ...] = ()
    """The hours of the plan that it is about."""


def read_statement(text: str, problem: PlanningProblem) -> Statement:
    """A planner's words as a demand on a plan. Raises ConfigError with the forms there are, or with the names known."""
    facts = problem.facts
    words = " ".join(text.split()).rstrip(".!?")
    if len(words) > MOST_LETTERS:
        raise statement_fault(f"{len(words)} letters", f"at most {MOST_LETTERS} are read.")
    for kind, pattern in _PATTERNS:
        if (found := pattern.fullmatch(words.lower())) is None:
            continue
        spelled = {name: words[slice(*found.span(name))] for name in pattern.groupindex if found[name]}
        if kind == "deliver":
            return Statement(text=words, demand=Demand.DELIVER, order=_order(facts, spelled["order"]))
        hours = hours_named(facts, spelled.get("when", ""))
        if not hours:
            raise statement_fault(spelled.get("when", "").strip(), f"a time within the plan, {span_text(facts)}.")
        if kind in ("spare", "maintain"):
            machines = machines_named(facts, spelled.get("place", ""))
            if kind == "maintain" and len(machines) > 1:
                raise statement_fault(spelled["place"], f"one machine: {', '.join(machines)}.")
            demand = Demand.SPARE if kind == "spare" else Demand.MAINTAIN
            return Statement(text=words, demand=demand, machines=machines, hours=hours)
        line = line_named(facts, spelled["place"])
        made = tuple(c.product for c in facts.capabilities if c.line == line)
        if kind == "stop":
            made = (product_named(facts, spelled["product"], made),)
        return Statement(text=words, demand=Demand.STOP, line=line, products=made, hours=hours)
    raise statement_fault(words[:80], f"one of: {'; '.join(FORMS)}. {WHEN}")


def holds(statement: Statement, plan: Plan, problem: PlanningProblem) -> bool:
    """Whether a plan does already what is asked."""
    facts = problem.facts
    if statement.demand is Demand.DELIVER:
        return all(late.order != statement.order for late in plan.late)
    starts = {window.machine: (window.start - facts.start) // HOUR for window in plan.maintenance}
    if statement.demand is Demand.SPARE:
        return all(starts.get(machine) not in statement.hours for machine in statement.machines)
    if statement.demand is Demand.MAINTAIN:
        return starts.get(statement.machines[0]) in statement.hours
    return not any(
        units
        for run in plan.runs
        if run.line == statement.line and run.product in statement.products
        for hour, units in enumerate(run.hourly_units, start=(run.start - facts.start) // HOUR)
        if hour in statement.hours
    )


def limited(problem: PlanningProblem, statement: Statement) -> PlanningProblem | str:
    """The problem in which only plans are left that do what is asked; or a sentence why there is none."""
    if statement.demand in (Demand.SPARE, Demand.MAINTAIN):
        machines = []
        for options in problem.machines:
            kept = options
            if options.machine in statement.machines:
                if (narrowed := _narrowed(options, statement)) is None:
                    return _impossible(problem, options, statement)
                kept = narrowed
            machines.append(kept)
        return replace(problem, machines=tuple(machines))
    frozen = dict(problem.frozen)
    for m, making in enumerate(problem.makings):
        if problem.lines[making.line] == statement.line and making.product in statement.products:
            for t in statement.hours:
                if frozen.get((m, t), (0.0, 0.0))[0] > 0:
                    return f"The first {problem.facts.policy.frozen_h} h are kept from the accepted plan."
                frozen[m, t] = (0.0, 0.0)
    return replace(problem, frozen=frozen)


def _narrowed(options: MachineOptions, statement: Statement) -> MachineOptions | None:
    """A machine with only the options that do what is asked; None: it has none."""
    wanted = statement.demand is Demand.MAINTAIN
    kept = [o for o, start in enumerate(options.starts) if (start is not None and start in statement.hours) is wanted]
    if not kept or (options.forced and wanted and options.starts[0] is None):
        return None
    return kept_options(options, kept)


def kept_options(options: MachineOptions, kept: list[int]) -> MachineOptions:
    """A machine with only some of its options."""
    return replace(
        options,
        starts=tuple(options.starts[o] for o in kept),
        windows=tuple(options.windows[o] for o in kept),
        maintenance_cost=options.maintenance_cost[kept],
        failure_cost=options.failure_cost[kept],
        failure_probability=options.failure_probability[kept],
        loss=options.loss[kept],
        forced=options.forced or (len(kept) == 1 and options.starts[kept[0]] is not None),
    )


def _impossible(problem: PlanningProblem, options: MachineOptions, statement: Statement) -> str:
    facts = problem.facts
    label = facts.plant.machine_index[options.machine].label
    if options.forced:
        word = "is being maintained already" if options.starts[0] is None else "has its maintenance kept from the plan"
        return f"{label} {word}; there is nothing to choose."
    zone = ZoneInfo(facts.plant.timezone)
    middle = statement.hours[len(statement.hours) // 2]
    near = sorted((o for o in options.starts if o is not None), key=lambda o: abs(o - middle))[:3]
    times = ", ".join(f"{(facts.start + HOUR * o).astimezone(zone):%a %H:%M}" for o in sorted(near))
    return f"The maintenance of {label} cannot start then; the nearest starts are {times}." if near else (
        f"The maintenance of {label} does not fit into this plan."
    )  # fmt: skip


def hours_named(facts: PlanningFacts, when: str) -> tuple[int, ...]:
    """The hours of the plan that fit a time in words."""
    zone = ZoneInfo(facts.plant.timezone)
    local = [(facts.start + HOUR * t).astimezone(zone) for t in range(facts.policy.horizon_h)]
    hours = list(range(len(local)))
    for word, value in re.findall(r"(on|at|before|after)\s+(\S+)", when.lower()):
        if word == "on":
            day = _day(facts, value)
            hours = [
                t for t in hours if (local[t].weekday() == day if isinstance(day, int) else local[t].date() == day)
            ]
            continue
        at = _time(value)
        if word == "at":
            hours = [t for t in hours if local[t].hour == at.hour]
        else:
            hours = [t for t in hours if (local[t].time() < at) is (word == "before")]
    return tuple(hours)


def _day(facts: PlanningFacts, word: str) -> date | int:
    if word in WEEKDAYS or (word[:3] in {name[:3] for name in WEEKDAYS} and len(word) == 3):
        return next(n for n, name in enumerate(WEEKDAYS) if name.startswith(word[:3]))
    today = facts.start.astimezone(ZoneInfo(facts.plant.timezone)).date()
    if word in ("today", "tomorrow"):
        return today + timedelta(days=int(word == "tomorrow"))
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise statement_fault(word, "a day: a weekday, today, tomorrow or a date such as 2026-11-24.") from None


def _time(word: str) -> time:
    try:
        return datetime.strptime(word if ":" in word else f"{word}:00", "%H:%M").time()  # noqa: DTZ007 - a wall clock's
    except ValueError:
        raise statement_fault(word, "a time of the day such as 14:00.") from None


def machines_named(facts: PlanningFacts, place: str) -> tuple[str, ...]:
    """The machine, or the machines of the line, of a name or label; of none: all."""
    if not place:
        return tuple(machine.name for machine in facts.plant.machines)
    for machine in facts.plant.machines:
        if place.lower() in (machine.name.lower(), machine.label.lower()):
            return (machine.name,)
    for line in facts.plant.lines:
        if place.lower() in (line.name.lower(), line.label.lower()):
            return tuple(machine.name for machine in line.machines)
    names = ", ".join(machine.name for machine in facts.plant.machines[:20])
    raise statement_fault(
        place, f"a machine ({names}) or a line ({', '.join(line.name for line in facts.plant.lines)})."
    )


def line_named(facts: PlanningFacts, place: str) -> str:
    """The line of a name or label."""
    for line in facts.plant.lines:
        if place.lower() in (line.name.lower(), line.label.lower()):
            return line.name
    raise statement_fault(place, f"a line: {', '.join(line.name for line in facts.plant.lines)}.")


def product_named(facts: PlanningFacts, word: str, made: tuple[str, ...]) -> str:
    """The product of a name or label, one of those made."""
    for product in facts.products:
        if product.name in made and word.lower() in (product.name.lower(), product.label.lower()):
            return product.name
    raise statement_fault(word, f"a product that the line makes: {', '.join(made)}.")


def _order(facts: PlanningFacts, word: str) -> str:
    for order in facts.orders:
        if order.number.lower() == word.lower():
            return order.number
    raise statement_fault(word, f"an order: {', '.join(order.number for order in facts.orders[:20])}.")


def span_text(facts: PlanningFacts) -> str:
    """The plan's time in words."""
    zone = ZoneInfo(facts.plant.timezone)
    end = facts.start + HOUR * facts.policy.horizon_h
    return f"{facts.start.astimezone(zone):%A %d %b %H:%M} to {end.astimezone(zone):%A %d %b %H:%M}"


def statement_fault(found: str, expected: str) -> ConfigError:
    """What is wrong with a planner's words."""
    return QuestionError((Fault(where="statement", found=repr(found), expected=expected),))
