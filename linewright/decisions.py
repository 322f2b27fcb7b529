"""What a person decides about a plan: recorded, audited, and on its way back to the plant."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from plant.plans import Decision, Plan, SolveStatus
from store.records import Records


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a decision."""

    done: bool
    sentence: str
    """For the person who decided: what happened, or why not and what to do."""


def accept_plan(records: Records, *, number: str, by: str, reason: str, at: datetime) -> Outcome:
    """Accept a plan and enqueue its retained publication to the plant (outbox kind `plan`).

    Only a checked plan that nobody has decided yet and that has not ended can be accepted.

    Args:
        records: Where plans, decisions and the outbox are kept.
        number: Of the plan.
        by: Name of the person.
        reason: In the person's words; may be empty.
        at: Plant time.
    """
    plan = records.plan(number)
    if plan is None or (objection := _objection(plan, by=by, at=at)):
        return Outcome(done=False, sentence=f"There is no plan {number}." if plan is None else objection)
    accepted = records.decide(number, Decision.ACCEPTED, by=by.strip(), reason=reason.strip(), at=at)
    records.enqueue("plan", msgspec.json.encode(accepted), at=at)
    records.audit(by.strip(), "plan accepted", at=at, detail=f"{number}: {reason.strip() or 'no reason given'}")
    return Outcome(done=True, sentence=f"Plan {number} is accepted and on its way to the plant.")


def reject_plan(records: Records, *, number: str, by: str, reason: str, at: datetime) -> Outcome:
    """Reject a plan; a reason is asked for, because the next plan should learn from it."""
    plan = records.plan(number)
    if plan is None:
        return Outcome(done=False, sentence=f"There is no plan {number}.")
    if not by.strip() or not reason.strip():
        return Outcome(done=False, sentence="A rejection needs a name and a reason.")
    if plan.decision is not Decision.PROPOSED:
        return Outcome(done=False, sentence=f"Plan {number} is already {plan.decision.value}.")
    records.decide(number, Decision.REJECTED, by=by.strip(), reason=reason.strip(), at=at)
    records.audit(by.strip(), "plan rejected", at=at, detail=f"{number}: {reason.strip()}")
    return Outcome(done=True, sentence=f"Plan {number} is rejected.")


def acceptable(plan: Plan, *, at: datetime) -> str:
    """Why a plan cannot be accepted; empty where it can."""
    if plan.status not in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
        return (
            f"Plan {plan.number} is {plan.status.value}: there is nothing to accept. Choose one of its repairs first."
        )
    if plan.certificate is None or not plan.certificate.checked:
        return f"Plan {plan.number} did not pass its independent check, so it cannot be accepted."
    if plan.decision is not Decision.PROPOSED:
        return f"Plan {plan.number} is already {plan.decision.value}."
    if plan.end <= at:
        return f"Plan {plan.number} ended in the past. Wait for the next plan or ask for one."
    return ""


def _objection(plan: Plan, *, by: str, at: datetime) -> str:
    return acceptable(plan, at=at) if by.strip() else "Please give a name, so that others know who accepted."
