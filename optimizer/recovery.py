"""What pays when a line is behind its plan: overtime, another line's help, setting up again.

A shift leader weighs what a missing unit costs by the hour against what catching it up costs, knowing how long repairs
last but not what fails next.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from optimizer.problem import PlanningProblem
from optimizer.work_list import Numbers, Piece

WORTH_MOVING_H = 0.1
"""Work shorter than this is not taken over by another line [h]."""
PATIENCE_H = 24.0
"""Work is set up for again where so long a wait would cost more than that [h]."""
VITAL_PER_H = 1e6
"""Stands for the price of what may never be late [currency/(unit h)]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """A plant's means of catching up, weighed."""

    problem: PlanningProblem
    price: dict[str, float]
    """What a missing unit of a product costs, or what is made of it does [currency/(unit h)]."""
    repair_h: tuple[float, ...]
    """How long a line is down when it fails, the mean of its machines [h]. (line,)"""
    alternates: tuple[tuple[int, ...], ...]
    """Makings of the same product on other lines. (making,)"""

    def pays_overtime(self, piece: Piece, m: int, t: int) -> bool:
        """Whether waiting for the next shift would cost more than overtime in an hour."""
        making, slots = self.problem.makings[m], self.problem.slots
        later = np.flatnonzero(slots.manned_share[making.line, t:] > 0)
        wait_h = int(later[0]) if len(later) else self.problem.hours - t
        saved = making.good_per_h * self.price[making.feeds] * wait_h
        return piece.needed <= t + wait_h and saved > float(self.problem.overtime_cost_per_h[making.line, t])

    def may_move(self, piece: Piece, t: int) -> bool:
        """Whether another line could help: someone waits for it before its own line would be repaired."""
        line = self.problem.makings[piece.making].line
        return not piece.is_setup and piece.needed <= t + self.repair_h[line] and bool(self.alternates[piece.making])

    def pays_moving(self, piece: Piece, m: int, left: Numbers, is_ready: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """On which courses waiting for a repair would cost more than setting up another line."""
        making, own = self.problem.makings[m], self.problem.makings[piece.making]
        saved = left * own.good_per_h * self.price[making.feeds] * self.repair_h[own.line]
        cost = np.where(is_ready, 0.0, making.setup_cost + making.family_setup_cost)
        worth: NDArray[np.bool_] = (left > WORTH_MOVING_H) & (saved > cost)
        return worth

    def pays_setup(self, m: int, left: Numbers) -> NDArray[np.bool_]:
        """On which courses setting up for what is left costs less than a long wait for it."""
        making = self.problem.makings[m]
        per_h = self.price[making.feeds] * making.good_per_h
        worth: NDArray[np.bool_] = left * per_h * PATIENCE_H > making.setup_cost + making.setup_h * per_h
        return worth


def means_of(problem: PlanningProblem) -> Recovery:
    """The means of a plant."""
    plant = problem.facts.plant
    lasts = [[plant.class_index[machine.machine_class].repair_h for machine in line.machines] for line in plant.lines]
    return Recovery(
        problem=problem,
        price=_prices(problem),
        repair_h=tuple(float(ceil(np.mean(each))) if each else 0.0 for each in lasts),
        alternates=tuple(
            tuple(o for o, other in enumerate(problem.makings) if other.product == making.product and o != m)
            for m, making in enumerate(problem.makings)
        ),
    )


def _prices(problem: PlanningProblem) -> dict[str, float]:
    known = {product.name: product for product in problem.facts.products}
    price = {
        name: VITAL_PER_H if each.backlog_cost_per_unit_h is None else each.backlog_cost_per_unit_h
        for name, each in known.items()
    }
    for _ in known:  # a chain of components is no longer than there are products
        for name, each in known.items():
            for component in each.components:
                most = min(price[each.reworks or name] / component.quantity, VITAL_PER_H)
                price[component.product] = max(price[component.product], most)
    return price
