"""Messages that no mapping serves yet, sampled in bounded memory: what `linewright discover` proposes from."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ingest.decode.formats import contents_of
from ingest.topics import Route, Router

MAX_TOPICS: Final = 5_000
"""Topics remembered; messages of others are only counted."""
MAX_SAMPLES: Final = 4
"""Payloads kept of each topic, the newest."""
MAX_SAMPLE_BYTES: Final = 16_000
"""Larger payloads are counted but not kept."""
MAX_FIELDS: Final = 300
"""Fields told of each message."""


@dataclass(kw_only=True, slots=True)
class SeenTopic:
    """A topic whose messages no mapping serves."""

    messages: int = 0
    samples: deque[bytes] = field(default_factory=lambda: deque(maxlen=MAX_SAMPLES))


class Survey:
    """Sorts messages into those that are served and those that are not."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self.served = 0
        """Messages that the mappings of now read without a fault."""
        self.passed_over = 0
        """Messages of topics beyond `MAX_TOPICS`."""
        self.topics: dict[str, SeenTopic] = {}
        """Topics that are not served, or only in part."""

    def see(self, topic: str, payload: bytes) -> None:
        """Take one message into account."""
        way = self._router.route(topic)
        if isinstance(way, Route) and (
            way.plan is None or contents_of(payload, plan=way.plan, machine=way.machine).fault is None
        ):
            self.served += 1
            return
        seen = self.topics.get(topic)
        if seen is None:
            if len(self.topics) >= MAX_TOPICS:
                self.passed_over += 1
                return
            seen = self.topics[topic] = SeenTopic()
        seen.messages += 1
        if len(payload) <= MAX_SAMPLE_BYTES:
            seen.samples.append(payload)


def leaves(document: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Paths and values of a document's scalars, through objects and lists, at most `MAX_FIELDS`.

    >>> list(leaves({"a": {"b": 1}, "c": [True]}))
    [(('a', 'b'), 1), (('c', '0'), True)]
    """
    waiting: deque[tuple[tuple[str, ...], object]] = deque([(path, document)])
    told = 0
    while waiting and told < MAX_FIELDS:
        here, value = waiting.popleft()
        if isinstance(value, Mapping):
            waiting.extendleft(reversed([((*here, str(key)), inner) for key, inner in value.items()][:MAX_FIELDS]))
        elif isinstance(value, list):
            inner_paths = [((*here, str(index)), inner) for index, inner in enumerate(value[:MAX_FIELDS])]
            waiting.extendleft(reversed(inner_paths))
        else:
            told += 1
            yield here, value
