"""Telling people that the ledger does not balance, and that it does again: the log, MQTT and the webhook, once each."""

import logging
from datetime import datetime
from typing import Final

import msgspec

from linewright.account import LEDGER_NOTE, imbalances
from linewright.settings.site import Site
from store.contract import ReadingStore
from store.records import Records

log = logging.getLogger(__name__)

NOTICE: Final = "notice"
"""Kind of these messages in the outbox."""


def watch_ledger(site: Site, *, store: ReadingStore, records: Records, now: datetime) -> tuple[str, ...]:
    """Look at the ledger; where what is wrong with it has changed since the last look, tell it.

    The outbox takes the message to `<alerts topic>/_ledger` (retained) and to the webhook, if there is one.

    Returns:
        What does not balance.
    """
    problems = imbalances(store.ledger())
    before = records.noted(LEDGER_NOTE) or {"problems": []}
    if list(problems) == before["problems"]:
        return problems
    state = "active" if problems else "returned"
    payload = msgspec.json.encode({"kind": "ledger", "state": state, "problems": problems, "at": now})
    records.enqueue(NOTICE, payload, at=now)
    if site.webhook is not None:
        records.enqueue("webhook", payload, at=now)
    records.audit("linewright", f"ledger alarm {state}", at=now, detail=" ".join(problems))
    records.note(LEDGER_NOTE, {"problems": problems, "at": now.isoformat()})
    if problems:
        log.error("ledger_does_not_balance", extra={"detail": " ".join(problems)})
    else:
        log.info("ledger_balances_again")
    return problems
