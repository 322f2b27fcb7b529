"""Sentences about absent brokers, waits, and refused credentials."""

import random
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.broker_settings import BrokerSettings
from ingest.client import Backoff, cannot_reach, explain, passing_client, session_client, session_properties
from plant.errors import ConfigError

BROKER = BrokerSettings(host="broker.plant", port=8883)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "refused"),
        (TimeoutError("timed out"), "no answer"),
        (socket.gaierror(-2, "Name or service not known"), "host name unknown"),
        (ssl.SSLError(1, "wrong version number"), "TLS failed"),
        (OSError(113, "No route to host"), "No route to host"),
    ],
)
def test_explain_says_it_in_few_words(error, words):
    assert words in explain(error)


def test_cannot_reach_says_what_where_since_when_and_what_next():
    text = cannot_reach(BROKER, why="not authorized", last_contact_s=None, retry_s=4.2)
    assert text == (
        "Cannot reach the broker at broker.plant:8883 (not authorized; no contact yet). Check username and password in "
        "[broker] and the broker's access list. Trying again in 4.2 s."
    )


@given(seed=st.integers(), failures=st.integers(1, 60))
def test_backoff_grows_with_jitter_within_its_bounds(seed, failures):
    backoff = Backoff(minimum_s=1.0, maximum_s=30.0, randomness=random.Random(seed))
    waits = [backoff.next_s() for _ in range(failures)]
    assert 0.5 <= waits[0] <= 1.0
    assert all(wait <= 30.0 for wait in waits)
    assert all(wait >= 15.0 for wait in waits[5:])
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_clients_refuse_a_password_file_that_is_not_there(tmp_path):
    broker = BrokerSettings(username="u", password_file=tmp_path / "none")
    with pytest.raises(ConfigError, match="password_file"):
        session_client(broker, on_publishes=print)


def test_clients_refuse_tls_files_that_are_not_there(tmp_path):
    broker = BrokerSettings(tls={"ca_file": tmp_path / "none.pem"})
    with pytest.raises(ConfigError, match="PEM"):
        passing_client(broker, client_id="x", window=1)


def test_clients_take_the_password_from_its_file(tmp_path):
    (tmp_path / "secret").write_text("hush\n")
    client = session_client(BrokerSettings(username="u", password_file=tmp_path / "secret"), on_publishes=print)
    assert (client.username, client.password) == ("u", "hush")


def test_session_properties_ask_for_expiry_and_window_with_mqtt_5():
    assert session_properties(BROKER) is None
    properties = session_properties(BrokerSettings(protocol="5", session_expiry_s=600, receive_maximum=1234))
    assert (properties.SessionExpiryInterval, properties.ReceiveMaximum) == (600, 1234)
