"""The canonical plant keeps to its own words and gives the planner something to decide."""

from datetime import UTC, datetime, timedelta

from ingest.simulator.canonical import demo_facts

START = datetime(2026, 11, 22, 18, tzinfo=UTC)
FACTS = demo_facts(START)


def test_plant_has_three_lines_of_four_machines_with_unique_names() -> None:
    names = [machine.name for machine in FACTS.plant.machines]
    assert len(names) == len(set(names)) == 12
    assert [line.name for line in FACTS.plant.lines] == ["L1", "L2", "L3"]
    assert names[4] == "L2-press"
    assert FACTS.plant.machine_index["L2-press"].label == "Press 2"


def test_each_product_can_be_made_by_two_lines_and_each_line_makes_three_or_four() -> None:
    products = {product.name for product in FACTS.products}
    for line in FACTS.plant.lines:
        made = {capability.product for capability in FACTS.capabilities if capability.line == line.name}
        assert made <= products
        assert len(made) in (3, 4)
    for product in products:
        assert len({one.line for one in FACTS.capabilities if one.product == product}) >= 2


def test_orders_take_about_four_fifths_of_two_days() -> None:
    hours = 0.0
    within = [order for order in FACTS.orders if order.due_at <= START + timedelta(hours=48)]
    stock = {stock.product: stock.quantity for stock in FACTS.stock}
    for product in FACTS.products:
        makers = [one for one in FACTS.capabilities if one.product == product.name]
        rate = sum(one.rate_per_h * (1.0 - one.scrap_ratio) for one in makers) / len(makers)
        wanted = sum(order.quantity for order in within if order.product == product.name) - stock[product.name]
        hours += wanted / rate + 2 * makers[0].setup_h
    assert 0.70 <= hours / (3 * 48) <= 0.88
    assert all(order.product in stock for order in FACTS.orders)
    assert len({order.due_at for order in FACTS.orders}) > 10


def test_tariff_has_a_cheap_night_a_middle_and_a_peak() -> None:
    tariff = FACTS.tariff
    prices = sorted({band.price_per_kwh for band in tariff.bands} | {tariff.base_price_per_kwh})
    assert prices[-1] > 2.5 * prices[0]
    assert len(tariff.co2_kg_per_kwh) == 24


def test_every_class_states_two_modes_that_wear_and_sensible_maintenance() -> None:
    for machine_class in FACTS.plant.classes:
        assert len([mode for mode in machine_class.failure_modes if mode != "shock"]) >= 2
        assert machine_class.maintenance_h < machine_class.repair_h
        assert machine_class.maintenance_cost < machine_class.failure_cost
