"""What the ingest role says of itself: each link to a broker, and all of them together."""

from collections.abc import Mapping
from typing import Any


def role_detail(states: Mapping[str, Mapping[str, Any]]) -> dict[str, object]:
    """The sign of life of the ingest role.

    Args:
        states: What the ingestor of each broker says, by the broker's name; the main one first.

    >>> state = {"connected": True, "store_available": True, "received": 3, "in_flight": 0, "committed_at_us": 7}
    >>> told = role_detail({"main": state, "east": state | {"connected": False}})
    >>> told["connected"], told["received"], [link["link"] for link in told["links"]]
    (False, 6, ['main', 'east'])
    """
    links = [{"link": name, **state} for name, state in states.items()]
    return {
        "connected": bool(links) and all(link["connected"] for link in links),
        "store_available": all(link["store_available"] for link in links),
        "received": sum(link["received"] for link in links),
        "in_flight": sum(link["in_flight"] for link in links),
        "committed_at_us": max((link["committed_at_us"] or 0 for link in links), default=0) or None,
        "links": links,
    }
