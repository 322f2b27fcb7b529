"""Configuration proposed from births, that reads the same births once pasted."""

import tomllib

from ingest_cases import PLANT

from ingest.decode.formats import contents_of
from ingest.discovery import propose
from ingest.settings import MappingSettings
from ingest.sparkplug.payload import DataType, Payload
from ingest.survey import Survey
from ingest.topics import Route, compile_router


def birth(*names: str) -> bytes:
    message = Payload(timestamp=1_790_000_000_000)
    for name in names:
        message.metrics.add(name=name, datatype=DataType.DOUBLE, double_value=1.5)
    written: bytes = message.SerializeToString()
    return written


def proposed(topics: dict[str, bytes]) -> str:
    survey = Survey(compile_router([MappingSettings()], plant=PLANT))
    for topic, payload in topics.items():
        survey.see(topic, payload)
    return propose(survey.topics, plant=PLANT)


def test_births_of_devices_become_a_mapping_that_reads_them() -> None:
    told = birth("Motor/Temperature", "Vibration", "Node Control/Rebirth", "Oil level")
    text = proposed(
        {"spBv1.0/acme/NBIRTH/L1": birth("bdSeq"), "spBv1.0/acme/DBIRTH/L1/press": told,
         "spBv1.0/acme/DBIRTH/L1/saw": told, "spBv1.0/acme/DDATA/L9/oven": b"\x10"}
    )  # fmt: skip
    assert '"L1-saw"' in text
    assert "oil_level" in text
    assert "no birth was heard of L9" in text
    (mapping,) = tomllib.loads(text)["ingest"]["mappings"]
    assert (mapping["topic"], mapping["machine"], mapping["format"]) == (
        "spBv1.0/acme/#",
        "{node}-{device}",
        "sparkplug",
    )
    assert mapping["fields"]["vibration_mm_s"] == "Vibration"
    way = compile_router([MappingSettings.model_validate(mapping)], plant=PLANT).route("spBv1.0/acme/DBIRTH/L1/press")
    assert isinstance(way, Route)
    assert way.plan is not None
    assert contents_of(told, plan=way.plan, machine="").readings[0].machine == "L1-press"


def test_folders_of_an_edge_node_are_proposed_as_machines() -> None:
    text = proposed({"spBv1.0/acme/NBIRTH/L1": birth("press/temperature_c", "oven/temperature_c", "bdSeq")})
    (mapping,) = tomllib.loads(text)["ingest"]["mappings"]
    assert mapping["machine"] == "{node}-{folder}"
