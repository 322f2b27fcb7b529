"""What the sections on production, demand and calendar say to the planner beyond rates, prices and dates."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from linewright.settings.production import OrderPart, ProductPart


def test_order_with_a_deadline_and_a_product_never_late_reach_the_planner() -> None:
    order = OrderPart.model_validate(
        {"number": "O", "product": "gear", "quantity": 5, "due_at": "2026-03-04T10:00", "deadline_at": "2026-03-03"}
    ).word(timezone="Europe/Vienna", now=datetime(2026, 3, 1, tzinfo=UTC))
    assert order.deadline_at == datetime(2026, 3, 3, 23, tzinfo=UTC)
    assert order.due_at == order.deadline_at, "what is due after its deadline is due then"
    product = ProductPart.model_validate(
        {"name": "gear", "price": 1.0, "backlog_cost_per_unit_h": "never", "hard_min_stock": 3.0}
    ).word()
    assert product.backlog_cost_per_unit_h is None
    assert product.hard_min_stock == 3.0
    with pytest.raises(ValidationError, match="must not be below hard_min_stock"):
        ProductPart.model_validate({"name": "gear", "price": 1.0, "hard_min_stock": 3.0, "hard_max_stock": 2.0})
