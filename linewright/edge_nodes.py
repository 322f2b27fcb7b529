"""What `linewright status` says of Sparkplug's edge nodes."""

from collections.abc import Mapping
from typing import Any, Final

from plant.clock import instant

TOLD: Final = 10
"""Edge nodes named one by one."""


def edge_lines(link: Mapping[str, Any]) -> list[str]:
    """Lines for a terminal: how many edge nodes are there, and each that is not well.

    >>> node = {"node": "acme/L1", "state": "stale", "died_at_us": 0, "devices_not_online": ["press"], "rebirths": 2}
    >>> told = {"host_id": "linewright", "online": 1, "stale": 1, "awaited": 0, "rebirths": 2, "nodes": [node]}
    >>> for line in edge_lines({"sparkplug": told}):
    ...     print(line)
    Sparkplug host linewright: 1 edge nodes online, 1 stale, 0 awaited, 2 rebirths asked for
      acme/L1 is stale since 1970-01-01 00:00:00Z
    """
    told = link.get("sparkplug")
    if not isinstance(told, dict):
        return []
    head = (
        f"Sparkplug host {told['host_id']}: {told['online']} edge nodes online, {told['stale']} stale, "
        f"{told['awaited']} awaited, {told['rebirths']} rebirths asked for"
    )
    unwell = [node for node in told["nodes"] if node["state"] != "online" or node["devices_not_online"]]
    more = [f"  and {len(unwell) - TOLD} more"] if len(unwell) > TOLD else []
    return [head, *(f"  {_node_line(node)}" for node in unwell[:TOLD]), *more]


def _node_line(node: Mapping[str, Any]) -> str:
    if node["state"] == "stale" and node["died_at_us"] is not None:
        return f"{node['node']} is stale since {instant(node['died_at_us']):%Y-%m-%d %H:%M:%S}Z"
    if node["state"] == "online":
        return f"{node['node']} is online without {', '.join(node['devices_not_online'][:5])}"
    return f"{node['node']} is {node['state']}: {node['unanswered']} rebirth requests without an answer"
