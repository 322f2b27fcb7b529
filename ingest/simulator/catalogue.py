"""What the simulator knows of machine classes: their healthy behaviour, and the signature of each failure mode.

A mode's wear w in [0, 1] shows through the progressive response g(w) = w ** 7, so that a fault stays in the noise for
the first two thirds of a life and then grows ever faster, as bearing and tool faults do (P-F curve; source: Moubray,
Reliability-centred Maintenance, 2nd ed., ch. 7). Amplitudes are what is added at w = 1; they are chosen so that a
worn bearing passes the C/D zone limit of 4.5 mm/s, as ISO 20816-3 is quoted for group 2 on rigid supports, at about
w = 0.87, some 40 operating hours before it fails.
"""

from dataclasses import dataclass
from typing import Final

from plant.assets import MachineClass

RESPONSE_POWER: Final = 7.0
"""Exponent of the response g(w) = w ** 7."""

SHOCK: Final = "shock"
"""The mode without warning: a constant hazard in operating time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WearMode:
    """A failure mode that wears, and what it adds to the signals at wear 1."""

    name: str
    life_factor: float
    """Mean life of this mode alone, in MTBFs of the class."""
    vibration: float = 0.0
    """Relative rise of the vibration velocity."""
    temperature_c: float = 0.0
    """Rise of the temperature [degC]; negative for a heater that no longer reaches its setpoint."""
    power: float = 0.0
    """Relative rise of the electrical power while running."""
    cycle: float = 0.0
    """Relative rise of the cycle time."""
    scrap: float = 0.0
    """Rise of the scrap ratio [0..1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """How a healthy machine of a class behaves at load 1."""

    vibration_mm_s: float = 1.4
    temperature_rise_c: float = 28.0
    """Above ambient, at nominal power [degC]."""
    standby_rise_c: float = 0.0
    """Above ambient while on but not running [degC]; ovens stay hot."""
    thermal_h: float = 0.6
    """Time constant of the temperature [h]."""
    power_share: float = 0.25
    """Of the line's power [0..1]."""
    power_factor: float = 0.85
    """cos phi."""


PROFILES: Final[dict[str, Profile]] = {
    "press": Profile(vibration_mm_s=1.7, temperature_rise_c=26.0, power_share=0.30),
    "mill": Profile(vibration_mm_s=1.5, temperature_rise_c=30.0, power_share=0.24),
    "oven": Profile(
        vibration_mm_s=1.1,
        temperature_rise_c=165.0,
        standby_rise_c=130.0,
        thermal_h=0.9,
        power_share=0.36,
        power_factor=0.98,
    ),
    "packer": Profile(vibration_mm_s=1.2, temperature_rise_c=18.0, power_share=0.10),
}
"""By class name; classes that are not listed take the defaults of `Profile`."""

MODES: Final[dict[str, tuple[WearMode, ...]]] = {
    "press": (
        WearMode(name="bearing", life_factor=0.93, vibration=4.0, temperature_c=24.0, power=0.10),
        WearMode(name="seal", life_factor=1.12, vibration=0.5, temperature_c=30.0, power=0.22, cycle=0.20),
    ),
    "mill": (
        WearMode(name="spindle", life_factor=1.08, vibration=4.2, temperature_c=20.0, power=0.08),
        WearMode(name="tool", life_factor=0.93, vibration=1.4, temperature_c=10.0, power=0.42, scrap=0.10),
    ),
    "oven": (
        WearMode(name="fan", life_factor=1.01, vibration=4.0, temperature_c=16.0, power=0.07),
        WearMode(name="heater", life_factor=1.01, temperature_c=-42.0, power=0.34, cycle=0.15, scrap=0.07),
    ),
    "packer": (
        WearMode(name="belt", life_factor=0.93, vibration=2.0, temperature_c=14.0, power=0.36, cycle=0.18),
        WearMode(name="gripper", life_factor=1.08, vibration=1.8, temperature_c=6.0, cycle=0.25, scrap=0.16),
    ),
}
"""Known modes by class name."""


def profile_of(machine_class: MachineClass) -> Profile:
    """The healthy behaviour of a class."""
    return PROFILES.get(machine_class.name, Profile())


def modes_of(machine_class: MachineClass) -> tuple[WearMode, ...]:
    """The wearing modes of a class, in the order of its configuration; `shock` is not one of them.

    A mode that the catalogue does not know shows in vibration, temperature and power alike.
    """
    known = {mode.name: mode for mode in MODES.get(machine_class.name, ())}
    return tuple(
        known.get(name, WearMode(name=name, life_factor=0.9, vibration=3.5, temperature_c=20.0, power=0.14))
        for name in machine_class.failure_modes
        if name != SHOCK
    )
