"""Orders from outside: files (CSV or JSON) and messages, all or nothing, with every fault named."""

import csv
import io
import json
import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from linewright.settings.faults import describe
from linewright.settings.production import OrderPart
from linewright.settings.site import Site
from linewright.settings.toml import key_path
from linewright.settings.warnings import late_warning
from linewright.settings.words import closest, shown
from plant.errors import DataError, Fault
from plant.production import Order
from store.records import Records

log = logging.getLogger(__name__)

KEYS: Final = tuple(OrderPart.model_fields)
ORDERS_CHANGED: Final = "orders changed"
"""What the work role is asked to look at when the order book changed from outside."""
SHOWN_FAULTS: Final = 5
"""In the one sentence of a refused message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderImport:
    """What a file or message holds: orders, or the reasons why none of them is taken."""

    orders: tuple[Order, ...]
    """Empty where there is any fault."""
    faults: tuple[Fault, ...]
    warnings: tuple[str, ...]


def parse_orders(content: bytes, *, name: str, products: Collection[str], timezone: str, now: datetime) -> OrderImport:
    """Read orders from CSV or JSON.

    CSV has a header with `number, product, quantity, due_at` and, if wanted, `priority` and `deadline_at`; commas,
    semicolons or tabs part the cells. JSON is an array of objects with these keys, an object with `orders`, or a single
    order. Times without an offset are plant-local; a date means its end. Other columns and keys are passed over, with a
    warning.

    Args:
        content: The file or payload, UTF-8.
        name: What to call it in messages.
        products: Names of the plant's products.
        timezone: The plant's time zone.
        now: Plant time, for past due dates.

    >>> from datetime import UTC
    >>> read = parse_orders(
    ...     b"number,product,quantity,due_at\\nO-1,gear,40,2026-03-02T14:00",
    ...     name="orders.csv", products=["gear"], timezone="Europe/Vienna", now=datetime(2026, 3, 2, tzinfo=UTC),
    ... )
    >>> read.orders[0].quantity, read.orders[0].due_at.isoformat()
    (40.0, '2026-03-02T13:00:00+00:00')
    """
    faults: list[Fault] = []
    orders: dict[str, Order] = {}
    places: dict[str, str] = {}
    strangers: dict[str, None] = {}
    for place, row, problem in _rows(content, name=name):
        if problem is not None:
            faults.append(problem)
            continue
        strangers |= dict.fromkeys(str(key) for key in row if key not in KEYS)
        try:
            part = OrderPart.model_validate({key: value for key, value in row.items() if key in KEYS})
        except ValidationError as error:
            for detail in error.errors():
                path, found, expected = describe(detail, model=OrderPart)
                where = f"{place}, {key_path(path)}" if path else place
                faults.append(Fault(where=where, found=found, expected=expected))
            continue
        if part.product not in products:
            expected = f"the plant makes no such product{closest(part.product, products) or _known(products)}"
            faults.append(Fault(where=f"{place}, product", found=shown(part.product), expected=expected))
        if part.number in orders:
            expected = f"is already at {places[part.number]}; an order comes once"
            faults.append(Fault(where=f"{place}, number", found=shown(part.number), expected=expected))
        orders[part.number] = part.word(timezone=timezone, now=now)
        places.setdefault(part.number, place)
    warnings = [f"{name}: {key!r} is not used{closest(key, KEYS)}" for key in strangers]
    warnings += [late_warning(order, now=now) for order in orders.values() if order.due_at < now]
    if not orders and not faults:
        faults.append(Fault(where=name, found="no orders", expected="give at least one"))
    return OrderImport(orders=() if faults else tuple(orders.values()), faults=tuple(faults), warnings=tuple(warnings))


def import_orders(file: Path, *, site: Site, records: Records) -> str:
    """Put the orders of a file into the records; a sentence for the terminal.

    Raises:
        ConfigError: With every fault of the file; then nothing was taken.
        Unavailable: The records cannot be written now.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        found = error.strerror or str(error)
        raise DataError((Fault(where=str(file), found=found, expected="name a readable file"),)) from None
    read = _parse(content, name=file.name, site=site)
    if read.faults:
        raise DataError(read.faults)
    changed = _put(records, read.orders, source=file.name, at=site.clock.now())
    count = len(read.orders)
    lines = [f"{count} order{'s' if count != 1 else ''} read from {file.name}, {changed} of them new or changed."]
    return "\n".join([*lines, *(f"Note: {warning}" for warning in read.warnings)])


def take_orders(payload: bytes, *, site: Site, records: Records, source: str = "mqtt") -> str | None:
    """Put the orders of a message into the records; None, or a sentence why none was taken.

    Raises:
        Unavailable: The records cannot be written now.
    """
    read = _parse(payload, name="orders message", site=site)
    if read.faults:
        more = len(read.faults) - SHOWN_FAULTS
        return "; ".join(str(fault) for fault in read.faults[:SHOWN_FAULTS]) + (
            f"; and {more} more" if more > 0 else ""
        )
    changed = _put(records, read.orders, source=source, at=site.clock.now())
    log.info("orders_taken", extra={"orders": len(read.orders), "changed": changed, "warnings": list(read.warnings)})
    return None


def _put(records: Records, orders: Sequence[Order], *, source: str, at: datetime) -> int:
    """Keep them and tell the work role; how many are new or changed."""
    if changed := records.put_orders(orders, source=source, at=at):
        detail = f"{changed} order{'s' if changed != 1 else ''} from {source} new or changed"
        records.request(ORDERS_CHANGED, at=at, detail=detail)
    return changed


def _parse(content: bytes, *, name: str, site: Site) -> OrderImport:
    return parse_orders(
        content,
        name=name,
        products=[product.name for product in site.products],
        timezone=site.plant.timezone,
        now=site.clock.now(),
    )


def _rows(content: bytes, *, name: str) -> Iterator[tuple[str, dict[str, Any], Fault | None]]:
    """Place and values of each order, or a fault of the whole or of a row."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte 0x{content[error.start]:02x} at {error.start}"
        yield name, {}, Fault(where=name, found=found, expected="must be text in UTF-8; save it as such")
        return
    if text.lstrip()[:1] in ("{", "["):
        yield from _json_rows(text, name=name)
    else:
        yield from _csv_rows(text, name=name)


def _json_rows(text: str, *, name: str) -> Iterator[tuple[str, dict[str, Any], Fault | None]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        found = f"no JSON ({error})"
        yield name, {}, Fault(where=name, found=found, expected="correct it; nothing could be read")
        return
    prefix = ""
    if isinstance(document, dict):
        prefix, document = ("orders", document["orders"]) if "orders" in document else ("", [document])
    if not isinstance(document, list):
        yield name, {}, Fault(where=f"{name}: orders", found=shown(document), expected="must be an array of orders")
        return
    for index, row in enumerate(document):
        place = f"{name}: {prefix}[{index}]"
        if isinstance(row, dict):
            yield place, row, None
        else:
            expected = f"must be an object with {', '.join(KEYS[:4])}"
            yield place, {}, Fault(where=place, found=shown(row), expected=expected)


def _csv_rows(text: str, *, name: str) -> Iterator[tuple[str, dict[str, Any], Fault | None]]:
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] = []
    try:
        for cells in reader:
            place = f"{name}: line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = [cell.strip().lower() for cell in cells]
                missing = [key for key in ("number", "product", "quantity") if key not in columns]
                missing += [] if {"due_at", "due_in_h"} & set(columns) else ["due_at"]
                if missing:
                    expected = f"the header lacks {', '.join(missing)}; it must name {', '.join(KEYS[:4])}"
                    yield place, {}, Fault(where=place, found=shown(", ".join(columns)), expected=expected)
                    return
                continue
            if len(cells) > len(columns):
                expected = f"the header has {len(columns)}; put text with {delimiter!r} in quotes"
                yield place, {}, Fault(where=place, found=f"{len(cells)} cells", expected=expected)
                continue
            named = zip(columns, cells, strict=False)
            yield place, {key: cell.strip() for key, cell in named if cell.strip()}, None
    except csv.Error as error:
        place = f"{name}: line {reader.line_num}"
        yield place, {}, Fault(where=place, found=f"no CSV ({error})", expected="correct it; the rest was not read")


def _known(products: Collection[str]) -> str:
    return f"; it makes {', '.join(list(products)[:12])}" if products else "; it has no products"
