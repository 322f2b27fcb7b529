"""What the host does over a real Mosquitto with messages that a test crafts: STATE, reordering, data before birth."""

from pathlib import Path

import pytest
from sparkplug_plant import MAPPING, PLANT, START_MS, Hosting, Probe, payload, wait_for

from ingest.broker_settings import BrokerSettings
from ingest.ingestor import Ingestor
from ingest.settings import IngestSettings, MappingSettings
from ingest.sparkplug.links import connections
from plant.clock import PlantClock
from plant.errors import ConfigError

pytestmark = pytest.mark.mosquitto
STATE = "spBv1.0/STATE/linewright"
NODE = payload(0, {"name": "bdSeq", "datatype": 4, "long_value": 0})
DEVICE = {"name": "Motor/Temperature", "alias": 1, "datatype": 10, "double_value": 0.5, "timestamp": START_MS}


def data(seq: int, number: int) -> bytes:
    return payload(seq, {"alias": 1, "double_value": number + 0.5, "timestamp": START_MS + number})


def test_state_is_retained_while_the_host_is_there_and_denied_when_it_leaves(mosquitto, tmp_path: Path) -> None:
    mosquitto.start()
    probe = Probe(mosquitto.port, STATE)
    host = Hosting(mosquitto.port, tmp_path)
    wait_for(lambda: len(probe.states()) == 1)
    online, timestamp = probe.states()[0]
    assert online
    late = Probe(mosquitto.port, STATE)
    wait_for(lambda: late.heard != [])
    assert late.heard[0][2], "STATE must be retained"
    probe.publish(STATE, b'{"online": false, "timestamp": %d}' % (timestamp + 1), qos=1, retain=True)
    wait_for(lambda: probe.states()[-1] == (True, timestamp) and len(probe.states()) == 3)  # it says so again
    host.end()
    wait_for(lambda: probe.states()[-1][0] is False)
    assert probe.states()[-1][1] >= timestamp
    for each in (probe, late):
        each.end()


def test_messages_out_of_order_need_no_rebirth_and_a_missing_one_does(mosquitto, tmp_path: Path) -> None:
    mosquitto.start()
    host = Hosting(mosquitto.port, tmp_path)
    probe = Probe(mosquitto.port, "spBv1.0/+/NCMD/#")
    probe.publish("spBv1.0/acme/NBIRTH/L1", NODE)
    probe.publish("spBv1.0/acme/DBIRTH/L1/press0", payload(1, DEVICE))
    for seq in (2, 4, 3, 5):
        probe.publish("spBv1.0/acme/DDATA/L1/press0", data(seq, seq))
    wait_for(lambda: len(host.rows("L1-press0")) == 5)
    assert (host.node("L1")["gaps"], host.node("L1")["repeats"], probe.heard) == (1, 0, [])
    for seq in (8, 9):  # 6 and 7 never come
        probe.publish("spBv1.0/acme/DDATA/L1/press0", data(seq, seq))
    wait_for(lambda: len(probe.heard) == 1)
    assert probe.heard[0][0] == "spBv1.0/acme/NCMD/L1"
    wait_for(lambda: len(host.rows("L1-press0")) == 7)
    assert host.balanced()
    probe.end()
    host.end()


def test_data_before_its_birth_is_replayed_by_itself_and_stored_once(mosquitto, tmp_path: Path) -> None:
    mosquitto.start()
    host = Hosting(mosquitto.port, tmp_path)
    probe = Probe(mosquitto.port, "spBv1.0/+/NCMD/#")
    for number in range(5):
        probe.publish("spBv1.0/acme/DDATA/L1/press0", data(number, 100 + number))
    wait_for(lambda: probe.heard != [])
    wait_for(lambda: len(host.writer.quarantine(10)) == 5)
    probe.publish("spBv1.0/acme/NBIRTH/L1", NODE)
    probe.publish("spBv1.0/acme/DBIRTH/L1/press0", payload(1, DEVICE))
    wait_for(lambda: host.writer.quarantine(10) == [] and len(host.rows("L1-press0")) == 6)
    assert host.rows("L1-press0")[104][0] == 104.5
    (line,) = [line for line in host.writer.ledger() if line.filter.endswith("acme/#")]
    assert (line.received, line.stored, line.quarantined) == (8, 8, 0)  # NCMD, NBIRTH, DBIRTH and 5 of data
    wait_for(host.balanced)
    probe.end()
    host.end()


def test_host_has_a_connection_of_its_own_beside_one_that_is_kept() -> None:
    settings = IngestSettings.model_validate({"mappings": [{}, MAPPING]})
    found = connections(settings, broker=BrokerSettings())
    assert list(found) == ["main", "main.sparkplug"]
    assert [each.broker.client_id for each in found.values()] == ["linewright-ingest", "linewright-ingest-sparkplug"]
    assert [len(each.settings.mappings) for each in found.values()] == [1, 1]


def test_host_starts_beside_a_shared_group_and_stays_outside_of_it(mosquitto, tmp_path: Path) -> None:
    mosquitto.start()
    broker = BrokerSettings(port=mosquitto.port, protocol="5", shared_group="crew", client_id="linewright-ingest")
    shared = connections(IngestSettings.model_validate({"mappings": [{}, MAPPING]}), broker=broker)
    assert shared["main"].broker.shared_group == "crew"
    host = Hosting(mosquitto.port, tmp_path, broker=shared["main.sparkplug"].broker)
    probe = Probe(mosquitto.port, "spBv1.0/+/NCMD/#")
    wait_for(lambda: host.ingestor.state["connected"])
    probe.publish("spBv1.0/acme/NBIRTH/L1", NODE)
    probe.publish("spBv1.0/acme/DBIRTH/L1/press0", payload(1, DEVICE))
    wait_for(lambda: len(host.rows("L1-press0")) == 1)
    probe.end()
    host.end()


@pytest.mark.parametrize(
    ("mappings", "broker", "said"),
    [
        ([MAPPING], {"shared_group": "crew"}, "never shared"),
        ([{}, MAPPING], {}, "give each its own connection"),
    ],
)
def test_a_host_refuses_at_start_what_would_lose_or_split(mappings, broker, said: str) -> None:
    settings = IngestSettings(mappings=tuple(MappingSettings.model_validate(each) for each in mappings))
    with pytest.raises(ConfigError, match=said):
        Ingestor(
            settings,
            broker=BrokerSettings.model_validate(broker),
            plant=PLANT,
            sink=lambda _: pytest.fail("nothing is to be kept"),
            clock=PlantClock(),
            run="r",
        )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"topic": "$share/crew/spBv1.0/acme/#"}, "is shared"),
        ({"topic": "spBv1.0/acme/NDATA/L1"}, "must be spBv1.0/<group>/#"),
        ({"machine": "{area}-{device}"}, "which Sparkplug does not tell"),
        ({"format": "json"}, "is Sparkplug's"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_with_a_sentence(changed: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("$", r"\$")):
        MappingSettings.model_validate(MAPPING | changed)
