"""The Plan page's content: cost by term, the reasons to trust it, and what was decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from linewright.console.words import MISSING, Mark, Tone, decision_mark, moment, money, number, percent, status_mark
from plant.assets import Plant
from plant.plans import Certificate, Goal, Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class CostBar:
    name: str
    amount: str
    ratio: float
    """Length, of the greatest cost [0..1]; 0 for income."""
    income: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A name with its value and what it means."""

    name: str
    value: str
    hint: str = ""
    tone: Tone = Tone.MUTED


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryRow:
    number: str
    href: str
    created: str
    reason: str
    status: Mark
    cost: str
    decision: Mark
    who: str


def cost_bars(plan: Plan, *, currency: str) -> tuple[CostBar, ...]:
    """Cost terms, the greatest first; sales are income."""
    terms = sorted(plan.costs, key=lambda term: -abs(term.amount))
    greatest = max((term.amount for term in terms), default=0.0) or 1.0
    return tuple(
        CostBar(
            name=_term_name(term.name),
            amount=money(term.amount, currency=currency),
            ratio=max(term.amount, 0.0) / greatest,
            income=term.amount < 0,
        )
        for term in terms
    )


def trust_line(plan: Plan, *, currency: str) -> tuple[Fact, ...]:
    """Status, gap, bound, checks, seconds, hash and model versions."""
    status = status_mark(plan.status)
    facts = [Fact(name="Status", value=status.word, hint=status.hint, tone=status.tone)]
    certificate = plan.certificate
    if certificate is None:
        return (*facts, Fact(name="Certificate", value="none", hint="there is no plan to certify", tone=Tone.WARN))
    holding = sum(1 for check in certificate.checks if check.holds)
    return (
        *facts,
        Fact(
            name="Gap",
            value=percent(certificate.gap, digits=2),
            hint="no plan can be cheaper by more than this share of the objective",
        ),
        Fact(
            name="Bound",
            value=money(certificate.bound, currency=currency),
            hint=f"no plan can cost less; this one costs {money(certificate.recomputed_objective, currency=currency)}",
        ),
        Fact(
            name="Rules checked",
            value=f"{holding} of {len(certificate.checks)} hold",
            hint="re-checked in exact arithmetic by code that shares nothing with the planner",
            tone=Tone.OK if certificate.checked else Tone.BAD,
        ),
        Fact(name="Solved in", value=f"{number(certificate.solve_s)} s", hint=certificate.solver),
        Fact(
            name="Inputs", value=certificate.inputs_hash[:10], hint=f"SHA-256 of the facts: {certificate.inputs_hash}"
        ),
        Fact(name="Models", value=_models(certificate), hint="versions of the risk models that entered"),
    )


def check_rows(certificate: Certificate) -> list[tuple[str, str, str, str, Mark]]:
    """Rule, sentence, instances, worst residual with its tolerance, and whether it holds."""
    return [
        (
            check.rule,
            check.sentence,
            number(check.instances, digits=0),
            f"{check.worst_residual:.2g} ≤ {check.tolerance:.2g}"
            if check.holds
            else f"{check.worst_residual:.2g} > {check.tolerance:.2g}",
            Mark(word="holds", tone=Tone.OK) if check.holds else Mark(word="broken", tone=Tone.BAD),
        )
        for check in certificate.checks
    ]


def goal_rows(certificate: Certificate, *, currency: str) -> list[tuple[str, str, str, str]]:
    """Goal, what the plan reached of it, the least that is proved, and what later goals left it; in their order."""

    def told(goal: Goal, amount: float | None) -> str:
        if amount is None:
            return MISSING
        return f"{number(amount)} kg" if goal is Goal.CO2 else money(amount, currency=currency)

    return [
        (
            _term_name(stage.goal.value),
            told(stage.goal, stage.reached),
            told(stage.goal, stage.bound),
            told(stage.goal, stage.limit) if stage is not certificate.stages[-1] else MISSING,
        )
        for stage in certificate.stages
    ]


def history(plans: Sequence[Plan], *, plant: Plant, now: datetime) -> tuple[HistoryRow, ...]:
    """Earlier plans, the newest first."""
    return tuple(
        HistoryRow(
            number=plan.number,
            href=f"/plan?number={plan.number}",
            created=moment(plan.created_at, timezone=plant.timezone, now=now),
            reason=plan.reason,
            status=status_mark(plan.status),
            cost=money(plan.cost, currency=plant.currency) if plan.costs else MISSING,
            decision=decision_mark(plan.decision),
            who=" – ".join(part for part in (plan.decided_by, plan.decision_reason) if part),
        )
        for plan in plans
    )


def repair_price(cost: float | None, *, currency: str) -> str:
    """What a plan with a repair would earn or cost.

    >>> repair_price(-30120.0, currency="EUR"), repair_price(None, currency="EUR")
    ('then earns 30\u202f120 EUR', 'not priced')
    """
    if cost is None:
        return "not priced"
    return f"then {'earns' if cost < 0 else 'costs'} {money(abs(cost), currency=currency)}"


def _term_name(name: str) -> str:
    text = name.replace("_", " ").capitalize()
    return text.replace("Co2", "CO₂").replace("co2", "CO₂")


def _models(certificate: Certificate) -> str:
    if not certificate.model_versions:
        return "base rates"
    first, *more = certificate.model_versions
    return f"{first} +{len(more)}" if more else first
