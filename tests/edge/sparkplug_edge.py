"""An edge node of an independent Sparkplug implementation, to be run with the edge's own interpreter.

`python sparkplug_edge.py PORT GROUP NODE DEVICE...` connects, is born and then does what its standard input says, a
command a line, answering each with `ok`: `data FIRST COUNT` (so many DDATA of each device, by alias only),
`late FIRST COUNT` (the same as historical), `drop DEVICE`, `add DEVICE`, `bye`. It answers requests for rebirth by
itself and says `reborn`.
"""

import sys
import threading

from pysparkplug import DataType, DBirth, DData, Device, EdgeNode, Message, MessageType, Metric, NBirth, QoS, Topic

START_MS = 1_790_000_000_000
BIRTH_MS = START_MS - 60_000
KINDS = (
    ("Motor/Temperature", DataType.DOUBLE),
    ("Motor/Vibration", DataType.FLOAT),
    ("good_parts", DataType.INT32),
    ("state", DataType.STRING),
)


def values(number: int) -> tuple[float, float, int, str]:
    """What a device shows at a number."""
    return number / 7, number / 4, -number, "Execute" if number % 2 else "Idle"


def metrics(place: int, number: int | None, *, named: bool, historical: bool = False) -> tuple[Metric, ...]:
    """The metrics of the device at a place; without names they go by alias only. None: those of the birth."""
    return tuple(
        Metric(
            timestamp=BIRTH_MS if number is None else START_MS + number,
            name=name if named else None,
            datatype=datatype,
            value=value,
            alias=100 * place + index,
            is_historical=historical,
        )
        for index, ((name, datatype), value) in enumerate(zip(KINDS, values(number or 0), strict=True), 1)
    )


class Edge:
    """The edge node and where its devices are."""

    def __init__(self, port: int, group: str, node: str, devices: list[str]) -> None:
        self.group, self.name = group, node
        self.places = {device: place for place, device in enumerate(devices, 1)}
        self.alive = list(devices)
        self.mutex = threading.RLock()
        own = (Metric(timestamp=BIRTH_MS, name="Node Control/Rebirth", datatype=DataType.BOOLEAN, value=False),)
        self.edge = EdgeNode(group, node, own, cmd_callback=lambda _edge, message: self.command(message))
        for device in devices:
            self.edge.register(Device(device, metrics(self.places[device], None, named=True)))
        self.edge.connect("127.0.0.1", port=port, keepalive=5)
        self.birth_number = Metric(timestamp=BIRTH_MS, name="bdSeq", datatype=DataType.INT64, value=0)

    def command(self, message: Message) -> None:
        """Be born again where a host asks for it."""
        if any(metric.name == "Node Control/Rebirth" and metric.value for metric in message.payload.metrics):
            with self.mutex:
                own = (*self.edge.metrics.values(), self.birth_number)
                self.publish(MessageType.NBIRTH, None, NBirth(timestamp=BIRTH_MS, seq=self.edge._seq, metrics=own))
                for device in self.alive:
                    told = metrics(self.places[device], None, named=True)
                    self.publish(MessageType.DBIRTH, device, DBirth(BIRTH_MS, self.edge._seq, told))
            say("reborn")

    def data(self, first: int, count: int, *, historical: bool = False) -> None:
        """Publish data of each device, by alias only."""
        for number in range(first, first + count):
            for device in self.alive:
                with self.mutex:
                    told = metrics(self.places[device], number, named=False, historical=historical)
                    self.publish(MessageType.DDATA, device, DData(START_MS + number, self.edge._seq, told))

    def publish(self, kind: MessageType, device: str | None, payload: object) -> None:
        """Send one message as the standard wants it."""
        topic = Topic(message_type=kind, group_id=self.group, edge_node_id=self.name, device_id=device)
        self.edge._client.publish(
            Message(topic=topic, payload=payload, qos=QoS.AT_MOST_ONCE, retain=False), include_dtypes=False
        )


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main() -> None:
    port, group, node, *devices = sys.argv[1:]
    edge = Edge(int(port), group, node, devices)
    say("ok")
    for line in sys.stdin:
        word, *rest = line.split()
        if word in ("data", "late"):
            edge.data(int(rest[0]), int(rest[1]), historical=word == "late")
        elif word == "drop":
            edge.alive.remove(rest[0])
            edge.edge.deregister(rest[0])
        elif word == "add":
            edge.alive.append(rest[0])
            edge.edge.register(Device(rest[0], metrics(edge.places[rest[0]], None, named=True)))
        elif word == "bye":
            edge.edge.disconnect()
        say("ok")


if __name__ == "__main__":
    main()
