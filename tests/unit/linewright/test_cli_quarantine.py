"""The quarantine's commands over a real store, as a person at a terminal sees them."""

import json
import threading
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest.batching import Batcher
from ingest.spool import Spool, Task
from linewright.cli.app import app
from linewright.settings.template import write_template
from linewright.wiring import open_site
from plant.signals import RejectionReason
from store.embedded.writer import open_writer

TELEMETRY = "acme/linz/hall1/L1/L1-press/telemetry"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose store holds two messages in quarantine."""
    folder = tmp_path_factory.mktemp("site")
    write_template(folder)
    site = open_site(folder, environ={})
    with closing(open_writer(site.data, plant=site.plant, clock=site.clock)) as writer:
        filters = ("f",)
        batcher = Batcher(run=writer.begin_run(filters), plant=site.plant, filters=filters, clock_skew_limit_us=1)
        for topic, payload, reason in (
            (TELEMETRY, b'{"timestamp_ms": 1790000000000, "vib": 1.5}', RejectionReason.NO_FIELD),
            ("plc/\x1b[2J", b"\xff\x00", RejectionReason.UNKNOWN_TOPIC),
        ):
            message = batcher.open_message(0, payload_bytes=1)
            batcher.reject(
                message,
                topic=topic,
                payload=payload,
                received_at_us=1_790_000_000_000_000,
                reason=reason,
                detail="Why.",
            )
        writer.write(batcher.take([2]))
    return folder


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and error output of a command."""
    result = CliRunner().invoke(app, [*arguments, "--site", str(folder)])
    return result.exit_code, result.stdout, result.stderr


def test_list_shows_number_time_topic_and_reason_newest_first(folder: Path) -> None:
    code, out, _ = run(folder, "quarantine", "list")
    assert code == 0
    first, second = out.splitlines()
    assert first.split()[:3] == ["2", "2026-09-21", "14:13:20Z"]
    assert "\x1b" not in first
    assert second.endswith(f"{TELEMETRY}  no_field: Why.")


def test_list_chooses_by_topic_and_reason_and_speaks_json(folder: Path) -> None:
    _, out, _ = run(folder, "quarantine", "list", "--topic", "acme/+/#", "--json")
    assert [json.loads(line)["number"] for line in out.splitlines()] == [1]
    _, out, _ = run(folder, "quarantine", "list", "--reason", "unknown_topic", "--json")
    assert json.loads(out)["payload_hex"] == "ff00"


def test_show_says_so_where_there_is_no_such_message(folder: Path) -> None:
    code, out, _ = run(folder, "quarantine", "show", "1")
    assert code == 0
    assert '"vib": 1.5' in out
    assert run(folder, "quarantine", "show", "9")[0] == 1


def test_replay_is_kept_for_the_next_start_where_ingest_does_not_run(folder: Path) -> None:
    code, _, err = run(folder, "quarantine", "replay", "--reason", "no_field")
    assert code == 1
    assert "Ingest does not run here now. The request is kept: 1 to replay" in err
    spool = Spool(folder / ".linewright" / "spool")
    (name,) = spool.waiting()
    request = spool.request(name)
    assert request is not None
    assert (request.task, request.numbers) == (Task.REPLAY, (1,))


def test_replay_and_drop_want_something_chosen(folder: Path) -> None:
    for task in ("replay", "drop"):
        code, _, err = run(folder, "quarantine", task)
        assert code == 2
        assert f"Nothing was chosen to {task}" in err
    assert "No message in quarantine fits" in run(folder, "quarantine", "drop", "--reason", "too_large")[1]


def test_discover_proposes_from_the_quarantine_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linewright.lifecycle.stop_on_signals", threading.Event)  # leave pytest its Ctrl-C
    code, out, err = run(folder, "discover", "--seconds", "0")
    assert code == 0
    assert '# It could have: fields = { vibration_mm_s = "vib" }' in out
    assert "2 messages from quarantine were looked at" in err
