"""The host against an independent edge implementation, over a real Mosquitto and into the real store."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sparkplug_plant import DEVICES, NODES, Edge, Hosting, wait_for

pytestmark = [pytest.mark.mosquitto, pytest.mark.sparkplug]


@pytest.fixture
def start_edge(require_real: Callable[[str], Path], mosquitto) -> Iterator[Callable[[str], Edge]]:
    python = require_real("sparkplug-edge")
    edges: list[Edge] = []

    def start(node: str) -> Edge:
        edges.append(Edge(python, mosquitto.port, node))
        return edges[-1]

    yield start
    for edge in edges:
        edge.kill()


def shown(number: int) -> tuple[float, float, float, str]:
    """What a device of the edge shows at a number, as the store has it."""
    single = struct.unpack("<f", struct.pack("<f", number / 4))[0]
    return number / 7, single, float(-number), "Execute" if number % 2 else "Idle"


def machines(node: str) -> list[str]:
    return [f"{node}-{device}" for device in DEVICES]


def test_two_edge_nodes_live_die_and_are_born_again_with_exact_counts(mosquitto, start_edge, tmp_path: Path) -> None:
    mosquitto.start()
    host = Hosting(mosquitto.port, tmp_path)
    first, second = (start_edge(node) for node in NODES)
    wait_for(lambda: all(host.is_born(node) for node in NODES))
    for edge in (first, second):
        edge.say("data 0 40")
    wait_for(lambda: all(len(host.rows(each)) == 40 for node in NODES for each in machines(node)))
    for node in NODES:
        for machine in machines(node):
            assert host.rows(machine) == {number: shown(number) for number in range(40)}

    first.kill()  # the broker publishes its will: the death of this birth
    wait_for(lambda: host.stale() == set(machines("L1")))
    assert host.node("L1")["state"] == "stale"
    assert host.node("L2")["state"] == "online"
    again = start_edge("L1")
    wait_for(lambda: host.is_born("L1"))
    again.say("data 40 10")
    second.say("data 40 10")
    wait_for(lambda: all(len(host.rows(each)) == 50 for node in NODES for each in machines(node)))
    assert host.stale() == set()

    second.say("drop press1")  # a device dies alone
    wait_for(lambda: host.stale() == {"L2-press1"})
    second.say("add press1")
    wait_for(lambda: host.is_born("L2"))
    second.say("data 50 5")
    wait_for(lambda: len(host.rows("L2-press1")) == 55)
    assert host.stale() == set()

    newest = {value.signal: value.observed_at_us for value in host.writer.last_values(["L2-press0"])}
    second.say("late -30 10")  # buffered at the edge: stored, and the live values stay
    wait_for(lambda: host.told["historical"] == 3 * 10 * 4)
    assert {value.signal: value.observed_at_us for value in host.writer.last_values(["L2-press0"])} == newest
    assert host.node("L2")["gaps"] == host.node("L2")["repeats"] == 0
    wait_for(host.balanced)
    assert host.writer.quarantine(10) == []
    host.end()


def test_host_asks_for_births_after_its_restart_and_loses_nothing_that_came(
    mosquitto, start_edge, tmp_path: Path
) -> None:
    mosquitto.start()
    host = Hosting(mosquitto.port, tmp_path)
    edge = start_edge("L1")
    wait_for(lambda: host.is_born("L1"))
    edge.say("data 0 10")
    wait_for(lambda: all(len(host.rows(each)) == 10 for each in machines("L1")))
    host.end()

    host = Hosting(mosquitto.port, tmp_path)  # it knows from its file which edge nodes to ask
    edge.say("data 10 10")  # by alias, partly before the births are there
    wait_for(lambda: edge.rebirths >= 1 and host.is_born("L1"))
    edge.say("data 20 10")
    wait_for(lambda: all(set(range(20, 30)) <= set(host.rows(each)) for each in machines("L1")))
    wait_for(lambda: host.writer.quarantine(10) == [])  # what came before the births was replayed by itself
    for machine in machines("L1"):
        assert host.rows(machine) == {number: shown(number) for number in range(30)}
    wait_for(host.balanced)
    host.end()
