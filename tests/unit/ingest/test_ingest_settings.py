"""Settings refuse what would lose messages, and say what would be right."""

import pytest
from pydantic import ValidationError

from ingest.broker_settings import BrokerSettings
from ingest.settings import IngestSettings, MappingSettings


def test_broker_settings_keep_a_stable_session_by_default():
    broker = BrokerSettings()
    assert broker.client_id == "linewright-ingest"
    assert broker.address == "127.0.0.1:1883"


@pytest.mark.parametrize("client_id", ["", "  ", "linewright-{pid}", "ingest-$RANDOM", "ingest-%d"])
def test_broker_settings_refuse_a_client_id_that_changes(client_id):
    with pytest.raises(ValidationError, match="client_id"):
        BrokerSettings(client_id=client_id)


@pytest.mark.parametrize(
    ("faulty", "says"),
    [
        ({"embedded": True, "protocol": "5"}, "plain MQTT 3.1.1"),
        ({"embedded": True, "username": "u"}, "embedded = false"),
        ({"password": "secret"}, "no username"),
        ({"reconnect_min_s": 20, "reconnect_max_s": 10}, "reconnect_max_s"),
        ({"tls": {"certificate_file": "a.pem"}}, "belong together"),
        ({"session_expiry_s": 0}, "60"),
        ({"hosts": "x"}, "hosts"),
        ({"qos": 0}, "sends a message once and forgets it"),
        ({"clean_session": True}, "its session is always kept"),
        ({"clean_start": False}, "its session is always kept"),
        ({"client_id": "ingest-%p"}, "found again"),
        ({"receive_maximum": 0}, "greater than or equal to 1"),
        ({"fallbacks": ("broker-b",)}, "is not host:port"),
        ({"websocket_path": "mqtt"}, "must begin with a slash"),
        ({"shared_group": "a/b"}, "none of"),
    ],
)
def test_broker_settings_refuse_what_cannot_work(faulty, says):
    with pytest.raises(ValidationError, match=says):
        BrokerSettings(**faulty)


def test_broker_settings_hide_the_password_in_their_text():
    assert "hush" not in repr(BrokerSettings(username="u", password="hush"))


@pytest.mark.parametrize(
    ("faulty", "says"),
    [
        ({"topic": "acme/{robot}/telemetry"}, "whole placeholder"),
        ({"topic": "acme/x-{machine}/telemetry"}, "whole placeholder"),
        ({"topic": "acme/{machine"}, "unmatched brace"),
        ({"topic": "acme/#/{machine}"}, "last level"),
        ({"topic": "acme/a+/{machine}"}, "stand alone"),
        ({"topic": "acme/{machine}", "machine": "{line}-{machine}"}, "does not hold"),
        ({"units": {"temperature_c": "parsec"}}, "no decoder knows"),
        ({"time_field": ""}, "time_unit = 'none'"),
        ({"time_unit": "none", "time_field": "ts"}, "state the unit"),
        ({"fields": {"a": "."}}, "give the path"),
    ],
)
def test_mapping_settings_refuse_what_cannot_work(faulty, says):
    with pytest.raises(ValidationError, match=says):
        MappingSettings(**faulty)


EAST = {"name": "east", "port": 1884}


@pytest.mark.parametrize(
    ("brokers", "mapped", "says"),
    [
        ([EAST], ["main", "west"], "does not have"),
        ([EAST], ["main"], "no mapping takes messages from the broker 'east'"),
        ([EAST, EAST], ["east"], "two brokers are named 'east'"),
        ([EAST, {**EAST, "name": "west"}], ["east", "west"], "are one session"),
        ([{**EAST, "name": "main"}], ["main"], "means the broker of the section"),
        ([{**EAST, "embedded": True}], ["east"], "one that runs elsewhere"),
        ([{"name": "east", "qos": 0}], ["east"], "must be 1 or 2"),
    ],
)
def test_ingest_settings_refuse_brokers_that_cannot_work(brokers, mapped, says):
    with pytest.raises(ValidationError, match=says):
        IngestSettings(brokers=brokers, mappings=[{"broker": name} for name in mapped])


def test_each_broker_has_its_own_mappings():
    settings = IngestSettings(
        brokers=[EAST], mappings=[{"broker": "main"}, {"broker": "east"}, {"topic": "a/{machine}"}]
    )
    assert [len(settings.of_broker(name).mappings) for name in ("main", "east")] == [2, 1]


def test_ingest_settings_come_with_the_mapping_of_the_demo_plant():
    assert IngestSettings().mappings[0].topic == "{enterprise}/{site}/{area}/{line}/{machine}/telemetry"


def test_ingest_settings_refuse_a_settling_time_beyond_the_age():
    with pytest.raises(ValidationError, match="never act"):
        IngestSettings(batch_settle_s=2.0)


@pytest.mark.parametrize("model", [BrokerSettings, MappingSettings, IngestSettings])
def test_every_field_is_described(model):
    assert all(field.description for field in model.model_fields.values())
