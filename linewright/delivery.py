"""The outbox on its way to the world: alerts and plans over MQTT, alerts to the webhook.

What cannot be delivered stays in the outbox with its reason and is tried again; nothing waits in memory only.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from analytics.notify import deliver_webhook
from ingest.publisher import Publisher
from linewright.settings.site import Site
from linewright.watching import NOTICE
from linewright.wiring import wall_now
from plant.alerts import Alert
from plant.errors import Unavailable
from store.records import Records

log = logging.getLogger(__name__)

AT_ONCE: Final = 20
RETRY_FIRST_S: Final = 2.0
RETRY_LONGEST_S: Final = 300.0
WEBHOOK_TIMEOUT_S: Final = 5.0


@dataclass(slots=True)
class Postman:
    """Takes what is due from the outbox to where it belongs."""

    site: Site
    records: Records
    publisher: Publisher
    broker_away: bool = False

    def deliver(self, *, now: datetime) -> int:
        """Deliver what is due; how many items were settled."""
        return sum(self._publish(kind) for kind in ("alert", "plan", NOTICE)) + self._post(now=now)

    def _publish(self, kind: str) -> int:
        settled = 0
        for item in self.records.due(kind, limit=AT_ONCE):
            try:
                self.publisher.connect(timeout_s=2.0)
                self.publisher.publish(self._topic(kind, item.payload), item.payload, retain=True, timeout_s=5.0)
            except Unavailable as error:
                if not self.broker_away:
                    log.warning("broker_gone", extra={"kind": kind, "reason": str(error)})
                self.broker_away = True
                self.records.fail(item.item, reason=str(error), retry_at=_again(item.attempts))
                break
            if self.broker_away:
                log.info("broker_back", extra={"kind": kind})
            self.broker_away = False
            self.records.settle(item.item)
            settled += 1
        return settled

    def _post(self, *, now: datetime) -> int:
        webhook = self.site.webhook
        settled = 0
        for item in self.records.due("webhook", limit=AT_ONCE) if webhook is not None else ():
            assert webhook is not None
            outcome = deliver_webhook(
                webhook.url,
                payload=item.payload,
                secret=webhook.secret_text(),
                at=wall_now(),
                timeout_s=WEBHOOK_TIMEOUT_S,
            )
            if outcome.delivered:
                self.records.settle(item.item)
                settled += 1
                continue
            if not outcome.retry:
                self.records.settle(item.item)
                self.records.audit("linewright", "webhook refused", at=now, detail=outcome.reason)
                log.warning("webhook_refused", extra={"url": webhook.url, "reason": outcome.reason})
                continue
            if not item.attempts:
                log.warning("webhook_failed", extra={"url": webhook.url, "reason": outcome.reason})
            self.records.fail(item.item, reason=outcome.reason, retry_at=_again(item.attempts))
            break
        return settled

    def _topic(self, kind: str, payload: bytes) -> str:
        if kind == "plan":
            return self.site.topics.plan
        if kind == NOTICE:
            return f"{self.site.topics.alerts}/_ledger"  # no machine's name begins so
        return f"{self.site.topics.alerts}/{msgspec.json.decode(payload, type=Alert).machine}"


def _again(attempts: int) -> datetime:
    return wall_now() + timedelta(seconds=min(RETRY_FIRST_S * 2.0**attempts, RETRY_LONGEST_S))
