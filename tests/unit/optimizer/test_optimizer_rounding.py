"""Rounding never overfills an hour, and loses little."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_plants import START, demo_facts, tiny_facts

from optimizer.assemble import assemble
from optimizer.certify import certify
from optimizer.facts import GRAINS_PER_UNIT
from optimizer.problem import PlanningFacts, build_problem
from optimizer.rounding import available_hours, round_to_units

DEMO = demo_facts(2, lines=1, horizon_h=16)


def fitting_hours(
    facts: PlanningFacts, chosen: tuple[int, ...], seed: int, fill: float
) -> dict[tuple[int, int], float]:
    """Running hours that keep every hour and shift of every line."""
    problem = build_problem(facts)
    draw = np.random.default_rng(seed)
    hours = available_hours(problem, chosen)
    running: dict[tuple[int, int], float] = {}
    shifts = np.array(problem.slots.shift)
    for line in range(len(problem.lines)):
        for s in range(len(problem.slots.shift_names)):
            mine = [m for m, making in enumerate(problem.makings) if making.line == line]
            picked = list(draw.permutation(mine)[:2])
            setup = sum(problem.makings[m].setup_h for m in picked)
            inside = np.flatnonzero(shifts == s)
            total = hours[line, inside].sum()
            share = fill * max(total - setup, 0.0) / total if total else 0.0
            for t in inside:
                parts = draw.dirichlet(np.ones(len(picked)))
                for m, part in zip(picked, parts, strict=True):
                    running[m, int(t)] = float(hours[line, t] * share * part)
    return running


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), fill=st.floats(0.0, 1.0), data=st.data())
def test_round_to_units_keeps_every_rule(seed: int, fill: float, data: st.DataObject) -> None:
    facts = replace(DEMO, policy=replace(DEMO.policy, crews=4))
    problem = build_problem(facts)
    chosen = tuple(data.draw(st.integers(0, len(options.starts) - 1)) for options in problem.machines)
    running = fitting_hours(facts, chosen, seed, fill)
    schedule = round_to_units(problem, running=running, chosen=chosen)
    plan, worked_out = assemble(problem, schedule, number="P", created_at=START, reason="test")
    certificate = certify(
        facts, plan, solver="none", solve_s=0.0, solver_objective=0.0, bound=None, worked_out=worked_out
    )
    assert [check for check in certificate.checks if not check.holds] == []
    asked = sum(hours * problem.makings[m].rate_per_h for (m, _), hours in running.items())
    made = sum(count / GRAINS_PER_UNIT for count in schedule.grains.values())
    assert made >= asked - len(running)


@settings(max_examples=30, deadline=None)
@given(quantity=st.integers(1, 60), scrap=st.floats(0.0, 0.2))
def test_repair_leaves_no_fraction_of_a_unit_short(quantity: int, scrap: float) -> None:
    facts = tiny_facts(1, machines=1)
    problem = build_problem(
        replace(
            facts,
            capabilities=tuple(replace(c, scrap_ratio=scrap) for c in facts.capabilities),
            orders=(replace(facts.orders[0], product="bolt", quantity=float(quantity), due_at=START.replace(hour=9)),),
            stock=(),
        )
    )
    m = next(m for m, making in enumerate(problem.makings) if making.product == "bolt")
    making = problem.makings[m]
    running = {(m, t): quantity / making.good_per_h / 4 for t in range(4)}
    schedule = round_to_units(problem, running=running, chosen=(0,) * len(problem.machines))
    good = sum(schedule.grains.values()) / GRAINS_PER_UNIT * making.good_per_h / making.rate_per_h
    assert quantity - 1e-6 <= good <= quantity + 2
