"""The section `objective`: what plans aim at, where it is not plain cost."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from linewright.settings.plant import Part
from plant.plans import TERMS, Goal, GoalLimit, GoalStep, Objective

Weight = Annotated[float, Field(ge=0, le=1e12)]


class GoalStepPart(Part):
    """A goal in its place in the order."""

    goal: Goal
    tolerance: float = Field(
        default=0.0, ge=0, le=1e12, description="Later goals may raise it by this part of what was reached."
    )


class GoalLimitPart(Part):
    """What a goal may be at most."""

    goal: Goal
    at_most: float = Field(ge=-1e12, le=1e12, description="[currency], of co2 [kg]")


class ObjectivePart(Part):
    """What plans aim at; without it they have the least cost."""

    weights: dict[str, Weight] = Field(
        default_factory=dict, description="Of terms of the cost, by name; a term without one counts once."
    )
    order: tuple[GoalStepPart, ...] = Field(
        default=(), description="Goals, the most important first; cost comes last where it is not named."
    )
    limits: tuple[GoalLimitPart, ...] = Field(default=(), description="Kept whatever is aimed at.")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if unknown := sorted(self.weights.keys() - set(TERMS)):
            raise ValueError(f"weights names {', '.join(unknown)}; the terms of the cost are {', '.join(TERMS)}")
        if self.weights.get("delays", 1.0) > self.weights.get("backlog", 1.0):
            raise ValueError("weights: that of delays must not exceed that of backlog")
        for field, goals in (("order", [each.goal for each in self.order]), ("limits", [e.goal for e in self.limits])):
            if twice := sorted({goal.value for goal in goals if goals.count(goal) > 1}):
                raise ValueError(f"{field} names {', '.join(twice)} more than once")
        return self

    def word(self) -> Objective | None:
        """The objective as the rooms know it; None: plain cost."""
        if not (self.weights or self.order or self.limits):
            return None
        return Objective(
            weights=dict(self.weights),
            order=tuple(GoalStep(goal=each.goal, tolerance=each.tolerance) for each in self.order),
            limits=tuple(GoalLimit(goal=each.goal, at_most=each.at_most) for each in self.limits),
        )
