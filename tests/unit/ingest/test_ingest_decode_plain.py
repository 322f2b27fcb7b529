"""The quick ways of line protocol and Sparkplug against the general ones: on any message they come to the same end."""

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st
from ingest_cases import PLANT

from ingest.decode.formats import contents_of
from ingest.decode.line import LinePlan, decode_any_lines, decode_lines
from ingest.settings import MappingSettings
from ingest.sparkplug.decode import SparkplugPlan
from ingest.sparkplug.payload import DataType, Payload
from ingest.topics import Route, compile_router

START_MS = 1_790_000_000_000


def plan_of(at: str, **mapping: object):
    router = compile_router([MappingSettings.model_validate(mapping)], plant=PLANT)
    route = router.route(at)
    assert isinstance(route, Route)
    return route.plan


LINES = [
    plan_of("lines", format="line", topic="lines"),
    plan_of("lines", format="line", topic="lines", fields={"temperature_c": "drive.temp", "vibration_mm_s": "temp"}),
    plan_of("lines", format="line", topic="lines", time_unit="none", time_field=""),
    plan_of("lines", format="line", topic="lines", time_unit="ms", units={"temperature_c": "K"}),
]
heads = st.sampled_from(
    [
        "drive,machine=L1-press",
        "drive,machine=L1-mill",
        "other,machine=L1-press,x=y",
        "drive,machine=none",
        "drive",
        "#d,machine=L1-press",
    ]
)
keys = st.sampled_from(["vibration_mm_s", "temperature_c", "temp", "good_parts", "state", "drive.temp", "firmware"])
written = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**19), 10**19).map(lambda number: f"{number}i"),
    st.integers(0, 9).map(str),
    st.text(alphabet='aE x,="\\é\n', max_size=4).map(lambda text: f'"{text}"'),
    st.sampled_from(
        ["t", "False", "1e400", "-.5", "5.", "1_0", "", "0." + "0" * 300 + "1", "0." + "0" * 500 + "1", '"', "7u"]
    ),
)
fields = st.lists(st.tuples(keys, written).map("=".join), min_size=1, max_size=4).map(",".join)
stamps = st.sampled_from(
    ["", f" {START_MS}000000", f" {START_MS}", " -1", " 9999999999999999999", "  5", " 5 ", " 5\r", " \u0665"]
)
lines = st.tuples(heads, fields, stamps).map(lambda parts: f"{parts[0]} {parts[1]}{parts[2]}")
texts = st.lists(lines, min_size=1, max_size=3).map("\n".join)


@given(st.sampled_from(LINES), st.lists(st.one_of(texts, texts.map(lambda text: text + "\n")), max_size=4))
@example(LINES[0], ['drive,machine=L1-press vibration_mm_s=1.5,state="Execute" 1\n'] * 2)
@example(LINES[0], ["drive,machine=L1-press vibration_mm_s=0." + "0" * 500 + "1 1"])
@example(LINES[0], ["drive,machine=L1-press vibration_mm_s=1,vibration_mm_s=2 1"])
@example(LINES[1], ['drive,machine=L1-press temp=1,state="a" 1', "other,machine=L1-press temp=1 1"])
def test_lines_say_the_same_by_their_shape_and_one_by_one(plan: LinePlan, messages: list[str]):
    fresh = replace(plan, heads={})
    for text in messages:
        assert repr(decode_lines(text.encode(), plan=fresh)) == repr(decode_any_lines(text, plan=plan))


SPARKPLUG = {"format": "sparkplug", "topic": "spBv1.0/acme/#", "machine": "{node}-{device}"}
NAMES = ("vibration_mm_s", "temperature_c", "good_parts", "state")
VALUES = ("float_value", "double_value", "int_value", "long_value", "boolean_value", "string_value")


def of_field(name: str):
    numbers = st.floats(width=32) if name == "float_value" else st.floats()
    if name in ("int_value", "long_value"):
        bits = 32 if name == "int_value" else 64
        numbers = st.one_of(st.integers(0, 2**bits - 1), st.sampled_from([0, 127, 128, 2 ** (bits - 1)]))
    if name == "boolean_value":
        numbers = st.booleans()
    if name == "string_value":
        numbers = st.sampled_from(["", "Execute", "1.5", "é", "x" * 201])
    return st.tuples(st.just(name), numbers)


metrics = st.fixed_dictionaries(
    {"alias": st.integers(0, 4)},
    optional={
        "value": st.one_of([of_field(name) for name in VALUES]),
        "timestamp": st.sampled_from([0, START_MS, START_MS + 1, 2**63]),
        "is_null": st.booleans(),
        "is_transient": st.booleans(),
        "is_historical": st.booleans(),
    },
)


def hosting(kinds: tuple[int, ...]) -> SparkplugPlan:
    """A host to which a device was born with metrics of some types."""
    router = compile_router([MappingSettings.model_validate(SPARKPLUG)], plant=PLANT)
    birth = Payload(timestamp=START_MS)
    for alias, (name, kind) in enumerate(zip(NAMES, kinds, strict=True)):
        birth.metrics.add(name=name, alias=alias, datatype=kind, is_null=True)
    for topic, payload in (("NBIRTH/L1", Payload(timestamp=START_MS)), ("DBIRTH/L1/press", birth)):
        route = router.route(f"spBv1.0/acme/{topic}")
        assert isinstance(route, Route)
        assert route.plan is not None
        contents_of(payload.SerializeToString(), plan=route.plan, machine="")
    data = router.route("spBv1.0/acme/DDATA/L1/press")
    assert isinstance(data, Route)
    assert isinstance(data.plan, SparkplugPlan)
    return data.plan


kinds = st.sampled_from([kind.value for kind in DataType if kind <= DataType.UUID])


@given(st.tuples(kinds, kinds, kinds, kinds), st.lists(metrics, max_size=8), st.booleans())
def test_metrics_say_the_same_read_quickly_and_by_their_type(kinds, said, timed: bool):
    message = Payload(timestamp=START_MS) if timed else Payload()
    for each in said:
        metric = message.metrics.add(**{key: value for key, value in each.items() if key != "value"})
        if "value" in each:
            setattr(metric, *each["value"])
    payload = message.SerializeToString()
    quick, general = hosting(kinds), hosting(kinds)
    aliases = general.nodes.nodes["acme", "L1"].aliases
    assert any(target.quick is not None for target in aliases.values()) or DataType.DOUBLE not in kinds[:3]
    aliases.update({alias: target._replace(quick=None) for alias, target in aliases.items()})
    told = [contents_of(payload, plan=plan, machine="") for plan in (quick, general)]
    assert repr(told[0]) == repr(told[1])
    counts = [(plan.nodes.historical, plan.nodes.transient, plan.nodes.nulls) for plan in (quick, general)]
    assert counts[0] == counts[1]


def test_a_usual_line_is_read_by_its_shape():
    fresh = replace(LINES[0], heads={})
    decode_lines(
        b'drive,machine=L1-press vibration_mm_s=1.5,good_parts=7i,state="Execute" 1790000000000000000\n', plan=fresh
    )
    (head,) = fresh.heads.values()
    assert head.shape is not None
