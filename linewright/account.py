"""The ledger as people and programs read it: what became of every message and sample, and whether the account is even.

An even account is `received = stored + duplicate + quarantined + in flight`, each counted by itself: what was received
where packets are read, outcomes in the batch's own transaction, what is in flight where it is held.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from plant.signals import LedgerLine

TOTAL: Final = "total"
LEDGER_NOTE: Final = "ledger_alarm"
"""Under which the records keep what does not balance, and since when."""


class AccountPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Counts(AccountPart):
    received: int
    stored: int
    duplicate: int
    quarantined: int
    in_flight: int = Field(description="Held by ingest, not acknowledged: the broker has them still.")
    missing: int = Field(description="received less all others; anything but 0 is an error of accounting.")


class FilterAccount(AccountPart):
    filter: str
    messages: Counts
    samples: Counts


class LedgerDocument(AccountPart):
    """The answer of `linewright ledger --json`."""

    balanced: bool
    problems: tuple[str, ...] = Field(description="What does not balance, as sentences with the next step.")
    total: FilterAccount
    filters: tuple[FilterAccount, ...]


def account_of(lines: Sequence[LedgerLine]) -> LedgerDocument:
    """The document of a store's ledger."""
    problems = imbalances(lines)
    return LedgerDocument(
        balanced=not problems,
        problems=problems,
        total=_account(total_of(lines)),
        filters=tuple(_account(line) for line in lines),
    )


def total_of(lines: Sequence[LedgerLine]) -> LedgerLine:
    """The sums over all filters."""
    names = [field.name for field in fields(LedgerLine) if field.name != "filter"]
    return LedgerLine(filter=TOTAL, **{name: sum(getattr(line, name) for line in lines) for name in names})


def imbalances(lines: Sequence[LedgerLine]) -> tuple[str, ...]:
    """What the account cannot explain; empty where it is even.

    >>> line = LedgerLine(filter="a/#", received=9, stored=7, duplicate=0, quarantined=0, in_flight=0,
    ...     samples_received=14, samples_stored=14, samples_duplicate=0, samples_quarantined=0)
    >>> imbalances([line])[0].split(". ")[0]
    'The ledger does not balance for a/#: 2 messages were received and neither stored, set aside nor held'
    """
    found = []
    for line in lines:
        for kind, missing in (("message", line.missing), ("sample", line.samples_missing)):
            if not missing:
                continue
            many = f"{abs(missing)} {kind}{'s were' if abs(missing) > 1 else ' was'}"
            what = (
                f"{many} received and neither stored, set aside nor held"
                if missing > 0
                else f"{many} settled and never received"
            )
            found.append(
                f"The ledger does not balance for {line.filter}: {what}. Compare with the publisher's own count, keep "
                "`linewright ledger --json` and the log of the ingest role, and report it."
            )
    return tuple(found)


def as_text(document: LedgerDocument) -> str:
    """The ledger for a person at a terminal."""
    lines = []
    accounts = [*document.filters, document.total] if len(document.filters) != 1 else list(document.filters)
    for account in accounts:
        lines.append(account.filter)
        for name, counts in (("messages", account.messages), ("samples", account.samples)):
            missing = f" + {counts.missing} MISSING" if counts.missing else ""
            lines.append(
                f"  {name:<8} {counts.received} received = {counts.stored} stored + {counts.duplicate} duplicate + "
                f"{counts.quarantined} quarantined + {counts.in_flight} in flight{missing}"
            )
    lines += document.problems or (["The ledger balances."] if accounts else ["Nothing was received yet."])
    return "\n".join(lines)


def _account(line: LedgerLine) -> FilterAccount:
    return FilterAccount(
        filter=line.filter,
        messages=Counts(
            received=line.received,
            stored=line.stored,
            duplicate=line.duplicate,
            quarantined=line.quarantined,
            in_flight=line.in_flight,
            missing=line.missing,
        ),
        samples=Counts(
            received=line.samples_received,
            stored=line.samples_stored,
            duplicate=line.samples_duplicate,
            quarantined=line.samples_quarantined,
            in_flight=0,
            missing=line.samples_missing,
        ),
    )
