"""What a host knows of edge nodes: sequence numbers, births and deaths, aliases, the wait between rebirth requests."""

from hypothesis import given
from hypothesis import strategies as st
from ingest_cases import PLANT

from ingest.decode.contents import Contents, Hearing
from ingest.decode.formats import contents_of
from ingest.settings import MappingSettings
from ingest.sparkplug.payload import DataType, Payload
from ingest.sparkplug.session import MAX_DEVICES, EdgeNodes, NodeState, Rebirths, SequenceWatch
from ingest.sparkplug.settings import SparkplugSettings
from ingest.topics import Route, Router, compile_router
from plant.signals import Quality, RejectionReason

START_MS = 1_790_000_000_000
BORN = {"name": "bdSeq", "datatype": DataType.INT64, "long_value": 3}
TEMPERATURE = {"name": "temperature_c", "datatype": DataType.DOUBLE, "double_value": 40.0, "alias": 1}


def router(**more) -> Router:
    mapping = {"format": "sparkplug", "topic": "spBv1.0/acme/#", "machine": "{node}-{device}", **more}
    return compile_router([MappingSettings.model_validate(mapping)], plant=PLANT, nodes=EdgeNodes(SparkplugSettings()))


def said(to: Router, kind: str, *metrics, seq=None, device="press", at_us=5, hearing=Hearing.LIVE) -> Contents:
    message = Payload(timestamp=START_MS)
    if seq is not None:
        message.seq = seq
    for metric in metrics:
        message.metrics.add(**metric)
    way = to.route(f"spBv1.0/acme/{kind}/L1" + (f"/{device}" if kind[0] == "D" else ""))
    assert isinstance(way, Route)
    assert way.plan is not None
    return contents_of(message.SerializeToString(), plan=way.plan, machine="", heard_at_us=at_us, hearing=hearing)


def born(to: Router, number: int = 3) -> None:
    said(to, "NBIRTH", BORN | {"long_value": number}, seq=0)
    said(to, "DBIRTH", TEMPERATURE, seq=1)


@given(first=st.integers(0, 255), count=st.integers(1, 600))
def test_numbers_one_after_the_other_are_complete_over_the_turn_from_255_to_0(first: int, count: int) -> None:
    watch = SequenceWatch(timeout_s=1)
    watch.begin(first)
    assert all(watch.see((first + step) % 256, now=0) for step in range(1, count + 1))
    assert (watch.gaps, watch.repeats, watch.overdue(now=1e9)) == (0, 0, False)


@given(order=st.permutations(range(1, 8)))
def test_numbers_out_of_order_are_complete_once_all_are_there(order: list[int]) -> None:
    watch = SequenceWatch(timeout_s=1)
    watch.begin(250)
    assert all(watch.see((250 + step) % 256, now=0) for step in order)
    assert watch.expected == (250 + 8) % 256
    assert not watch.overdue(now=1e9)


def test_a_missing_number_is_given_up_after_its_time_and_counted_on_from_the_newest() -> None:
    watch = SequenceWatch(timeout_s=2)
    watch.begin(0)
    watch.see(3, now=10)
    watch.see(4, now=11)
    assert not watch.overdue(now=11.9)
    assert watch.overdue(now=12)
    assert watch.expected == 5
    assert (watch.gaps, watch.see(4, now=13), watch.repeats) == (1, False, 1)


def test_rebirths_wait_twice_as_long_each_time_and_begin_again_after_a_calm() -> None:
    asking = Rebirths(minimum_s=1, maximum_s=5)
    asked = []
    for tenth in range(300):
        asking.need("the sequence number 3 came again")
        if asking.due(now=tenth / 10, now_us=0):
            asked.append(tenth / 10)
    assert asked == [0.0, 1.0, 3.0, 7.0, 12.0, 17.0, 22.0, 27.0]
    asking.answered()
    assert asking.due(now=1000, now_us=0) == ""
    asking.need("again")
    assert asking.due(now=1000, now_us=0) == "again"
    assert asking.wait_s == 1


def test_death_of_an_earlier_session_is_ignored_and_that_of_the_birth_makes_stale() -> None:
    to = router()
    born(to, number=7)
    assert said(to, "NDEATH", BORN | {"long_value": 6}) == Contents((), None)
    (node,) = to.nodes
    assert (node.state, node.deaths_ignored) == (NodeState.ONLINE, 1)
    (reading,) = said(to, "NDEATH", BORN | {"long_value": 7}, at_us=99).readings
    assert (reading.machine, reading.observed_at_us, reading.quality) == ("L1-press", 99, Quality.STALE)
    assert set(reading.values) == {None}
    assert said(to, "DDATA", {"alias": 1, "double_value": 1.0}).fault.reason is RejectionReason.BEFORE_BIRTH


def test_death_of_a_device_is_at_its_payloads_time_and_leaves_the_others() -> None:
    to = router()
    born(to)
    said(to, "DBIRTH", TEMPERATURE | {"alias": 2}, device="oven", seq=2)
    (reading,) = said(to, "DDEATH", seq=3).readings
    assert (reading.machine, reading.observed_at_us) == ("L1-press", START_MS * 1000)
    assert said(to, "DDATA", {"alias": 2, "double_value": 1.0}, device="oven", seq=4).fault is None
    assert next(iter(to.nodes)).sequence.gaps == 0


def test_aliases_hold_over_the_whole_edge_node_and_only_until_its_next_birth() -> None:
    to = router()
    born(to)
    (reading,) = said(to, "DDATA", {"alias": 1, "double_value": 5.0}, seq=2).readings
    assert reading.values[1] == 5.0
    said(to, "DBIRTH", TEMPERATURE | {"alias": 1}, device="oven", seq=3)
    fault = said(to, "DDATA", {"alias": 1, "double_value": 6.0}, seq=4).fault
    assert fault.reason is RejectionReason.WRONG_SHAPE
    assert "stands for two metrics" in fault.detail
    said(to, "NBIRTH", BORN, seq=9)
    assert said(to, "DDATA", {"alias": 1, "double_value": 6.0}, seq=10).fault.reason is RejectionReason.BEFORE_BIRTH


def test_data_is_kept_for_gaps_and_repeats_and_a_rebirth_is_wanted() -> None:
    to = router()
    born(to)
    (node,) = to.nodes
    for seq in (2, 2, 9):
        assert len(said(to, "DDATA", {"alias": 1, "double_value": float(seq)}, seq=seq).readings) == 1
    assert (node.sequence.repeats, node.sequence.gaps) == (1, 1)
    assert "came again" in node.rebirths.why


def test_a_replayed_message_is_read_with_the_aliases_of_now_unless_a_birth_unheard_gave_them() -> None:
    to = router()
    said(to, "DDATA", {"alias": 1, "double_value": 5.0}, seq=7, at_us=50)
    said(to, "NBIRTH", BORN, seq=0, at_us=60)
    said(to, "DBIRTH", TEMPERATURE, seq=1, at_us=60)
    (node,) = to.nodes
    assert to.nodes.reborn
    expected = node.sequence.expected
    again = said(to, "DDATA", {"alias": 1, "double_value": 5.0}, seq=7, at_us=50, hearing=Hearing.AGAIN)
    assert again.readings[0].values[1] == 5.0
    older = said(to, "DDATA", {"alias": 1, "double_value": 4.0}, seq=6, at_us=40, hearing=Hearing.AGAIN)
    assert older.fault.reason is RejectionReason.BEFORE_BIRTH
    assert node.sequence.expected == expected


def test_machines_of_the_table_win_over_the_template_and_an_empty_one_is_not_kept() -> None:
    to = router(machine="{device}", machines={"L1/p": "L1-press", "acme/L1/o": "", "L1": "L1-oven"})
    said(to, "NBIRTH", BORN, TEMPERATURE, seq=0)
    (reading,) = said(to, "DBIRTH", TEMPERATURE | {"alias": 2}, device="p", seq=1).readings
    assert reading.machine == "L1-press"
    assert said(to, "DBIRTH", TEMPERATURE | {"alias": 3}, device="o", seq=2) == Contents((), None)
    (reading,) = said(to, "NDATA", {"alias": 1, "double_value": 9.0}, seq=3).readings
    assert reading.machine == "L1-oven"


def test_devices_beyond_the_bound_are_refused() -> None:
    to = router()
    born(to)
    (node,) = to.nodes
    node.devices |= {f"d{number}": node.devices["press"] for number in range(MAX_DEVICES)}
    assert said(to, "DBIRTH", TEMPERATURE, device="one_more").fault.reason is RejectionReason.TOO_LARGE


@given(kind=st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"]), payload=st.binary())
def test_arbitrary_bytes_never_raise(kind: str, payload: bytes) -> None:
    to = router()
    born(to)
    way = to.route(f"spBv1.0/acme/{kind}/L1" + ("/press" if kind[0] == "D" else ""))
    assert isinstance(way, Route)
    assert way.plan is not None
    assert isinstance(contents_of(payload, plan=way.plan, machine=""), Contents)


def test_text_that_is_not_utf_8_is_refused_alone() -> None:
    to = router()
    born(to)
    name, text = b"\x0a\x02\xff\xfe", b"\x0a\x05state\x7a\x02\xff\xfe"  # field 1, name; field 15, string_value
    metrics = b"".join(b"\x12" + bytes([len(each)]) + each for each in (name, text))
    for kind in ("NBIRTH/L1", "DBIRTH/L1/press", "DDATA/L1/press"):
        way = to.route(f"spBv1.0/acme/{kind}")
        assert isinstance(way, Route)
        assert way.plan is not None
        assert contents_of(metrics, plan=way.plan, machine="").fault is not None
