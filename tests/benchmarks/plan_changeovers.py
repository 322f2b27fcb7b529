"""Command: plants whose lines change from family to family in order, beside plain HiGHS on the same program.

Usage: python tests/benchmarks/plan_changeovers.py [SECONDS] [SIZE...] (day, three-days); CPU seconds, one thread.
Products of the plants of `plan_family.py` get families in turn; each line has a matrix of its own, drawn with a seed,
that differs from there to back and holds changes beyond an hour.
"""

import sys
from dataclasses import replace
from math import inf

import numpy as np
from plan_family import SIZES, START, facts_of, generated

from optimizer.control import Clock, Control, Progress
from optimizer.facts import PlanningFacts
from optimizer.formulation import formulate
from optimizer.goals import goal_terms
from optimizer.highs import Session
from optimizer.problem import build_problem
from optimizer.solve import solve
from plant.production import Changeover

PLANTS = {"day": (SIZES[0], 4), "three-days": (SIZES[1], 5)}
"""Size and number of families."""
GAP = 0.001
LOOKS_S = (20.0, 60.0)
"""What is known is told after these times [s]."""


def changing(facts: PlanningFacts, families: int, seed: int) -> PlanningFacts:
    """A plant with families in turn and a matrix per line: 0.2 to 1.5 h and 30 to 200 per change."""
    chance = np.random.default_rng(seed)
    products = tuple(replace(each, family=f"f{n % families}") for n, each in enumerate(facts.products))
    family = {each.name: each.family for each in products}
    changeovers = []
    for line in facts.plant.lines:
        made = sorted({family[c.product] for c in facts.capabilities if c.line == line.name})
        for before in made:
            for after in made:
                if before != after:
                    hours, cost = round(float(chance.uniform(0.2, 1.5)), 2), round(float(chance.uniform(30.0, 200.0)))
                    changeovers.append(
                        Changeover(line=line.name, before=before, after=after, hours=hours, cost=float(cost))
                    )
    return replace(facts, products=products, changeovers=tuple(changeovers))


def main(limit_s: float, names: list[str]) -> None:
    """Plans each plant both ways and prints what is known when."""
    for name in names:
        size, families = PLANTS[name]
        facts = changing(facts_of(generated(size, 1), time_limit_s=limit_s, gap=GAP), families, 1)
        problem = build_problem(facts)
        seen: list[Progress] = []
        plan = solve(problem, number="P", created_at=START, reason="benchmark", control=Control(report=seen.append))
        certificate = plan.certificate
        checked = certificate is not None and certificate.checked
        count = len(plan.changeovers)
        sys.stdout.write(f"{name}: {families} families, checked {checked}, {count} changeovers, {plan.cost:.0f}\n")
        first = next(each for each in seen if each.incumbent is not None)
        sys.stdout.write(f"  first plan after {first.spent_s:.1f} s: {first.incumbent:.0f}\n")
        points = [(each.spent_s, each.incumbent, each.bound) for each in seen]
        _tell("Linewright", points, limit_s)
        model = formulate(problem)
        constant = goal_terms(model, problem, problem.goal)[1]
        clock = Clock(limit_s)
        session = Session(model.program, clock)
        plain: list[tuple[float, float | None, float | None]] = []
        session.follow = lambda best, bound, c=clock, k=constant, out=plain: out.append(
            (c.spent_s, best + k, bound + k)
        )
        last = session.run(time_limit_s=limit_s, gap=GAP)
        bound = None if last.bound is None else last.bound + constant
        plain.append((clock.spent_s, last.objective + constant, bound))
        _tell("plain HiGHS", plain, limit_s)


def _tell(who: str, points: list[tuple[float, float | None, float | None]], limit_s: float) -> None:
    for look_s in (each for each in LOOKS_S if each <= limit_s):
        known = [each for each in points if each[0] <= (look_s if look_s < limit_s else inf)]
        best = min((each[1] for each in known if each[1] is not None and np.isfinite(each[1])), default=inf)
        bound = max((each[2] for each in known if each[2] is not None and np.isfinite(each[2])), default=-inf)
        gap = (best - bound) / best if np.isfinite(best) else inf
        sys.stdout.write(f"  {who} after {look_s:g} s: {best:.0f}, bound {bound:.0f}, {gap:.1%}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    given = sys.argv[1:]
    main(float(given[0]) if given else 60.0, given[1:] or list(PLANTS))
