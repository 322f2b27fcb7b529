"""Command: the planner against plain enumeration on tiny random plants with every rule switched on.

Usage: python tests/benchmarks/plan_bruteforce.py [PLANTS] [--changeovers]: of so many plants, lines that change from
family to family in order; exit code 1 where one differs by more than 1e-9.
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "optimizer"))

from optimizer_enumeration import least_cost
from optimizer_plants import START
from optimizer_rules import all_rules_facts, changing_facts, with_changeovers

from optimizer.problem import PlanningFacts, build_problem
from optimizer.solve import solve
from plant.plans import SolveStatus

TOLERANCE = 1e-9
"""Of the optimum."""


def changeover_facts(seed: int) -> PlanningFacts:
    """Three families without other rules, or two with every rule, in turn."""
    return changing_facts(seed) if seed % 2 else with_changeovers(all_rules_facts(seed), seed)


def difference(seed: int, make: Callable[[int], PlanningFacts]) -> float:
    """How far plan and enumeration are apart, as a part of the optimum; 0 where both say that there is no plan."""
    facts = make(seed)
    expected = least_cost(facts)
    plan = solve(build_problem(facts), number="P", created_at=START, reason="benchmark")
    if math.isinf(expected):
        return 0.0 if plan.status is SolveStatus.INFEASIBLE else math.inf
    certificate = plan.certificate
    if certificate is None or not certificate.checked:
        return math.inf
    return abs(certificate.solver_objective - expected) / max(abs(expected), 1.0)


def main(plants: int, make: Callable[[int], PlanningFacts]) -> int:
    """Compares every plant; gives the exit code."""
    apart = {seed: difference(seed, make) for seed in range(plants)}
    worst = max(apart, key=lambda seed: apart[seed])
    wrong = [seed for seed, far in apart.items() if not far <= TOLERANCE]
    sys.stdout.write(f"{plants - len(wrong)} of {plants} equal to 1e-9; worst: seed {worst}, {apart[worst]:.1e}\n")
    for seed in wrong:
        sys.stdout.write(f"seed {seed} differs by {apart[seed]:.2e}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    sys.exit(main(numbers[0] if numbers else 50, changeover_facts if "--changeovers" in sys.argv else all_rules_facts))
