"""Plans as the optimizer would propose them, for tests in a browser."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from plant.plans import (
    Certificate,
    Conflict,
    CostTerm,
    Goal,
    GoalStage,
    HourUse,
    LateOrder,
    MaintenanceWindow,
    Plan,
    PlannedRun,
    Repair,
    RuleCheck,
    SolveStatus,
)

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
"""Plant time at which the seeded plant stands."""
HOUR = timedelta(hours=1)
HEADLINE = "Press 2: bearing wearing; the plan moves its maintenance to Tue 03:00 and saves 412 EUR."


def infeasible_plan() -> Plan:
    """A plan that names the rules in conflict, and repairs."""
    return replace(
        proposed_plan("P-20261123T080000-2", NOW - 1.5 * HOUR),
        status=SolveStatus.INFEASIBLE,
        reason="alert A-2026-11-23-L2-press-1",
        runs=(),
        maintenance=(),
        costs=(),
        hours=(),
        late=(),
        certificate=None,
        saving=None,
        headline="No plan keeps all the rules: the CO2 cap is 41 kg too low for the orders that must be made.",
        conflicts=(
            Conflict(rule="co2_cap|plant|horizon", sentence="CO2 may not exceed 900 kg over the 48 h."),
            Conflict(
                rule="deadline|O-1004|2026-11-23T18:00", sentence="Order O-1004 (170 valves) must be done by 18:00."
            ),
        ),
        repairs=(
            Repair(sentence="Raise the CO2 cap by 41 kg.", amount=41.0, cost=-30_120.0),
            Repair(sentence="Deliver 12 of the 170 valves of O-1004 after its deadline.", amount=12.0, cost=-29_480.0),
        ),
    )


def proposed_plan(number: str, created_at: datetime, *, headline: str = "Nothing moved.") -> Plan:
    """Three lines over two days, with one maintenance window and one late order."""
    start = created_at.replace(minute=0, second=0)
    runs = (
        ("L1", "bracket", 0, 11), ("L1", "gear", 11, 23), ("L1", "housing", 24, 38), ("L1", "flange", 38, 48),
        ("L2", "gear", 0, 9), ("L2", "valve", 9, 17), ("L2", "shaft", 21, 36), ("L2", "flange", 36, 48),
        ("L3", "shaft", 2, 14), ("L3", "valve", 14, 30), ("L3", "housing", 30, 46),
    )  # fmt: skip
    checks = ("balance", "capacity", "one_option", "crews", "tariff", "setup_per_shift", "demand_charge", "calendar")
    hours = tuple(
        HourUse(
            start=start + i * HOUR,
            energy_kwh=170 + 45 * float(np.sin(i / 3.1)) - (60 if 9 <= (i + start.hour + 1) % 24 < 13 else 0),
            price_per_kwh=0.098 if (i + start.hour + 1) % 24 in (22, 23, 0, 1, 2, 3, 4, 5)
            else 0.31 if (i + start.hour + 1) % 24 in (17, 18, 19, 20) else 0.19,
            co2_kg=31.0,
        )
        for i in range(48)
    )  # fmt: skip
    terms = {
        "sales": -48_210.0,
        "energy": 1_420.0,
        "demand_charge": 386.0,
        "setups": 540.0,
        "holding": 212.0,
        "backlog": 95.0,
        "maintenance_and_failures": 1_310.0,
        "scrap": 1_180.0,
        "co2": 98.0,
    }
    return Plan(
        number=number,
        created_at=created_at,
        start=start,
        end=start + 48 * HOUR,
        status=SolveStatus.OPTIMAL,
        reason="alert A-2026-11-23-L2-press-1" if headline == HEADLINE else "hourly",
        runs=tuple(
            PlannedRun(
                line=line,
                product=product,
                start=start + begin * HOUR,
                end=start + end * HOUR,
                gross_units=40 * (end - begin),
                good_units=39.0 * (end - begin),
                energy_kwh=60.0 * (end - begin),
                setup=begin > 0,
            )
            for line, product, begin, end in runs
        ),
        maintenance=(
            MaintenanceWindow(
                machine="L2-press",
                line="L2",
                start=start + 17 * HOUR,
                end=start + 21 * HOUR,
                expected_failure_cost=640.0,
                expected_failure_cost_without=2_940.0,
            ),
        ),
        costs=tuple(CostTerm(name=name, amount=amount) for name, amount in terms.items()),
        hours=hours,
        late=(
            LateOrder(
                order="O-1003",
                product="valve",
                due_at=start + 14 * HOUR,
                units_late=38.0,
                expected_at=start + 17 * HOUR,
            ),
        ),
        peak_kw=214.0,
        co2_kg=1402.0,
        certificate=Certificate(
            inputs_hash="9f2c1e0b7a64d35588f0c1a2b3d4e5f60718293a4b5c6d7e8f9012a3b4c5d6e7",
            model_versions=("press-20261122T2310-7f3a", "mill-20261122T2311-0c2d"),
            solver="HiGHS 1.15.1, 1 thread, gap 0.005",
            solve_s=4.2,
            solver_objective=-42_969.4,
            recomputed_objective=-42_969.0,
            bound=-43_120.0,
            gap=0.0035,
            checks=tuple(
                RuleCheck(
                    rule=rule,
                    sentence=f"Every {rule.replace('_', ' ')} rule holds in each hour and on each line.",
                    instances=144,
                    worst_residual=0.0,
                    tolerance=1e-6,
                    holds=True,
                )
                for rule in checks
            ),
            checked=True,
            stages=(
                GoalStage(goal=Goal.LATENESS, tolerance=0.05, reached=212.0, bound=208.5, limit=222.6),
                GoalStage(goal=Goal.COST, tolerance=0.0, reached=-42_969.0, bound=-43_120.0, limit=-42_969.0),
            ),
        ),
        headline=headline,
        saving=412.0,
    )
