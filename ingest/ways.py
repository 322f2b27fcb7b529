"""What topics mean, by number: many messages are counted and sorted by arrays instead of one by one."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.decode.fast import FastPlan, plan_fast, plan_tags
from ingest.decode.json import JsonPlan
from ingest.decode.uns import TagPlan
from ingest.topics import Route, Router, Unroutable

SINGLE: Final = 0
"""The queue of messages that are read one by one."""
KNOWN_LIMIT: Final = 100_000
"""Topics that are remembered; bounds memory."""
_STRANGE_TOPIC: Final = "(a topic that is not UTF-8)"


class Way(NamedTuple):
    """What a topic means."""

    topic: str
    route: Route | Unroutable
    machine: int
    """Number of its machine; -1 where it leads to none."""
    queue: int
    """Where its messages wait to be decoded."""


class Queue(NamedTuple):
    """How messages are decoded together."""

    plan: JsonPlan | TagPlan | None
    """Kept so that its identity stays its own; of several tags with one signal the first's."""
    fast: FastPlan | None
    """None: they are read one by one."""


class Facts(NamedTuple):
    """Facts of ways by their number; the last ones are of strangers, whose numbers are negative."""

    filters: NDArray[np.int32]
    machines: NDArray[np.int32]
    queues: NDArray[np.int32]


_Alike = int | tuple[int, int, tuple[str, ...], tuple[str, ...]]
"""Tells plans whose messages are decoded together."""


class Ways:
    """Numbers of topics. Those that lead to a machine are remembered, strangers until they are forgotten together."""

    def __init__(self, router: Router, *, machine_number: Callable[[str], int]) -> None:
        self._router = router
        self._machine_number = machine_number
        self._known: list[Way] = []
        self._strangers: list[Way] = []
        self._facts = np.empty((3, 0), dtype=np.int32)
        self._alike: dict[_Alike, int] = {}
        self.queues = [Queue(None, None)]
        """Ways of decoding together, by number; the first decodes one by one."""
        self.number: Callable[[bytes], int] = _Numbers(self._new).__getitem__
        """Number of a topic; of a stranger another one each time."""

    def __getitem__(self, number: int) -> Way:
        return self._known[number] if number >= 0 else self._strangers[-1 - number]

    def facts(self) -> Facts:
        """Facts of all ways there are."""
        seen = self._facts.shape[1]
        if len(self._known) > seen:
            self._facts = np.concatenate((self._facts, _told(self._known[seen:])), axis=1)
        if self._strangers:
            return Facts(*np.concatenate((self._facts, _told(self._strangers[::-1])), axis=1))
        return Facts(*self._facts)

    def forget_strangers(self) -> None:
        """No message is held any more whose topic is not known."""
        self._strangers.clear()

    def _new(self, topic: bytes) -> "_New":
        try:
            name = topic.decode("utf-8")
        except UnicodeDecodeError:
            name = _STRANGE_TOPIC
        route = self._router.route(name)
        plan = route.plan if isinstance(route, Route) else None
        queue = self._queue(plan) if isinstance(plan, JsonPlan | TagPlan) else SINGLE
        machine = route.machine if isinstance(route, Route) else ""
        way = Way(name, route, self._machine_number(machine), queue)
        if isinstance(route, Route) and len(self._known) < KNOWN_LIMIT:
            self._known.append(way)
            return _New(len(self._known) - 1, known=True)
        self._strangers.append(way)
        return _New(-len(self._strangers), known=False)

    def _queue(self, plan: JsonPlan | TagPlan) -> int:
        """Where messages of one plan wait; those of all tags that mean one signal of a class, together."""
        key: _Alike = id(plan)
        if isinstance(plan, TagPlan):
            key = (id(plan.found.plan), plan.found.plan.names.get(plan.tag, -1), plan.time_path, plan.value_path)
        if key not in self._alike:
            self._alike[key] = len(self.queues)
            self.queues.append(Queue(plan, plan_tags(plan) if isinstance(plan, TagPlan) else plan_fast(plan)))
        return self._alike[key]


class _New(NamedTuple):
    """The number of a way that was not there."""

    number: int
    known: bool


class _Numbers(dict[bytes, int]):
    """Numbers by topic; one that is not there is asked for, and kept where it is to be known."""

    def __init__(self, ask: Callable[[bytes], _New]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, topic: bytes) -> int:
        found = self._ask(topic)
        if found.known:
            self[topic] = found.number
        return found.number


def _told(ways: Sequence[Way]) -> NDArray[np.int32]:
    """Filters, machines and queues of ways. (3, way)"""
    return np.array([(way.route.filter, way.machine, way.queue) for way in ways], dtype=np.int32).reshape(-1, 3).T
