"""A plan changed by a person: what they fixed is kept, the rest is planned anew, checked, and proposed again."""

from dataclasses import dataclass, replace
from datetime import datetime

from linewright.pipeline import propose
from linewright.plan_cases import Case, recorded_case
from linewright.plan_replay import PATHS, keep, replay_case
from plant.errors import ConfigError, Fault
from plant.plans import Plan, SolveStatus
from store.records import Records


@dataclass(frozen=True, kw_only=True, slots=True)
class Edited:
    """What became of a change."""

    plan: Plan
    """Kept as proposed, where it has one; else only the reason why there is none."""
    kept: bool
    sentence: str


def edit_plan(
    records: Records,
    *,
    number: str,
    edits: tuple[str, ...],
    by: str,
    reason: str,
    now: datetime,
    time_limit_s: float | None = None,
) -> Edited:
    """Plan again from a plan's own facts with a person's changes fixed; the plan that was changed stays as it is.

    Args:
        records: Where plans and their facts are kept.
        number: Of the plan that is changed; empty: the newest.
        edits: In the forms of `optimizer.edits.EDITS`.
        by: Name of the person.
        reason: In the person's words; may be empty.
        now: Plant time.
        time_limit_s: CPU time of the search [s]; None: as the plan's.

    Raises:
        ConfigError: There is no such plan, it has ended, or a change cannot be read or cannot be.
    """
    from optimizer.edits import edited
    from optimizer.facts import facts_to_json

    case = recorded_case(records, number=number)
    if not by.strip():
        raise ConfigError((Fault(where="by", found="no name", expected="say who changes the plan."),))
    if not case.has_plan or case.plan.end <= now:
        expected = "a plan that is not over; choose another, or make one with `linewright plan now`."
        found = case.plan.headline if not case.has_plan else f"it ended at {case.plan.end.isoformat()}"
        raise ConfigError((Fault(where=f"plan {case.plan.number}", found=found, expected=expected),))
    facts = edited(case.facts, case.plan, edits=edits)
    if time_limit_s is not None:
        facts = replace(facts, policy=replace(facts.policy, time_limit_s=time_limit_s))
    why = f"{case.plan.number} changed by {by.strip()}: {'; '.join(edits)}" + (f" ({reason.strip()})" if reason else "")
    plan = propose(facts, number=_number(records, case.plan.number), created_at=now, reason=why)
    if plan.status not in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
        sentence = f"No plan keeps to these changes and all limits. {plan.headline}"
        return Edited(plan=plan, kept=False, sentence=sentence)
    records.put_plan(plan, facts_to_json(facts))
    keep(records, replay_case(Case(plan=plan, facts=facts), paths=PATHS, seed=0, time_limit_s=0.0))
    records.audit(by.strip(), "plan changed", at=now, detail=f"{plan.number}: {why}")
    more = plan.cost - case.plan.cost
    currency = facts.plant.currency
    sentence = (
        f"{plan.number} keeps to {len(edits)} change{'s' if len(edits) > 1 else ''}, is checked, and costs "
        f"{abs(more):,.0f} {currency} {'more' if more >= 0 else 'less'} than {case.plan.number}. Accept or reject it."
    )
    return Edited(plan=plan, kept=True, sentence=sentence)


def _number(records: Records, changed: str) -> str:
    """The next free number of a changed plan, e.g. `P-20261122T160000.2`."""
    first = changed.split(".")[0]
    count = 1
    while records.plan(f"{first}.{count}") is not None:
        count += 1
    return f"{first}.{count}"
