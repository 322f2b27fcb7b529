"""The ledger as people and programs meet it: even or not, at the terminal, for Prometheus, and told once."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from typer.testing import CliRunner

from ingest.batching import Batcher
from ingest.figures import Figures
from linewright.account import account_of, as_text
from linewright.api.metrics import metrics_text
from linewright.cli.app import app
from linewright.console.views.ledger_view import ledger_view
from linewright.links import role_detail
from linewright.settings.template import write_template
from linewright.watching import watch_ledger
from linewright.wiring import open_records, open_site, open_store
from plant.signals import LedgerLine
from store.embedded.writer import open_writer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVEN = LedgerLine(
    filter='acme/"linz"/+/telemetry',
    received=12_345,
    stored=12_000,
    duplicate=300,
    quarantined=40,
    in_flight=5,
    samples_received=36_060,
    samples_stored=35_000,
    samples_duplicate=1_000,
    samples_quarantined=60,
)
LOST = replace(EVEN, filter="acme/other", received=12_347)


@pytest.fixture
def site(tmp_path):
    write_template(tmp_path)
    return open_site(tmp_path, environ={})


def keep(site, *, received: int) -> None:
    """Store one message, and say that so many were received."""
    filters = ("a/#", "(no filter)")
    with closing(open_writer(site.data, plant=site.plant, clock=site.clock)) as writer:
        batcher = Batcher(run=writer.begin_run(filters), plant=site.plant, filters=filters, clock_skew_limit_us=10**9)
        batcher.open_message(0, payload_bytes=0)
        writer.write(batcher.take([received, 0]))


def test_an_account_is_told_in_one_sum_and_what_is_missing_stands_out():
    document = account_of([EVEN, LOST])
    assert (document.balanced, document.total.messages.missing, document.total.samples.missing) == (False, 2, 0)
    text = as_text(document)
    assert "12345 received = 12000 stored + 300 duplicate + 40 quarantined + 5 in flight\n" in text
    assert "+ 5 in flight + 2 MISSING" in text
    assert "does not balance for acme/other: 2 messages were received and neither" in text
    assert account_of([EVEN]).balanced
    assert account_of([replace(EVEN, samples_received=1)]).problems[0].endswith("and report it.")


def test_the_command_gives_its_exit_code_to_the_balance(site):
    run = CliRunner()
    keep(site, received=1)
    told = run.invoke(app, ["ledger", "--json", "--site", str(site.folder)])
    assert told.exit_code == 0
    assert json.loads(told.output)["total"]["messages"]["stored"] == 1
    keep(site, received=3)
    told = run.invoke(app, ["ledger", "--site", str(site.folder)])
    assert told.exit_code == 1
    assert "2 messages were received and neither stored" in told.output
    told = run.invoke(app, ["status", "--site", str(site.folder)])
    assert "The ledger does not balance for a/#: 2 messages" in told.output


def test_an_imbalance_is_told_once_and_its_end_once(site):
    records = open_records(site)

    def look() -> tuple[str, ...]:
        with closing(open_store(site)) as store:
            return watch_ledger(site, store=store, records=records, now=NOW)

    keep(site, received=1)
    assert look() == ()
    assert records.due("notice") == ()
    keep(site, received=2)
    assert len(look()) == len(look()) == 1
    (item,) = records.due("notice")
    told = json.loads(item.payload)
    assert (told["state"], told["kind"]) == ("active", "ledger")
    assert "1 message was received" in told["problems"][0]
    keep(site, received=0)
    assert look() == ()
    assert [json.loads(item.payload)["state"] for item in records.due("notice")] == ["active", "returned"]
    records.close()


def test_metrics_are_in_the_format_of_prometheus():
    figures = Figures()
    for waited_s in (0.004, 0.03, 90.0):
        figures.kept(messages=2, waited_s=waited_s, commit_s=0.001)
    state = {"connected": True, "store_available": True, "received": 6, "in_flight": 1, "committed_at_us": None}
    state |= {"broker": "h:1883", "batches": 3, "durable": figures.durable}
    text = metrics_text(account_of([EVEN]), {"ingest": role_detail({"main": state}), "work": None})
    lines = text.splitlines()
    assert 'linewright_ledger_messages{filter="acme/\\"linz\\"/+/telemetry",outcome="received"} 12345' in lines
    assert "linewright_ledger_balanced 1" in lines
    assert 'linewright_role_up{role="work"} 0' in lines
    assert 'linewright_ingest_link_up{link="main",broker="h:1883"} 1' in lines
    assert 'linewright_ingest_backlog{link="main",broker="h:1883"} 1' in lines
    head = 'linewright_ingest_durable_seconds_bucket{link="main",broker="h:1883",le='
    assert [line.split()[-1] for line in lines if line.startswith(head)] == ["1", "1", *["2"] * 10, "3"]
    assert lines.index("# TYPE linewright_ingest_durable_seconds histogram") > 0
    assert metrics_text(None, {"ingest": None}).splitlines()[-1] == 'linewright_role_up{role="ingest"} 0'
    assert all(np.isfinite(float(line.rpartition(" ")[2])) for line in lines if not line.startswith("#"))


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({"connected": True}, "Connected"),
        ({"connected": False, "broker_trouble": "Cannot reach it."}, "Away"),
        ({"connected": True, "store_available": False}, "Store away"),
        ({"connected": True, "refused_filters": ["a/#"]}, "Refused"),
    ],
)
def test_the_page_tells_how_each_link_is(state, word):
    view = ledger_view(account_of([EVEN]), [{"link": "main", "broker": "h:1883", **state}])
    assert view.links[0].state.word == word
    assert view.verdict.word == "Balances"
    assert ledger_view(account_of([EVEN, LOST]), []).verdict.word == "Does not balance"
