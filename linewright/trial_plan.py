"""Whether plans can be made here: a tiny plant is planned for real, and this site's facts are tried for sense."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from linewright.settings.site import Site
from plant.assets import Line, Machine, MachineClass, Plant
from plant.errors import ConfigError, Fault
from plant.plans import SolveStatus
from plant.production import Calendar, Capability, Order, PlanningPolicy, Product, Shift, Tariff

START: Final = datetime(2026, 1, 5, 6, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """How the trial plan came out."""

    status: str
    proved: bool
    """Optimal, and every rule re-checked."""
    seconds: float
    solver: str
    """Name and version, as the plan's certificate states them."""


def solve_trial() -> Trial:
    """Plan one line with one machine and one order over two hours."""
    from optimizer.facts import PlanningFacts
    from optimizer.problem import build_problem
    from optimizer.solve import solve

    began = time.perf_counter()
    facts = PlanningFacts(
        plant=Plant(
            enterprise="trial",
            site="trial",
            timezone="UTC",
            currency="EUR",
            lines=(
                Line(
                    name="L1",
                    label="Line 1",
                    area="trial",
                    machines=(Machine(name="M1", label="Machine 1", line="L1", machine_class="machine"),),
                ),
            ),
            classes=(MachineClass(name="machine", signals=(), maintenance_h=1.0),),
        ),
        products=(
            Product(
                name="part",
                label="Part",
                price=1.0,
                holding_cost_per_unit_h=0.001,
                backlog_cost_per_unit_h=1.0,
                scrap_cost=0.0,
            ),
        ),
        capabilities=(
            Capability(
                line="L1",
                product="part",
                rate_per_h=100.0,
                scrap_ratio=0.0,
                energy_kwh_per_unit=0.1,
                setup_h=0.0,
                setup_cost=0.0,
            ),
        ),
        orders=(Order(number="O-1", product="part", quantity=50.0, due_at=START + timedelta(hours=1)),),
        stock=(),
        calendar=Calendar(shifts=(Shift(name="all day", start_hour=0, hours=24),)),
        tariff=Tariff(
            base_price_per_kwh=0.2,
            bands=(),
            demand_charge_per_kw=0.0,
            peak_so_far_kw=0.0,
            co2_kg_per_kwh=(0.0,) * 24,
            co2_price_per_kg=0.0,
        ),
        policy=PlanningPolicy(horizon_h=2, option_step_h=1, time_limit_s=5.0),
        risks=(),
        start=START,
    )
    plan = solve(build_problem(facts), number="P-trial", created_at=START, reason="trial")
    certificate = plan.certificate
    return Trial(
        status=plan.status.value,
        proved=plan.status is SolveStatus.OPTIMAL and certificate is not None and certificate.checked,
        seconds=time.perf_counter() - began,
        solver=certificate.solver.split(";")[0] if certificate is not None else "",
    )


def site_faults(site: Site) -> tuple[Fault, ...]:
    """What keeps this site's facts from being planned; empty where nothing does."""
    from optimizer.facts import PlanningFacts
    from optimizer.problem import build_problem

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
        start=site.clock.now().replace(minute=0, second=0, microsecond=0),
    )
    try:
        build_problem(facts)
    except ConfigError as error:
        return error.faults
    return ()
