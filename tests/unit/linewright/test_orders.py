"""Orders come in whole or not at all, and every fault is named."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linewright.orders import OrderImport, import_orders, parse_orders, take_orders
from linewright.settings.loading import load
from linewright.settings.site import Site
from linewright.settings.template import write_template
from plant.errors import ConfigError
from store.records import Records

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
PRODUCTS = ("bracket", "gear", "valve")
HEADER = "number,product,quantity,due_at,priority\n"


def read(content: str | bytes) -> OrderImport:
    content = content.encode() if isinstance(content, str) else content
    return parse_orders(content, name="orders", products=PRODUCTS, timezone="Europe/Vienna", now=NOW)


def faults(content: str | bytes) -> list[str]:
    found = read(content)
    assert found.orders == ()
    assert found.faults
    return [str(fault) for fault in found.faults]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_parse_orders_reads_csv_as_spreadsheets_write_it(delimiter: str) -> None:
    text = "\ufeff" + HEADER + 'O-1,gear,"40",2026-03-04T14:00,2\r\n\r\nO-2,valve,1.5,2026-03-05T00:00:00+00:00,\n'
    orders = read(text.replace(",", delimiter)).orders
    assert [(o.number, o.product, o.quantity, o.priority) for o in orders] == [
        ("O-1", "gear", 40.0, 2),
        ("O-2", "valve", 1.5, 1),
    ]
    assert orders[0].due_at == datetime(2026, 3, 4, 13, tzinfo=UTC)
    assert orders[1].due_at == datetime(2026, 3, 5, tzinfo=UTC)


ONE = {"number": "O-1", "product": "gear", "quantity": 40, "due_at": "2026-03-04"}


@pytest.mark.parametrize("document", [ONE, [ONE], {"orders": [ONE]}])
def test_parse_orders_reads_json_in_three_shapes(document: object) -> None:
    (order,) = read(json.dumps(document)).orders
    assert order.due_at == datetime(2026, 3, 4, 23, tzinfo=UTC)  # the end of that day in Vienna


def test_parse_orders_names_every_fault_and_takes_nothing() -> None:
    text = HEADER + (
        "O-1,gear,40,2026-03-04T14:00,1\n"
        "O-1,gear,40,2026-03-04T14:00,1\n"
        "O-3,gaer,40,2026-03-04T14:00,1\n"
        "O-4,gear,-2,tomorrow,1\n"
        "O-5,gear,,2026-03-04T14:00,1\n"
        "O-6,gear,1,20260304,1\n"
        "O-7,gear,1,2026-03-04T14:00,1,1\n"
        "O 8,gear,nan,,9999\n"
    )
    found = faults(text)
    for part in (
        "orders: line 3, number: found 'O-1'; is already at orders: line 2",
        "orders: line 4, product: found 'gaer'; the plant makes no such product; did you mean 'gear'?",
        "orders: line 5, quantity: found '-2'; must be above 0",
        "orders: line 5, due_at: found 'tomorrow'; must be a time such as",
        "orders: line 6, quantity: found nothing; `quantity` is required",
        "orders: line 7, due_at: found '20260304'; must be a time such as",
        "orders: line 8: found 6 cells; the header has 5",
        "orders: line 9, number: found 'O 8'",
        "orders: line 9, quantity: found 'nan'; must be",
        "orders: line 9, priority: found '9999'; must be at most 1000",
    ):
        assert any(fault.startswith(part) for fault in found), (part, found)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "found no orders"),
        ("[]", "found no orders"),
        (HEADER, "found no orders"),
        ("number;product\nO-1;gear", "the header lacks quantity, due_at"),
        ("[1, 2]", "orders: [0]: found 1; must be an object"),
        ('{"orders": 3}', "must be an array of orders"),
        ("{", "found no JSON"),
        ('[{"number": NaN}]', "orders: [0], number"),
        ("[" * 100_000, "found no JSON"),
        (b"number,product\xff\n", "must be text in UTF-8"),
        (HEADER + 'O-1,"gear', "found no CSV"),
        (HEADER + "O-1,gear,1,,", "either due_at"),
        (json.dumps({**ONE, "due_at": 1772632800}), "must be a time such as"),
        (json.dumps({**ONE, "quantity": 1e400}), "quantity: found inf; must be"),
        (json.dumps({**ONE, "quantity": "many"}), "quantity: found 'many'; must be a number"),
    ],
)
def test_parse_orders_refuses_what_it_cannot_read(content: str | bytes, says: str) -> None:
    assert any(says in fault for fault in faults(content)), faults(content)


def test_parse_orders_warns_of_late_orders_and_unused_columns() -> None:
    found = read("number,product,quantity,due_at,customer,priorty\nO-1,gear,4,2026-03-01T07:00,ACME,2\n")
    assert found.orders[0].priority == 1
    assert found.warnings == (
        "orders: 'customer' is not used",
        "orders: 'priorty' is not used; did you mean 'priority'?",
        "Order O-1 was due 24 h ago (2026-03-01 06:00 UTC); it is planned as late. Correct its due date, or remove the "
        "order if it is done.",
    )


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: (HEADER + text).encode()))
def test_parse_orders_answers_anything_with_orders_or_faults(content: bytes) -> None:
    found = read(content)
    assert bool(found.orders) != bool(found.faults)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return load(write_template(tmp_path / "site"), {}, now=NOW)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = Records(f"sqlite:///{tmp_path / 'records.db'}")
    yield opened
    opened.close()


def test_take_orders_settles_the_same_message_twice_to_the_same_end(site: Site, records: Records) -> None:
    payload = json.dumps([{**ONE, "due_in_h": 30, "due_at": None}, {**ONE, "number": "O-2"}]).encode()
    assert take_orders(payload, site=site, records=records) is None
    once = records.orders()
    assert take_orders(payload, site=site, records=records) is None
    assert [order.number for order in records.orders()] == [order.number for order in once]
    assert len(once) == 2


def test_take_orders_says_why_it_took_nothing(site: Site, records: Records) -> None:
    payload = json.dumps([{**ONE, "number": f"O-{i}", "quantity": 0} for i in range(9)] + [ONE]).encode()
    reason = take_orders(payload, site=site, records=records)
    assert reason is not None
    assert reason.startswith("orders message: [0], quantity: found 0; must be above 0")
    assert reason.endswith("and 4 more")
    assert records.orders() == ()


def test_import_orders_tells_what_changed(site: Site, records: Records, tmp_path: Path) -> None:
    file = tmp_path / "week10.csv"
    file.write_text(HEADER + "O-1,gear,40,2036-03-04T14:00,2\nO-2,valve,5,2020-01-01,\n")
    text = import_orders(file, site=site, records=records)
    assert text.startswith("2 orders read from week10.csv, 2 of them new or changed.\nNote: Order O-2 was due")
    file.write_text(file.read_text().replace("40", "41"))
    assert "1 of them new or changed" in import_orders(file, site=site, records=records)
    file.write_text("nonsense")
    with pytest.raises(ConfigError, match="the header lacks"):
        import_orders(file, site=site, records=records)
    with pytest.raises(ConfigError, match="name a readable file"):
        import_orders(tmp_path / "none.csv", site=site, records=records)
    assert len(records.orders()) == 2


def test_orders_know_only_the_sites_products(site: Site, records: Records) -> None:
    bare = replace(site, products=())
    reason = take_orders(json.dumps(ONE).encode(), site=bare, records=records)
    assert reason is not None
    assert "it has no products" in reason
