"""Planned against actual: what was made corrects rate, scrap and energy, until it is switched back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.coefficients import corrected_value, measure_line
from linewright.coefficients import NOTE, corrected_capabilities, corrections, switch
from linewright.settings.site import Site
from linewright.settings.template import write_template
from linewright.wiring import open_records, open_site
from plant.assets import MachineClass, Signal, SignalKind, SignalRole
from plant.quantities import Quantity
from plant.signals import Window
from store.records import Records

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
STEP = timedelta(minutes=10)


def counter(name: str, role: SignalRole) -> Signal:
    return Signal(name=name, quantity=Quantity.DIMENSIONLESS, kind=SignalKind.COUNTER, role=role)


PRESS = MachineClass(
    name="press",
    signals=(
        Signal(name="state", quantity=Quantity.DIMENSIONLESS, kind=SignalKind.STATE, role=SignalRole.STATE),
        Signal(name="product", quantity=Quantity.DIMENSIONLESS, kind=SignalKind.STATE, role=SignalRole.PRODUCT),
        counter("good", SignalRole.GOOD_PARTS),
        counter("scrap", SignalRole.SCRAP_PARTS),
        counter("energy_kwh", SignalRole.ENERGY),
    ),
)


def window(states: list[str], products: list[str], good: list[float], scrap: list[float]) -> Window:
    rows = len(states)
    return Window(
        machine="p-1",
        start=NOW,
        end=NOW + rows * STEP,
        step=STEP,
        as_of=None,
        observed_at=np.array([round((NOW + n * STEP).timestamp() * 1e6) for n in range(rows)], dtype=np.int64),
        values={
            "good": np.cumsum(good),
            "scrap": np.cumsum(scrap),
            "energy_kwh": np.cumsum(np.full(rows, 5.0)),
        },
        states={"state": np.array(states, dtype=object), "product": np.array(products, dtype=object)},
        quality=np.zeros(rows, dtype=np.uint8),
    )


def test_only_steps_of_steady_work_on_one_product_count() -> None:
    states = ["Execute", "Execute", "Execute", "Held", "Execute", "Execute", "Execute", "Execute"]
    products = ["nut", "nut", "nut", "nut", "nut", "nut", "bolt", "bolt"]
    made = [0.0, 9.0, 9.0, 2.0, 3.0, 9.0, 4.0, 18.0]
    scrap = [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 2.0]
    found = measure_line(
        [window(states, products, made, scrap)], line="L1", classes=[PRESS], rates={"nut": 60.0, "bolt": 120.0}
    )
    assert [(each.product, each.hours, each.gross, each.scrap, each.energy_kwh) for each in found] == [
        ("bolt", pytest.approx(1 / 6), 20.0, 2.0, 5.0),
        ("nut", pytest.approx(0.5), 30.0, 3.0, 15.0),
    ]


@given(
    before=st.floats(0.1, 1000),
    observed=st.floats(0.1, 1000),
    weight=st.floats(0.1, 500),
)
def test_correction_lies_between_plan_and_observation_and_nears_it_with_evidence(
    before: float, observed: float, weight: float
) -> None:
    some = corrected_value(before, observed=observed, weight=weight, prior=8.0)
    more = corrected_value(before, observed=observed, weight=2 * weight, prior=8.0)
    assert min(before, observed) - 1e-9 <= some <= max(before, observed) + 1e-9
    assert abs(more - observed) <= abs(some - observed) + 1e-9


@pytest.fixture
def site(tmp_path: Path) -> Site:
    write_template(tmp_path)
    return open_site(tmp_path, environ={})


@pytest.fixture
def records(site: Site) -> Iterator[Records]:
    opened = open_records(site)
    first = site.capabilities[0]
    entry = {
        "line": first.line,
        "product": first.product,
        "what": "rate",
        "before": first.rate_per_h,
        "observed": 0.8 * first.rate_per_h,
        "after": 0.9 * first.rate_per_h,
        "hours": 8.0,
        "units": 100.0,
    }
    far = {**entry, "what": "energy", "before": first.energy_kwh_per_unit, "refused": "off by more than a factor of 2"}
    opened.note(NOTE, {"at": NOW.isoformat(), "corrections": [entry, far], "off": {}})
    yield opened
    opened.close()


def test_planning_uses_a_correction_until_it_is_switched_back(site: Site, records: Records) -> None:
    first = site.capabilities[0]
    used = corrected_capabilities(site, records)[0]
    assert used.rate_per_h == pytest.approx(0.9 * first.rate_per_h)
    assert used.energy_kwh_per_unit == first.energy_kwh_per_unit
    switch(records, name=f"{first.line}/{first.product}", back=True, by="Eva", at=NOW)
    assert corrected_capabilities(site, records)[0] == first
    assert corrections(records)[0].sentence.endswith("switched back by Eva")
    switch(records, name="all", back=False, by="Eva", at=NOW)
    assert corrected_capabilities(site, records)[0] == used
    assert [line.what for line in records.audit_trail()][:2] == [
        "coefficients switched on",
        "coefficients switched back",
    ]


def test_unknown_correction_is_named(records: Records) -> None:
    with pytest.raises(KeyError, match="No correction is called L9"):
        switch(records, name="L9", back=True, by="Eva", at=NOW)


def test_changed_configuration_speaks_for_itself(site: Site, records: Records) -> None:
    noted = records.noted(NOTE)
    assert noted is not None
    noted["corrections"][0]["before"] += 1.0
    records.note(NOTE, noted)
    assert corrected_capabilities(site, records) == site.capabilities
