"""The Ledger page's content: what became of every message, and how each link to a broker is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from linewright.account import Counts, FilterAccount, LedgerDocument
from linewright.console.words import MISSING, Mark, Tone, age, number

COLUMNS = ("received", "stored", "duplicate", "quarantined", "in_flight", "missing")


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number of the account with what it means."""

    title: str
    value: str
    detail: str
    tone: Tone = Tone.MUTED


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One topic filter: messages, or samples."""

    name: str
    kind: str
    numbers: tuple[str, ...]
    balance: Mark


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRow:
    """One link to a broker."""

    name: str
    address: str
    state: Mark
    since: str
    received: str
    in_flight: str
    wait: str
    trouble: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerView:
    verdict: Mark
    figures: tuple[Figure, ...]
    rows: tuple[Row, ...]
    links: tuple[LinkRow, ...]


def ledger_view(ledger: LedgerDocument, links: Sequence[Mapping[str, Any]]) -> LedgerView:
    """The whole page.

    Args:
        ledger: The account.
        links: What ingest last said of each link; empty where it does not answer.
    """
    accounts = [*ledger.filters, ledger.total] if len(ledger.filters) > 1 else list(ledger.filters)
    return LedgerView(
        verdict=Mark(word="Balances", tone=Tone.OK)
        if ledger.balanced
        else Mark(word="Does not balance", tone=Tone.BAD),
        figures=_figures(ledger.total.messages),
        rows=tuple(row for account in accounts for row in _rows(account)),
        links=tuple(_link(link) for link in links),
    )


def _figures(total: Counts) -> tuple[Figure, ...]:
    share = f"{100 * total.quarantined / total.received:.2f} % of all" if total.received else "none yet"
    missing = Tone.BAD if total.missing else Tone.OK
    return (
        Figure(title="Received", value=number(total.received, digits=0), detail="read from the wire"),
        Figure(title="Stored", value=number(total.stored, digits=0), detail="brought something new"),
        Figure(title="Duplicate", value=number(total.duplicate, digits=0), detail="sent again, kept once"),
        Figure(
            title="Quarantined",
            value=number(total.quarantined, digits=0),
            detail=share,
            tone=Tone.WARN if total.quarantined else Tone.MUTED,
        ),
        Figure(title="In flight", value=number(total.in_flight, digits=0), detail="held, not acknowledged"),
        Figure(
            title="Missing",
            value=number(total.missing, digits=0),
            detail="unexplained" if total.missing else "every one explained",
            tone=missing,
        ),
    )


def _rows(account: FilterAccount) -> tuple[Row, ...]:
    def row(kind: str, counts: Counts) -> Row:
        return Row(
            name=account.filter,
            kind=kind,
            numbers=tuple(number(getattr(counts, column), digits=0) for column in COLUMNS),
            balance=Mark(word="Uneven" if counts.missing else "Even", tone=Tone.BAD if counts.missing else Tone.OK),
        )

    return row("messages", account.messages), row("samples", account.samples)


def _link(link: Mapping[str, Any]) -> LinkRow:
    connected = bool(link.get("connected"))
    state = Mark(word="Connected", tone=Tone.OK) if connected else Mark(word="Away", tone=Tone.BAD)
    if connected and not link.get("store_available", True):
        state = Mark(word="Store away", tone=Tone.BAD, hint="nothing is acknowledged meanwhile; the broker keeps all")
    elif connected and link.get("refused_filters"):
        state = Mark(word="Refused", tone=Tone.WARN, hint="the broker refuses some subscriptions")
    since = link.get("connected_for_s")
    durable = link.get("durable") or {}
    batches = sum(durable.get("bins", ()))
    refused = link.get("refused_filters") or ()
    told = f"The broker refuses: {', '.join(map(str, refused))}." if refused else ""
    return LinkRow(
        name=str(link.get("link", "")) or "main",
        address=str(link.get("broker", "")),
        state=state,
        since=age(timedelta(seconds=float(since))) if since is not None else MISSING,
        received=number(link.get("received", 0), digits=0),
        in_flight=number(link.get("in_flight", 0), digits=0),
        wait=f"{1000 * durable['sum_s'] / batches:.0f} ms" if batches else MISSING,
        trouble=str(link.get("broker_trouble") or link.get("store_trouble") or told),
    )
