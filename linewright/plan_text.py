"""A plan as text for a terminal."""

from zoneinfo import ZoneInfo

from linewright.plan_replay import Expected
from plant.assets import Plant
from plant.plans import Goal, Plan

MOST_LINES = 40


def as_text(plan: Plan, *, plant: Plant, expected: Expected | None = None) -> str:
    """Headline, trust line, maintenance, runs, costs and late orders, in the plant's local time.

    Planned costs see expected hours only; what is `expected` of the plan as its replay has it stands beside them.
    """
    zone = ZoneInfo(plant.timezone)
    lines = [f"{plan.number} ({plan.decision.value}): {plan.headline}", _trust(plan)]
    if expected is not None:
        lines.append(_expected(expected, currency=plant.currency))
    stages = plan.certificate.stages if plan.certificate is not None else ()
    for number, stage in enumerate(stages, start=1):
        bound = "no bound" if stage.bound is None else f"proved at least {stage.bound:,.6g}"
        unit = "kg" if stage.goal is Goal.CO2 else plant.currency
        kept = "" if number == len(stages) else f"; kept at most {stage.limit:,.6g}"
        lines.append(f"  goal {number}: {stage.goal.value} {stage.reached:,.6g} {unit}, {bound}{kept}")
    for conflict in plan.conflicts:
        lines.append(f"  conflict: {conflict.sentence}")
    for repair in plan.repairs:
        cost = "" if repair.cost is None else f" (plan then costs {repair.cost:,.0f} {plant.currency})"
        lines.append(f"  repair: {repair.sentence}{cost}")
    if plan.maintenance:
        lines.append("maintenance")
    for window in plan.maintenance[:MOST_LINES]:
        start, end = window.start.astimezone(zone), window.end.astimezone(zone)
        saved = window.expected_failure_cost_without - window.expected_failure_cost
        when = f"{start:%a %d %b %H:%M} to {end:%H:%M}"
        lines.append(f"  {window.machine:<14} {when}, expected failure cost -{saved:,.0f} {plant.currency}")
    if len(plan.maintenance) > MOST_LINES:
        lines.append(f"  ... and {len(plan.maintenance) - MOST_LINES} more")
    if plan.runs:
        lines.append("production")
    for run in plan.runs[:MOST_LINES]:
        start, end = run.start.astimezone(zone), run.end.astimezone(zone)
        setup = " after setup" if run.setup else ""
        lines.append(
            f"  {run.line:<8} {start:%a %H:%M} to {end:%a %H:%M}  {run.product:<10} {run.good_units:8.0f} good{setup}"
        )
    if len(plan.runs) > MOST_LINES:
        lines.append(f"  ... and {len(plan.runs) - MOST_LINES} more runs")
    if plan.changeovers:
        lines.append("changeovers")
    for change in plan.changeovers[:MOST_LINES]:
        start, end = change.start.astimezone(zone), change.end.astimezone(zone)
        lines.append(f"  {change.line:<8} {start:%a %H:%M} to {end:%a %H:%M}  {change.before} to {change.after}")
    if len(plan.changeovers) > MOST_LINES:
        lines.append(f"  ... and {len(plan.changeovers) - MOST_LINES} more changeovers")
    if plan.costs:
        lines.append("cost")
    lines += [f"  {term.name:<24} {term.amount:12,.2f} {plant.currency}" for term in plan.costs]
    if plan.costs:
        lines.append(f"  {'planned, in all':<24} {plan.cost:12,.2f} {plant.currency}")
    if expected is not None:
        lines.append(f"  {'expected, in all':<24} {expected.mean:12,.2f} {plant.currency}")
    lines += [
        f"late: {late.order} ({late.product}), {late.units_late:.0f} units short on "
        f"{late.due_at.astimezone(zone):%a %d %b %H:%M}"
        for late in plan.late[:MOST_LINES]
    ]
    return "\n".join(lines)


def _expected(expected: Expected, *, currency: str) -> str:
    return (
        f"  planned cost {expected.planned:,.0f} {currency}; with failures, speeds and scrap as they come "
        f"{expected.mean:,.0f} on average ({expected.mean - expected.planned:+,.0f}, most of it {expected.term} "
        f"{expected.more:+,.0f}), 9 times out of 10 below {expected.p90:,.0f}"
    )


def _trust(plan: Plan) -> str:
    certificate = plan.certificate
    if certificate is None:
        return f"  {plan.status.value}; no certificate"
    gap = "no bound" if certificate.gap is None else f"gap {certificate.gap:.2%}"
    rules = f"{len(certificate.checks)} rules re-checked" if certificate.checked else "FAILED its independent check"
    return (
        f"  {plan.status.value}, {gap}, {rules}, solved in {certificate.solve_s:.1f} s, "
        f"inputs {certificate.inputs_hash[:12]}, peak {plan.peak_kw:.0f} kW, CO2 {plan.co2_kg:,.0f} kg"
    )
