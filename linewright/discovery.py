"""Listening for topics that no mapping serves, and proposing the configuration that would."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import closing

from ingest.broker_settings import MAIN
from ingest.discovery import propose
from ingest.publisher import Publisher
from ingest.survey import Survey
from ingest.topics import compile_router
from linewright.receiving import brokers_of
from linewright.settings.site import Site
from linewright.wiring import open_store
from plant.errors import Unavailable

OWN_TOPICS = "linewright/"
"""What Linewright itself publishes below."""
QUARANTINED_AT_MOST = 5_000


def discover(
    site: Site,
    *,
    topic_filter: str,
    broker: str = MAIN,
    seconds: float,
    stop: threading.Event,
    announce: Callable[[str], None],
) -> str:
    """Hear the broker for a while, look at what is in quarantine, and propose TOML for what no mapping serves.

    Args:
        site: The loaded configuration; nothing of it is changed.
        topic_filter: What to subscribe to, e.g. `#`.
        broker: Which broker to listen to, by name.
        seconds: How long to listen [s of wall time]; 0: only the quarantine.
        stop: Ends the listening early.
        announce: Receives sentences for the person at the terminal.

    Raises:
        Unavailable: The broker is not there, or there is none of that name.
    """
    if (chosen := brokers_of(site).get(broker)) is None:
        raise Unavailable(f"There is no broker {broker!r}; there are {', '.join(brokers_of(site))}.")
    sides = (site.topics.orders,)
    mappings = site.ingest.of_broker(broker).mappings
    survey = Survey(compile_router(mappings, plant=site.plant, side_filters=sides))
    mutex = threading.Lock()

    def hear(topic: str, payload: bytes) -> None:
        if not topic.startswith(OWN_TOPICS):
            with mutex:
                survey.see(topic, payload)

    kept = _hear_quarantine(site, hear)
    if seconds:
        publisher = Publisher(chosen, client_id=f"{chosen.client_id}-discover-{os.getpid()}")
        try:
            publisher.connect()
            publisher.subscribe(topic_filter, hear)
            announce(f"Listening to {topic_filter} at {chosen.address} for {seconds:.0f} s.")
            until = time.monotonic() + seconds
            while not stop.wait(0.1) and time.monotonic() < until:
                pass
        finally:
            publisher.close()
    with mutex:
        messages = sum(seen.messages for seen in survey.topics.values())
        beyond = f" {survey.passed_over} messages on further topics were only counted." if survey.passed_over else ""
        announce(
            f"{survey.served} messages are served by the mappings; {messages} messages on {len(survey.topics)} topics "
            f"are not ({kept} messages from quarantine were looked at).{beyond}"
        )
        return propose(survey.topics, plant=site.plant, mapped=[mapping.topic for mapping in mappings])


def _hear_quarantine(site: Site, hear: Callable[[str, bytes], None]) -> int:
    try:
        with closing(open_store(site)) as store:
            messages = store.quarantine(limit=QUARANTINED_AT_MOST)
    except Unavailable:
        return 0
    for message in messages:
        hear(message.topic, message.payload)
    return len(messages)
