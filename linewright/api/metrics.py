"""Figures for Prometheus: `/metrics`.

Source: Prometheus text exposition format, version 0.0.4.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from linewright.account import LedgerDocument

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_OUTCOMES: Final = ("received", "stored", "duplicate", "quarantined", "in_flight", "missing")


class _Family(NamedTuple):
    name: str
    kind: str
    about: str
    lines: Sequence[tuple[str, Mapping[str, str], float]]
    """Ending of the name, labels, value."""


def metrics_text(ledger: LedgerDocument | None, roles: Mapping[str, Mapping[str, Any] | None]) -> str:
    """All figures as text.

    Args:
        ledger: What became of messages and samples; None: nothing was ever stored.
        roles: What each role last said of itself; None: it does not answer.
    """
    families = [*_of_ledger(ledger), *_of_roles(roles)]
    if (ingest := roles.get("ingest")) is not None:
        families += _of_ingest(ingest)
    return "".join(_text(family) for family in families if family.lines)


def _of_ledger(ledger: LedgerDocument | None) -> list[_Family]:
    if ledger is None:
        return []
    families = []
    for kind in ("messages", "samples"):
        lines = [
            ("", {"filter": account.filter, "outcome": outcome}, float(getattr(getattr(account, kind), outcome)))
            for account in ledger.filters
            for outcome in _OUTCOMES
        ]
        about = f"What became of {kind}, by topic filter: received = stored + duplicate + quarantined + in_flight."
        families.append(_Family(f"linewright_ledger_{kind}", "gauge", about, lines))
    about = "1 while the ledger is even, 0 when it is not."
    families.append(_Family("linewright_ledger_balanced", "gauge", about, [("", {}, float(ledger.balanced))]))
    return families


def _of_roles(roles: Mapping[str, Mapping[str, Any] | None]) -> list[_Family]:
    lines = [("", {"role": name}, float(detail is not None)) for name, detail in roles.items()]
    return [_Family("linewright_role_up", "gauge", "1 while the role's process answers.", lines)]


def _of_ingest(ingest: Mapping[str, Any]) -> list[_Family]:
    links: Sequence[Mapping[str, Any]] = ingest.get("links", ())

    def of_links(key: str) -> list[tuple[str, Mapping[str, str], float]]:
        return [("", _labels(link), float(link.get(key, 0) or 0)) for link in links]

    return [
        _Family("linewright_ingest_link_up", "gauge", "1 while the broker is connected.", of_links("connected")),
        _Family("linewright_ingest_store_up", "gauge", "1 while the store takes batches.", of_links("store_available")),
        _Family("linewright_ingest_received_total", "counter", "Messages read, this run.", of_links("received")),
        _Family("linewright_ingest_batches_total", "counter", "Batches kept, this run.", of_links("batches")),
        _Family(
            "linewright_ingest_backlog", "gauge", "Messages read and not durable yet: held here.", of_links("in_flight")
        ),
        _Family("linewright_ingest_unknown_fields_total", "counter", "Unmapped fields.", of_links("unknown_fields")),
        _Family(
            "linewright_ingest_durable_seconds",
            "histogram",
            "From reading a batch's first message to its durable commit.",
            [line for link in links for line in _histogram(link)],
        ),
        _Family(
            "linewright_ingest_commit_seconds_total",
            "counter",
            "Time spent in the store's commits.",
            [("", _labels(link), float(link.get("durable", {}).get("commit_sum_s", 0.0))) for link in links],
        ),
    ]


def _labels(link: Mapping[str, Any]) -> dict[str, str]:
    return {"link": str(link.get("link", "")), "broker": str(link.get("broker", ""))}


def _histogram(link: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, str], float]]:
    durable = link.get("durable")
    if not durable:
        return
    labels = _labels(link)
    counts = list(accumulate(durable["bins"]))
    for bound, count in zip([*map(str, durable["bounds_s"]), "+Inf"], counts, strict=True):
        yield "_bucket", {**labels, "le": bound}, float(count)
    yield "_sum", labels, float(durable["sum_s"])
    yield "_count", labels, float(counts[-1])


def _text(family: _Family) -> str:
    lines = [f"# HELP {family.name} {family.about}\n# TYPE {family.name} {family.kind}\n"]
    for ending, labels, value in family.lines:
        inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        lines.append(f"{family.name}{ending}{'{' + inside + '}' if inside else ''} {value:.10g}\n")
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
