"""Answers about plans as text for a terminal, and as documents for other programs."""

from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from optimizer.compare import Comparison
    from optimizer.prices import Price
    from optimizer.questions import Answer
    from optimizer.why_late import WhyLate

MOST_ROWS = 12
ALIKE = 0.05
"""Hours that follow each other are shown as one where their prices differ by less than this part."""


def comparison_text(comparison: "Comparison", *, names: tuple[str, str], currency: str) -> str:
    """What moved and why, and the bridge by every side."""
    from optimizer.ledger import By

    before, now = names
    lines = [
        f"{before} costs {float(comparison.before):,.2f} {currency}, {now} {float(comparison.now):,.2f} {currency}: "
        f"{float(comparison.difference):+,.2f} {currency}"
    ]
    if comparison.by_inputs is not None:
        by_inputs, by_choice = float(comparison.by_inputs), float(comparison.difference - comparison.by_inputs)
        lines.append(f"  of which the changed facts {by_inputs:+,.2f}, the new choices {by_choice:+,.2f}")
    for side in By:
        sums = comparison.by(side)
        lines.append(f"by {side.value}")
        shown = list(sums.items())[:MOST_ROWS]
        lines += [f"  {name or 'whole plant':<24} {float(amount):+14,.2f} {currency}" for name, amount in shown]
        if rest := list(sums.values())[MOST_ROWS:]:
            lines.append(f"  {len(rest)} more{'':<18} {float(sum(rest)):+14,.2f} {currency}")
    lines.append(f"changed: {comparison.runs_changed} of {comparison.runs} product hours that both plans know")
    for change in comparison.changes[:MOST_ROWS]:
        lines.append(f"  {change.sentence}")
        lines += [f"    as {reason}" for reason in change.reasons]
    if len(comparison.changes) > MOST_ROWS:
        lines.append(f"  ... and {len(comparison.changes) - MOST_ROWS} more")
    lines.append("changed facts" if comparison.inputs else "no fact changed but the time")
    lines += [f"  {change.sentence}" for change in comparison.inputs[:MOST_ROWS]]
    if len(comparison.inputs) > MOST_ROWS:
        lines.append(f"  ... and {len(comparison.inputs) - MOST_ROWS} more")
    return "\n".join(lines)


def comparison_document(comparison: "Comparison") -> dict[str, Any]:
    """The comparison as JSON takes it; amounts in the plant's currency."""
    return {
        "before": float(comparison.before),
        "now": float(comparison.now),
        "difference": float(comparison.difference),
        "by_inputs": None if comparison.by_inputs is None else float(comparison.by_inputs),
        "bridge": [
            {**msgspec.to_builtins(item), "amount": float(amount)} for item, amount in comparison.bridge.items()
        ],
        "runs_changed": comparison.runs_changed,
        "runs": comparison.runs,
        "changes": msgspec.to_builtins(comparison.changes),
        "inputs": msgspec.to_builtins(comparison.inputs),
    }


def prices_text(prices: tuple["Price", ...], *, currency: str) -> str:
    """The dearest prices of each kind; hours of a line at nearly one price are told together."""
    if not prices:
        return "Nothing is scarce: no hour, unit, kW or kg more would make this plan cheaper."
    lines = []
    for kind, group in groupby(prices, key=lambda price: price.scarce):
        mine = list(group)
        lines.append(kind.value.replace("_", " "))
        sentences = _capacity(mine, currency) if kind.value == "capacity" else [price.sentence for price in mine]
        lines += [f"  {sentence}" for sentence in sentences[:MOST_ROWS]]
        if len(sentences) > MOST_ROWS:
            lines.append(f"  ... and {len(sentences) - MOST_ROWS} more; see --json")
    return "\n".join(lines)


def why_late_text(told: "WhyLate", *, currency: str) -> str:
    """The chain of what stands in the way, and the price of being in time."""
    if told.late is None or told.in_time is None:
        return f"Order {told.order} is in time."
    return "\n".join([*(link.sentence for link in told.chain), answer_text(told.in_time, currency=currency)])


def answer_text(answer: "Answer", *, currency: str) -> str:
    """The sentence, and where the difference comes from."""
    lines = [answer.sentence]
    lines += [f"  {term.name:<24} {term.amount:+12,.2f} {currency}" for term in answer.terms]
    return "\n".join(lines)


def _capacity(prices: list["Price"], currency: str) -> list[str]:
    """Hours of a line together, the dearest first."""
    spans: list[list[Price]] = []
    for price in sorted(prices, key=lambda price: (price.entity, price.start)):
        last = spans[-1][-1] if spans else None
        if last is not None and (last.entity, last.end) == (price.entity, price.start):
            first = spans[-1][0].saves
            if abs(price.saves - first) <= ALIKE * first:
                spans[-1].append(price)
                continue
        spans.append([price])
    spans.sort(key=lambda span: -max(price.saves for price in span))
    return [span[0].sentence if len(span) == 1 else _span(span, currency) for span in spans]


def _span(span: list["Price"], currency: str) -> str:
    least, most = min(price.saves for price in span), max(price.saves for price in span)
    begins, ends = span[0].sentence.split(" saves ")[0], span[-1].sentence.split(" saves ")[0]
    far = min(price.holds_up_to for price in span)
    until = ends.rsplit("-", 1)[-1] if "-" in ends else ends
    worth = f"{least:,.2f} to {most:,.2f} {currency}"
    return f"{begins.rsplit('-', 1)[0]}-{until} saves {worth}; holds for up to {far:.2g} h more."
