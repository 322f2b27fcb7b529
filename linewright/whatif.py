"""Scenarios planned side by side, in processes of their own where cores allow; one table and one picture of them."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from plant.errors import Fault, QuestionError
from plant.plans import CostTerm, Plan, SolveStatus

if TYPE_CHECKING:
    from optimizer.facts import PlanningFacts
    from optimizer.scenarios import Scenario

AS_IT_IS: Final = "as it is"
EXTRA: Final = "extra"
PICTURES: Final = (".png", ".svg")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a scenario leads to."""

    name: str
    status: SolveStatus
    cost: float | None
    """With the scenario's extra cost [currency]; None: no plan."""
    more: float | None
    """Over the facts as they are, plan against plan [currency]; None: no plan of one of them."""
    least: float | None
    """Proved: the best plans differ by this at least [currency]."""
    most: float | None
    """Proved: and by this at most [currency]."""
    gap: float | None
    terms: tuple[CostTerm, ...]
    late: tuple[str, ...]
    late_units: float
    energy_kwh: float
    peak_kw: float
    co2_kg: float
    maintenance: tuple[str, ...]
    """Machines that are maintained."""
    changes: tuple[str, ...]
    """The facts that are otherwise."""
    headline: str


def try_scenarios(
    facts: "PlanningFacts", scenarios: tuple["Scenario", ...], *, time_limit_s: float, cores: int = 0
) -> tuple[Outcome, ...]:
    """The plans of the facts as they are and of every scenario.

    Args:
        facts: As they are.
        scenarios: What is otherwise.
        time_limit_s: CPU time of each search [s].
        cores: Processes at a time; 0: as many as this machine lets us have.

    Raises:
        ConfigError: A scenario does not fit the facts; nothing is solved then.
    """
    from optimizer.facts import facts_to_json
    from optimizer.inputs import changed_inputs
    from optimizer.scenarios import patched

    policy = replace(facts.policy, time_limit_s=time_limit_s)
    facts = replace(facts, policy=policy)
    cases = [facts, *(patched(facts, scenario) for scenario in scenarios)]
    names = [AS_IT_IS, *(scenario.name for scenario in scenarios)]
    documents = [facts_to_json(case) for case in cases]
    workers = min(cores or len(os.sched_getaffinity(0)), len(cases))
    if workers > 1:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            bodies = list(pool.map(_solve, documents, names))
    else:
        bodies = [_solve(document, name) for document, name in zip(documents, names, strict=True)]
    plans = [msgspec.json.decode(body, type=Plan) for body in bodies]
    extras = [0.0, *(scenario.extra_cost for scenario in scenarios)]
    return tuple(
        _outcome(
            name,
            plan,
            extra=extra,
            base=plans[0],
            changes=tuple(change.sentence for change in changed_inputs(facts, case)),
        )
        for name, plan, extra, case in zip(names, plans, extras, cases, strict=True)
    )


def as_table(outcomes: tuple[Outcome, ...], *, currency: str) -> str:
    """One row per scenario, then what is otherwise in each."""
    head = f"{'scenario':<28} {'cost':>12} {'more':>10} {'proved between':>22} {'gap':>7} {'late':>5} {'units':>8} "
    head += f"{'kWh':>9} {'kW':>6} {'kg CO2':>8}  maintained"
    lines = [f"costs in {currency}", head]
    for each in outcomes:
        if each.cost is None:
            lines.append(f"{each.name[:28]:<28} no plan: {each.headline}")
            continue
        more = "" if each.more is None else f"{each.more:+,.0f}"
        known = each.least is not None and each.most is not None and each is not outcomes[0]
        proved = f"{each.least:+,.0f} and {each.most:+,.0f}" if known else ""
        gap = "" if each.gap is None else f"{each.gap:.2%}"
        row = f"{each.name[:28]:<28} {each.cost:12,.0f} {more:>10} {proved:>22} {gap:>7} {len(each.late):>5} "
        row += f"{each.late_units:8,.0f} {each.energy_kwh:9,.0f} {each.peak_kw:6,.0f} {each.co2_kg:8,.0f}"
        lines.append(f"{row}  {', '.join(each.maintenance) or 'none'}")
    for each in outcomes[1:]:
        lines.append(f"{each.name}:")
        lines += [f"  {sentence}" for sentence in each.changes] or ["  nothing that a plan reads is otherwise"]
    return "\n".join(lines)


def draw(outcomes: tuple[Outcome, ...], *, currency: str, path: Path) -> None:
    """One picture, PNG or SVG by its ending: each scenario's cost by term, and what it is late by.

    Raises:
        ConfigError: The ending is another, or the file cannot be written.
    """
    if path.suffix.lower() not in PICTURES:
        raise QuestionError((Fault(where="--picture", found=str(path), expected="a file ending in .png or .svg."),))
    from matplotlib.figure import Figure

    shown = [each for each in outcomes if each.cost is not None]
    figure = Figure(figsize=(9.0, 1.6 + 0.55 * max(len(shown), 1)), layout="constrained")
    costs, late = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    rows = range(len(shown))
    names = sorted({term.name for each in shown for term in each.terms}, key=lambda name: -_most(shown, name))
    right, left = [0.0] * len(shown), [0.0] * len(shown)
    for name in names:
        amounts = [next((t.amount for t in each.terms if t.name == name), 0.0) for each in shown]
        starts = [r if amount >= 0 else s for amount, r, s in zip(amounts, right, left, strict=True)]
        costs.barh(rows, amounts, left=starts, label=name, height=0.6)
        right = [r + max(amount, 0.0) for r, amount in zip(right, amounts, strict=True)]
        left = [s + min(amount, 0.0) for s, amount in zip(left, amounts, strict=True)]
    costs.set_yticks(list(rows), [each.name for each in shown])
    costs.invert_yaxis()
    costs.set_xlabel(f"cost by term [{currency}]")
    costs.legend(fontsize="x-small", ncols=2)
    late.barh(rows, [each.late_units for each in shown], color="#b3261e", height=0.6)
    late.set_xlabel("units late when due")
    try:
        figure.savefig(path)
    except OSError as error:
        raise QuestionError((Fault(where="--picture", found=str(error), expected="a file to write."),)) from error


def _most(outcomes: list[Outcome], name: str) -> float:
    return max(abs(term.amount) for each in outcomes for term in each.terms if term.name == name)


def _solve(document: bytes, name: str) -> bytes:
    """One scenario's plan, as JSON from JSON, in whichever process."""
    from linewright.pipeline import propose
    from optimizer.facts import facts_from_json

    facts = facts_from_json(document)
    return msgspec.json.encode(propose(facts, number=name, created_at=facts.start, reason="what if"))


def _outcome(name: str, plan: Plan, *, extra: float, base: Plan, changes: tuple[str, ...]) -> Outcome:
    has_plan = plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    cost = plan.cost + extra if has_plan else None
    bound = None if plan.certificate is None else plan.certificate.bound
    least_base = None if base.certificate is None else base.certificate.bound
    terms: tuple[Any, ...] = (*plan.costs, CostTerm(name=EXTRA, amount=extra)) if extra else plan.costs
    return Outcome(
        name=name,
        status=plan.status,
        cost=cost,
        more=None if cost is None or not base.costs else cost - base.cost,
        least=None if bound is None or not base.costs else bound + extra - base.cost,
        most=None if cost is None or least_base is None else cost - least_base,
        gap=None if plan.certificate is None else plan.certificate.gap,
        terms=terms,
        late=tuple(late.order for late in plan.late),
        late_units=sum(late.units_late for late in plan.late),
        energy_kwh=sum(hour.energy_kwh for hour in plan.hours),
        peak_kw=plan.peak_kw,
        co2_kg=plan.co2_kg,
        maintenance=tuple(window.machine for window in plan.maintenance),
        changes=changes,
        headline=plan.headline,
    )
