"""When plans are made of themselves: cron expressions as cron means them, and only the events a site names."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from pydantic import ValidationError

from linewright.jobs import Work, tell_event
from linewright.judging import Judge
from linewright.orders import ORDERS_CHANGED, import_orders
from linewright.settings.replanning import ReplanEvent, ReplanningPart, next_due
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.wiring import open_records, open_site

SUNDAY = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
VIENNA = "Europe/Vienna"


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("0 * * * *", "2026-11-22T14:00:00+01:00"),
        ("30 6,14,22 * * *", "2026-11-22T14:30:00+01:00"),
        ("0 6 * * 1", "2026-11-23T06:00:00+01:00"),
        ("0 6 * * 0", "2026-11-29T06:00:00+01:00"),
        ("0 6 * * 7", "2026-11-29T06:00:00+01:00"),
        ("0 6 * * 2-5", "2026-11-24T06:00:00+01:00"),
        ("*/20 * * * *", "2026-11-22T13:20:00+01:00"),
    ],
)
def test_next_due_counts_weekdays_as_cron_does(expression: str, due: str) -> None:
    found = next_due((expression,), after=SUNDAY, zone=VIENNA)
    assert found is not None
    assert found.isoformat() == due


def test_next_due_is_the_first_of_several_and_none_of_no_expression() -> None:
    first = next_due(("0 6 * * *", "15 13 * * *"), after=SUNDAY, zone=VIENNA)
    assert first is not None
    assert first.isoformat() == "2026-11-22T13:15:00+01:00"
    assert next_due((), after=SUNDAY, zone=VIENNA) is None
    assert next_due(("0 0 31 2 *",), after=SUNDAY, zone=VIENNA) is None


def test_next_due_skips_the_hour_that_summer_time_leaves_out() -> None:
    before = datetime(2027, 3, 28, 0, 30, tzinfo=UTC)  # 01:30 local; 02:00 does not exist
    found = next_due(("0 * * * *",), after=before, zone=VIENNA)
    assert found is not None
    assert found.astimezone(UTC) == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize("expression", ["", "hourly", "0 *", "61 * * * *", "0 6 * * 8", "0 6 * * ²", "a b c d e"])
def test_a_wrong_cron_expression_is_refused_with_an_example(expression: str) -> None:
    with pytest.raises(ValidationError, match=r"(is no cron expression|no cron expression has)"):
        ReplanningPart(cron=(expression,))


def test_only_the_events_that_the_site_names_ask_for_a_plan(tmp_path: Path) -> None:
    site = _site(tmp_path, events=(ReplanEvent.BREAKDOWN, ReplanEvent.ORDERS_CHANGED))
    work = _work(site)
    tell_event(work, ReplanEvent.ALERT_OPENED, reason="alert A-1")
    assert not work.plan_wanted.is_set()
    tell_event(work, ReplanEvent.ORDERS_CHANGED, reason="2 orders")
    assert not work.plan_wanted.is_set()
    assert work.plan_later == "2 orders"
    tell_event(work, ReplanEvent.BREAKDOWN, reason="breakdown of L1-press")
    assert work.plan_wanted.is_set()
    assert work.plan_reason == "breakdown of L1-press"


def test_an_import_asks_for_a_plan_only_where_it_changed_the_order_book(tmp_path: Path) -> None:
    site = _site(tmp_path)
    records = open_records(site)
    file = tmp_path / "orders.csv"
    file.write_text(f"number,product,quantity,due_at\nN-1,{site.products[0].name},40,2099-03-02T14:00\n")
    import_orders(file, site=site, records=records)
    assert [(each.job, each.detail) for each in records.take_requests()] == [
        (ORDERS_CHANGED, "1 order from orders.csv new or changed")
    ]
    import_orders(file, site=site, records=records)
    assert records.take_requests() == ()
    records.close()


def _site(folder: Path, **replanning: object) -> Site:
    write_template(folder)
    site = open_site(folder, environ={})
    site.data.mkdir(parents=True, exist_ok=True)
    return replace(site, replanning=ReplanningPart.model_validate(replanning))


def _work(site: Site) -> Work:
    absent = cast("Judge", None)  # nothing that is asked here looks at machines
    return Work(site=site, store=absent, records=absent, judge=absent, postman=absent)  # type: ignore[arg-type]  # none of them is asked
