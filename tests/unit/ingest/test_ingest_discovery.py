"""What is proposed for unmapped topics loads as configuration and then serves them."""

import json
import sys
import tomllib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from ingest_cases import CASES, PLANT, case

from ingest.decode.formats import contents_of
from ingest.discovery import propose
from ingest.settings import MappingSettings
from ingest.survey import MAX_SAMPLES, Survey, leaves
from ingest.topics import Route, compile_router

NOW_MS = 1_790_000_000_000


def survey(*messages, mappings=()):
    found = Survey(compile_router(mappings or [MappingSettings()], plant=PLANT))
    for topic, payload in messages:
        found.see(topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    return found


def proposed(*messages):
    """The proposal's text and its mappings as settings."""
    text = propose(survey(*messages).topics, plant=PLANT)
    mappings = tomllib.loads(text).get("ingest", {}).get("mappings", [])
    return text, [MappingSettings.model_validate(mapping) for mapping in mappings]


def served(mapping, topic, payload):
    way = compile_router([mapping], plant=PLANT).route(topic)
    assert isinstance(way, Route), way
    return contents_of(json.dumps(payload).encode(), plan=way.plan, machine=way.machine)


def test_a_nested_json_topic_is_proposed_and_then_served():
    topic = "v2/acme/hall1/L1/L1-press/data"
    payload = {
        "meta": {"time": "2026-11-22T14:20:00Z"},
        "drive": {"vibration": 2.5, "oil.temperature": 40},
        "state": "Idle",
    }
    text, (mapping,) = proposed((topic, payload))
    contents = served(mapping, topic, payload)
    assert mapping.topic == "v2/{enterprise}/{area}/{line}/{machine}/data"
    assert contents.readings[0].values == (2.5, 40.0, None, "Idle")
    assert contents.readings[0].observed_at_us == 1_795_357_200_000_000
    assert contents.fault is None
    assert "1 messages on 1 topics, such as v2/acme" in text


def test_line_and_station_together_name_the_machine():
    _, (mapping,) = proposed(("plc/L1/press/x", {"ts": NOW_MS // 1000, "temperature_c": 1}))
    assert (mapping.topic, mapping.machine, mapping.time_unit) == ("plc/{line}/{machine}/x", "{line}-{machine}", "s")


def test_tags_of_a_namespace_become_one_mapping():
    base = "umh/v1/acme/linz/hall1/L1/L1-press/_historian"
    messages = [
        (f"{base}/drive/vibration", {"timestamp_ms": NOW_MS, "value": 2.5}),
        (f"{base}/temperature", {"timestamp_ms": NOW_MS, "value": 40}),
        (f"{base}/state", {"timestamp_ms": NOW_MS, "value": "Idle"}),
        (f"{base}/door", {"timestamp_ms": NOW_MS, "value": True}),
    ]
    text, (mapping,) = proposed(*messages)
    assert mapping.topic == "umh/v1/{enterprise}/{site}/{area}/{line}/{machine}/_historian/#"
    assert mapping.fields == {"vibration_mm_s": "drive/vibration", "temperature_c": "temperature"}
    assert served(mapping, *messages[0]).readings[0].values[0] == 2.5
    assert '# field = "door"' in text


def test_metrics_and_samples_are_recognised():
    payload = {"t": NOW_MS, "metrics": [{"name": "Vibration", "value": 1.5}, {"name": "Temperature", "value": 40}]}
    _, (mapping,) = proposed(("gw/L1-press", payload))
    assert served(mapping, "gw/L1-press", payload).readings[0].values[:2] == (1.5, 40.0)
    assert mapping.name_field == "name"


def test_line_protocol_finds_the_machine_among_the_tags():
    message = b"drive,host=L1-press,rack=r vibration=1.5,temp_x=3i 1790000000000000000\n"
    _, (mapping,) = proposed(("telegraf", message))
    assert (mapping.format, mapping.machine, mapping.fields) == ("line", "{host}", {"vibration_mm_s": "vibration"})


def test_opcua_is_recognised():
    topic, payload, _ = case(CASES / "decode_opcua_network_message")
    _, (mapping,) = proposed((topic, payload))
    assert mapping.format == "opcua"
    assert mapping.fields["vibration_mm_s"] == "Vibration"


def test_strange_machines_are_named_and_drift_is_told():
    text, (mapping,) = proposed(
        ("floor/m7/data", {"ts": NOW_MS, "rpm": 1}),
        ("floor/m8/data", {"ts": NOW_MS, "rpm": "fast"}),
        ("floor/m8/data", {"ts": NOW_MS, "rpm": 2, "Peak Current": 3}),
    )
    assert mapping.topic == "floor/{machine}/data"
    assert 'does not name these machines: "m7", "m8"' in text
    assert "# rpm comes as number and text" in text
    assert '# name = "peak_current"' in text
    assert '# quantity = "current"' in text


def test_what_cannot_be_read_is_told_and_what_is_served_is_left_alone():
    good = "acme/linz/hall1/L1/L1-press/telemetry"
    found = survey(
        (good, {"timestamp_ms": NOW_MS, "state": "Idle"}), ("img/cam", b"\x89PNG"), ("spBv1.0/g/NDATA/e", b"\x08\x01")
    )
    assert found.served == 1
    text = propose(found.topics, plant=PLANT)
    assert "# img/cam: messages in a format that is not known" in text
    assert tomllib.loads(text) == {}
    assert propose({}, plant=PLANT) == ""


def test_a_topic_that_has_a_mapping_is_not_mapped_again():
    topic = "acme/linz/hall1/L1/L1-press/telemetry"
    found = survey((topic, {"timestamp_ms": NOW_MS, "vib": 1, "door": True}))
    text = propose(found.topics, plant=PLANT, mapped=[MappingSettings().topic])
    assert tomllib.loads(text) == {}
    assert '# It could have: fields = { vibration_mm_s = "vib" }' in text
    assert '# name = "door"' in text


def test_the_survey_is_bounded(monkeypatch):
    monkeypatch.setattr("ingest.survey.MAX_TOPICS", 3)
    found = survey(*((f"x/{number % 5}", {"a": number}) for number in range(100)))
    assert len(found.topics) == 3
    assert found.passed_over == 40
    assert all(len(seen.samples) == MAX_SAMPLES for seen in found.topics.values())
    assert len(list(leaves([[number] * 100 for number in range(100)]))) == 300


@settings(max_examples=300, deadline=None)
@given(
    messages=st.lists(
        st.tuples(
            st.text(alphabet=st.sampled_from('ab/"\n\x00é_L1-press{}+#'), min_size=1, max_size=12),
            st.binary(max_size=20)
            | st.recursive(
                st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4) | st.just(NOW_MS),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["ts", "value", "name", "a.b", "", '"', "\ud800", "Messages"]), inner
                    )
                ),
                max_leaves=8,
            ),
        ),
        max_size=4,
    )
)
def test_any_messages_give_toml(messages):
    tomllib.loads(propose(survey(*messages).topics, plant=PLANT))
