"""Which edge nodes there are, kept in a file: after a start the host asks each of them for its births.

A birth is published once and not retained. Without this file a host that comes back would know nothing of an edge
node until it happens to send, and could not tell which machines its death concerns.
"""

import logging
from pathlib import Path

import msgspec

from ingest.sparkplug.session import Death, Device, EdgeNodes
from plant.assets import Plant

log = logging.getLogger(__name__)

_Known = dict[str, dict[str, dict[str, list[str]]]]
"""Group, edge node, device = its machines."""


class NodeMemory:
    """Reads and writes the file; a file that cannot be used costs only the requests after a start."""

    def __init__(self, path: Path, *, plant: Plant) -> None:
        self._path = path
        self._plant = plant
        self._births = 0

    def load(self, nodes: EdgeNodes) -> None:
        """Make the edge nodes of before known."""
        try:
            known = msgspec.json.decode(self._path.read_bytes(), type=_Known)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log.warning("edge_nodes_forgotten", extra={"file": str(self._path), "why": str(error)})
            return
        for group, of_group in known.items():
            for name, devices in of_group.items():
                if (node := nodes.node(group, name)) is not None:
                    node.devices |= {
                        device: Device(machines={each: self._death(each) for each in machines if self._is_there(each)})
                        for device, machines in devices.items()
                    }

    def keep(self, nodes: EdgeNodes) -> None:
        """Write the file anew where a birth came since it was written."""
        births = nodes.births
        if births == self._births:
            return
        known: _Known = {}
        for node in nodes:
            devices = {name: list(device.machines) for name, device in node.devices.items()}
            known.setdefault(node.group, {})[node.name] = devices
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(known))
            fresh.replace(self._path)
        except OSError as error:
            log.warning("edge_nodes_not_kept", extra={"file": str(self._path), "why": str(error)})
        self._births = births

    def _is_there(self, machine: str) -> bool:
        return machine in self._plant.machine_index

    def _death(self, machine: str) -> Death:
        machine_class = self._plant.class_of(machine)
        return Death(machine, machine_class.name, len(machine_class.signals))
