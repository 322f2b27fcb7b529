"""What a Sparkplug host says: STATE as long as it is there, and requests for the births it needs.

Source: Sparkplug 3.0.0, 5.13 (STATE), 5.10 and 6.4.23 (rebirth).
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ingest.link import Outgoing
from ingest.settings import IngestSettings, MessageFormat
from ingest.sparkplug.memory import NodeMemory
from ingest.sparkplug.payload import rebirth_command
from ingest.sparkplug.session import MOST_ASKED, EdgeNode, EdgeNodes, NodeState
from ingest.sparkplug.settings import NAMESPACE
from plant.signals import RejectionReason

log = logging.getLogger(__name__)

AT_ONCE: Final = 20
"""Rebirths asked for in one turn: births are the largest messages there are."""
LOOK_EVERY_S: Final = 0.1
TOLD_NODES: Final = 200
"""Edge nodes told of one by one in the host's state."""


def state_filters(settings: IngestSettings) -> tuple[str, ...]:
    """The host's own STATE, which it listens to beside its mappings' topics."""
    hosted = any(mapping.format is MessageFormat.SPARKPLUG for mapping in settings.mappings)
    return (settings.sparkplug.state_topic,) if hosted and settings.sparkplug.primary else ()


class Host:
    """Keeps the promise of STATE and asks edge nodes for births; decoding keeps `nodes`."""

    def __init__(self, nodes: EdgeNodes, *, memory: NodeMemory | None = None) -> None:
        self._nodes = nodes
        self._settings = nodes.settings
        self._memory = memory
        self._online_ms = 0
        self._look_at = 0.0
        self._denied = False
        self.rebirths = 0
        """Rebirths asked for."""
        if memory is not None:
            memory.load(nodes)

    def will(self) -> Outgoing | None:
        """What the broker says when this host is gone: offline, with the time of its coming."""
        self._online_ms = _now_ms()
        return self._state(online=False, timestamp_ms=self._online_ms) if self._settings.primary else None

    def greeting(self) -> list[Outgoing]:
        """What is said on a new connection: online, with the will's time. All edge nodes are to be born again."""
        for node in self._nodes:
            node.unheard()
        return [self._state(online=True, timestamp_ms=self._online_ms)] if self._settings.primary else []

    def goodbye(self) -> list[Outgoing]:
        """What is said before leaving in order."""
        return [self._state(online=False, timestamp_ms=_now_ms())] if self._settings.primary else []

    def hear_state(self, _topic: str, payload: bytes) -> str | None:
        """Take note of STATE under this host's id: one that denies it is corrected.

        Source: Sparkplug 3.0.0, [tck-id-host-topic-phid-death-payload-connect] and the host's duty in 5.13 to publish
        its birth again when it hears its own death while it is there.
        """
        try:
            said = json.loads(payload)
            online = bool(said["online"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return "STATE must be a JSON object with online (true or false) and timestamp (ms UTC)"
        if not online and said.get("timestamp", 0) >= self._online_ms:
            self._denied = True
        return None

    def due(self) -> list[Outgoing]:
        """What is to be published now; call it on every turn while connected."""
        now = time.monotonic()
        if now < self._look_at:
            return []
        self._look_at = now + LOOK_EVERY_S
        out: list[Outgoing] = []
        if self._denied and self._settings.primary:
            self._denied = False
            out.append(self._state(online=True, timestamp_ms=self._online_ms))
        for node in self._nodes:
            if len(out) >= AT_ONCE:
                break
            if (command := self._rebirth(node, now=now)) is not None:
                out.append(command)
        if self._memory is not None:
            self._memory.keep(self._nodes)
        return out

    def released(self) -> Callable[[str, RejectionReason, int], bool] | None:
        """Tells by topic, reason and reception whether a quarantined message can be read since the births that came.

        None where no birth came for which data waits.
        """
        if not self._nodes.reborn:
            return None
        self._nodes.reborn = False
        since = {(node.group, node.name): node.since_us for node in self._nodes if node.reborn}
        for key in since:
            self._nodes.nodes[key].waiting = self._nodes.nodes[key].reborn = False

        def readable(topic: str, reason: RejectionReason, received_at_us: int) -> bool:
            levels = topic.split("/")
            if reason is not RejectionReason.BEFORE_BIRTH or len(levels) < 4:
                return False
            from_us = since.get((levels[1], levels[3]))
            return from_us is not None and received_at_us >= from_us

        return readable

    @property
    def state(self) -> dict[str, Any]:
        """How the edge nodes are, for status and console; any thread may ask."""
        nodes = list(self._nodes)
        states = Counter(node.state for node in nodes)
        return {
            "host_id": self._settings.host_id,
            "primary": self._settings.primary,
            **{state.value: states[state] for state in NodeState},
            "rebirths": self.rebirths,
            "historical": self._nodes.historical,
            "transient": self._nodes.transient,
            "nulls": self._nodes.nulls,
            "nodes": [_told(node) for node in sorted(nodes, key=lambda each: each.key)[:TOLD_NODES]],
        }

    def _rebirth(self, node: EdgeNode, *, now: float) -> Outgoing | None:
        if node.sequence.overdue(now=now):
            node.rebirths.need("a sequence number did not come")
        if node.state is NodeState.AWAITED and 0 < node.rebirths.unanswered < MOST_ASKED:
            node.rebirths.need("no birth came")
        if not (why := node.rebirths.due(now=now, now_us=time.time_ns() // 1_000)):
            return None
        self.rebirths += 1
        log.info("rebirth_requested", extra={"node": node.key, "why": why, "unanswered": node.rebirths.unanswered - 1})
        return Outgoing(f"{NAMESPACE}/{node.group}/NCMD/{node.name}", rebirth_command(_now_ms()), qos=0, retain=False)

    def _state(self, *, online: bool, timestamp_ms: int) -> Outgoing:
        payload = msgspec.json.encode({"online": online, "timestamp": timestamp_ms})
        return Outgoing(self._settings.state_topic, payload, qos=1, retain=True)


def _told(node: EdgeNode) -> dict[str, Any]:
    devices = {name: device.state.value for name, device in list(node.devices.items()) if name}
    return {
        "node": node.key,
        "state": node.state.value,
        "born_at_us": node.born_at_us,
        "died_at_us": node.died_at_us,
        "births": node.births,
        "deaths": node.deaths,
        "deaths_ignored": node.deaths_ignored,
        "devices": len(devices),
        "devices_not_online": [name for name, state in devices.items() if state != NodeState.ONLINE][:20],
        "gaps": node.sequence.gaps,
        "repeats": node.sequence.repeats,
        "rebirths": node.rebirths.asked,
        "rebirth_at_us": node.rebirths.asked_at_us,
        "unanswered": node.rebirths.unanswered,
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
