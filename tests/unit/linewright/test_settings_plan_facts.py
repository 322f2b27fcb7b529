"""What the sections on production, demand and calendar say to the planner beyond rates, prices and dates."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from linewright.pipeline import propose
from linewright.production import stock_changes
from linewright.settings.loading import load
from linewright.settings.production import CalendarPart, OrderPart, ProductPart
from linewright.settings.references import reference_faults
from optimizer.facts import PlanningFacts
from plant.production import Capability


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


def test_good_parts_take_their_components_out_of_stock_and_leave_scrap_to_rework() -> None:
    parts = (
        {"name": "blank", "price": 1.0},
        {"name": "bolt", "price": 5.0, "components": [{"product": "blank", "quantity": 2.0}], "lead_time_h": 1},
        {"name": "bolt-again", "price": 0.0, "reworks": "bolt"},
    )
    products = tuple(ProductPart.model_validate(part).word() for part in parts)
    capabilities = tuple(
        Capability(
            line="L1", product=name, rate_per_h=10.0, scrap_ratio=0.2, energy_kwh_per_unit=0.0, setup_h=0.0,
            setup_cost=0.0,
        )
        for name in ("bolt", "bolt-again")
    )  # fmt: skip
    made = {"L1": {"bolt": 80.0, "bolt-again": 8.0}}
    changes = stock_changes(made, products=products, capabilities=capabilities)
    assert changes == pytest.approx({"bolt": 88.0, "bolt-again": 20.0 - 10.0, "blank": -200.0})


def test_unknown_names_of_components_and_rework_are_found_by_their_place() -> None:
    products = [{"name": "bolt", "components": [{"product": "blnk", "quantity": 1}], "reworks": "nut"}]
    found = [path for path, _, _ in reference_faults({"production": {"products": products}})]
    assert found == [
        ("production", "products", 0, "components", 0, "product"),
        ("production", "products", 0, "reworks"),
    ]


def test_overtime_reaches_the_calendar_and_its_line_must_be_there() -> None:
    part = {"shifts": [{"name": "day", "start_hour": 6, "hours": 8}]}
    overtime = {"line": "L9", "cost_per_h": 85.0, "most_h_per_day": 4.0}
    calendar = CalendarPart.model_validate({**part, "overtime": [overtime]}).word(timezone="UTC")
    assert [(each.line, each.most_h_per_day) for each in calendar.overtime] == [("L9", 4.0)]
    values = {"calendar": {"overtime": [overtime, overtime]}, "plant": {"lines": [{"name": "L1"}]}}
    found = {path for path, _, _ in reference_faults(values) if path[0] == "calendar"}
    assert found == {("calendar", "overtime", n, "line") for n in (0, 1)}


SITE = """
[plant]
enterprise = "acme"
site = "linz"
timezone = "Europe/Vienna"
signals = [{ name = "temperature_c", quantity = "temperature" }]
classes = [{ name = "press" }]
lines = [{ name = "L1", area = "hall1", machines = [{ name = "P1", class = "press" }] }]

[production]
capabilities = [
  { line = "L1", product = "blank", rate_per_h = 60.0, family_setup_h = 0.25, family_setup_cost = 10.0 },
  { line = "L1", product = "bolt", rate_per_h = 40.0, scrap_ratio = 0.1, family_setup_h = 0.25 },
  { line = "L1", product = "bolt-again", rate_per_h = 40.0, scrap_ratio = 0.2 },
]

[[production.products]]
name = "blank"
price = 1.0
hard_min_stock = 5.0
lead_time_h = 1
family = "soft"

[[production.products]]
name = "bolt"
price = 5.0
backlog_cost_per_unit_h = "never"
family = "tough"
scrap_value = 0.1
components = [{ product = "blank", quantity = 1.0 }]

[[production.products]]
name = "bolt-again"
price = 0.0
reworks = "bolt"

[demand]
stock = { blank = 40, bolt-again = 3 }

[[demand.orders]]
number = "O1"
product = "bolt"
quantity = 60
due_at = 2026-03-02T18:00:00
deadline_at = 2026-03-02T20:00:00

[calendar]
shifts = [{ name = "day", start_hour = 6, hours = 10 }]
overtime = [{ line = "L1", cost_per_h = 50.0, most_h_per_day = 2.0 }]

[planning]
horizon_h = 12
"""


def test_configured_rules_reach_a_checked_plan(tmp_path: Path) -> None:
    file = tmp_path / "linewright.toml"
    file.write_text(SITE, encoding="utf-8")
    site = load(file, {}, now=datetime(2026, 3, 2, 4, 20, tzinfo=UTC))
    facts = PlanningFacts(
        plant=site.plant,
        products=site.products,
        capabilities=site.capabilities,
        orders=site.orders,
        stock=site.stock,
        calendar=site.calendar,
        tariff=site.tariff,
        policy=site.planning,
        risks=(),
        start=datetime(2026, 3, 2, 5, tzinfo=UTC),
    )
    plan = propose(facts, number="P", created_at=facts.start, reason="test")
    assert plan.certificate is not None, plan.headline
    assert plan.certificate.checked, plan.headline
    assert {"never_late", "hard_stock", "components", "overtime"} <= {check.rule for check in plan.certificate.checks}
    assert sum(run.good_units for run in plan.runs if run.product != "blank") >= 60


CHANGING = """
[[production.changeovers]]
line = "L1"
before = "soft"
after = "tough"
hours = 0.5
cost = 20.0

[[production.set_up_for]]
line = "L1"
family = "tough"
"""


def test_configured_changeovers_reach_the_site_and_name_what_there_is(tmp_path: Path) -> None:
    file = tmp_path / "linewright.toml"
    file.write_text(SITE + CHANGING, encoding="utf-8")
    site = load(file, {}, now=datetime(2026, 3, 2, 4, 20, tzinfo=UTC))
    assert [(each.before, each.after, each.hours, each.cost) for each in site.changeovers] == [
        ("soft", "tough", 0.5, 20.0)
    ]
    assert [(each.line, each.family) for each in site.set_up_for] == [("L1", "tough")]
    values = {
        "plant": {"lines": [{"name": "L1"}]},
        "production": {
            "products": [{"name": "bolt", "family": "tough"}],
            "changeovers": [{"line": "L2", "before": "tough", "after": "rough"}],
            "set_up_for": [{"line": "L1", "family": "ruff"}],
        },
    }
    assert {path[1:] for path, _, _ in reference_faults(values)} == {
        ("changeovers", 0, "line"),
        ("changeovers", 0, "after"),
        ("set_up_for", 0, "family"),
    }
