"""How machines wear out: a gamma process per failure mode, with a random rate for each life, and rare shocks.

Over an operating time dt at load u, mode i of a life gains

    dW_i ~ Gamma(shape = K * z_i * u * dt / L_i,  scale = 1 / K)

so E[dW_i] = z_i u dt / L_i and Var[dW_i] = E[dW_i] / K; it never heals, and its law does not depend on the step.
L_i is the mode's mean life at load 1 [h], K = 200 sets how even a single path is, and z_i is the random effect of
the part that was fitted: z_i ~ Gamma(shape = 1 / c^2, mean = f) with c = 0.3 and f the machine's own lognormal factor.
The machine fails when a W_i passes 1, or at a shock, whose operating age is exponential.

Source: van Noortwijk, "A survey of the application of gamma processes in maintenance", Reliability Engineering and
System Safety 94 (2009) 2-21, eqs. 1-6; random effect: Lawless and Crowder, Lifetime Data Analysis 10 (2004) 213-227.
"""

from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np
from numpy.random import Generator, SeedSequence

STEPS_PER_LIFE: Final = 200.0
"""K: total shape of a path from 0 to 1; its coefficient of variation is 1 / sqrt(K) = 7 %."""
RATE_SPREAD: Final = 0.3
"""Coefficient of variation of the random effect."""
MACHINE_SPREAD: Final = 0.08
"""Standard deviation of the logarithm of a machine's own factor."""
SHOCK_LIVES: Final = 25.0
"""Mean operating age at a shock, in MTBFs of the class: about one failure in 25."""


@dataclass(kw_only=True, slots=True)
class Life:
    """One life of one machine, from renewal to failure or maintenance."""

    wear: list[float]
    """W by mode [0..1]."""
    rates_per_h: list[float]
    """z_i / L_i by mode: expected wear per operating hour at load 1 [1/h]."""
    shock_age_h: float
    """Operating age at which a shock will strike [h]."""
    age_h: float = 0.0
    """Operating time so far [h]."""
    onset_mode: int = 0
    onset_per_h: float = 0.0
    """Wear that grows in on top of the process, where somebody damaged the machine [1/h]."""
    onset_left_h: float = 0.0
    growth_per_h: float = 0.0
    """Of that damage once it has grown in [1/h]."""


def streams(seed: int, name: str, *, count: int) -> list[Generator]:
    """Independent random streams of one machine, the same whatever other machines the plant has."""
    return [np.random.default_rng(child) for child in SeedSequence((seed, crc32(name.encode()))).spawn(count)]


def machine_factor(rng: Generator) -> float:
    """f, drawn once per machine: some stand better than others."""
    return float(np.exp(MACHINE_SPREAD * rng.standard_normal()))


def new_life(rng: Generator, *, mean_lives_h: tuple[float, ...], factor: float, mtbf_h: float) -> Life:
    """The life of a machine fresh from repair or maintenance."""
    shape = 1.0 / RATE_SPREAD**2
    return Life(
        wear=[0.0] * len(mean_lives_h),
        rates_per_h=[float(factor * rng.gamma(shape, 1.0 / shape)) / mean for mean in mean_lives_h],
        shock_age_h=float(rng.exponential(SHOCK_LIVES * mtbf_h)),
    )


def advance(life: Life, rng: Generator, *, hours: float, load: float) -> int | None:
    """Wear a machine by some operating time [h]; gives the mode that failed, -1 for a shock, None while it holds."""
    failed = None
    life.age_h += hours
    wear = life.wear
    for mode, rate_per_h in enumerate(life.rates_per_h):
        wear[mode] += rng.standard_gamma(STEPS_PER_LIFE * rate_per_h * load * hours) / STEPS_PER_LIFE
        if life.growth_per_h > 0.0 and mode == life.onset_mode:
            grown_h = min(hours, life.onset_left_h)
            wear[mode] += life.onset_per_h * grown_h + life.growth_per_h * load * hours
            life.onset_left_h -= grown_h
        if wear[mode] >= 1.0 and (failed is None or wear[mode] > wear[failed]):
            failed = mode
    if failed is None and life.age_h >= life.shock_age_h:
        return -1
    return failed


def damage(life: Life, *, mode: int, wear: float, onset_h: float, hours_left: float) -> None:
    """Let a mode grow to `wear` within `onset_h` of operation and then fail after about `hours_left` at load 1 [h].

    Three quarters of that growth are certain, the rest is the gamma process, so that the hour of failure is known
    within some 10 %. The other modes are brought back to at most half of `wear`, so that the damage is what one sees.
    """
    for other in range(len(life.wear)):
        if other != mode:
            life.wear[other] = min(life.wear[other], 0.5 * wear)
    pace_per_h = (1.0 - wear) / hours_left
    life.onset_mode = mode
    life.rates_per_h[mode] = 0.25 * pace_per_h
    life.growth_per_h = 0.75 * pace_per_h
    missing = max(0.0, wear - life.wear[mode] - pace_per_h * onset_h)
    if onset_h > 0.0:
        life.onset_per_h, life.onset_left_h = missing / onset_h, onset_h
    else:
        life.wear[mode] += missing
    life.shock_age_h = max(life.shock_age_h, life.age_h + 10.0 * hours_left)
