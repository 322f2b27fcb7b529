"""Physical quantities, each with one canonical unit, and the units that decoders may convert from.

Source: conversion factors from the SI Brochure (BIPM, 9th edition) and NIST SP 811.
"""

from enum import Enum
from typing import Final


class Quantity(Enum):
    """What a signal measures; the value is the canonical unit, the only one that is stored."""

    TEMPERATURE = "degC"
    VIBRATION = "mm/s"
    CURRENT = "A"
    VOLTAGE = "V"
    POWER = "kW"
    ENERGY = "kWh"
    PRESSURE = "bar"
    FLOW = "m3/h"
    SPEED = "1/min"
    TORQUE = "N.m"
    FORCE = "kN"
    LENGTH = "mm"
    MASS = "kg"
    DURATION = "s"
    COUNT = "1"
    RATIO = "ratio"
    DIMENSIONLESS = "-"
    STATE = "state"

    @property
    def unit(self) -> str:
        """The canonical unit.

        >>> Quantity.POWER.unit
        'kW'
        """
        return self.value


UNITS: Final[dict[str, tuple[Quantity, float, float]]] = {
    # unit: (quantity, factor, offset); canonical = value * factor + offset
    "degC": (Quantity.TEMPERATURE, 1.0, 0.0),
    "degF": (Quantity.TEMPERATURE, 5 / 9, -160 / 9),
    "K": (Quantity.TEMPERATURE, 1.0, -273.15),
    "mm/s": (Quantity.VIBRATION, 1.0, 0.0),
    "in/s": (Quantity.VIBRATION, 25.4, 0.0),
    "m/s": (Quantity.VIBRATION, 1000.0, 0.0),
    "A": (Quantity.CURRENT, 1.0, 0.0),
    "mA": (Quantity.CURRENT, 1e-3, 0.0),
    "V": (Quantity.VOLTAGE, 1.0, 0.0),
    "mV": (Quantity.VOLTAGE, 1e-3, 0.0),
    "kV": (Quantity.VOLTAGE, 1e3, 0.0),
    "kW": (Quantity.POWER, 1.0, 0.0),
    "W": (Quantity.POWER, 1e-3, 0.0),
    "MW": (Quantity.POWER, 1e3, 0.0),
    "kWh": (Quantity.ENERGY, 1.0, 0.0),
    "Wh": (Quantity.ENERGY, 1e-3, 0.0),
    "MWh": (Quantity.ENERGY, 1e3, 0.0),
    "J": (Quantity.ENERGY, 1 / 3.6e6, 0.0),
    "MJ": (Quantity.ENERGY, 1 / 3.6, 0.0),
    "bar": (Quantity.PRESSURE, 1.0, 0.0),
    "mbar": (Quantity.PRESSURE, 1e-3, 0.0),
    "Pa": (Quantity.PRESSURE, 1e-5, 0.0),
    "kPa": (Quantity.PRESSURE, 1e-2, 0.0),
    "MPa": (Quantity.PRESSURE, 10.0, 0.0),
    "psi": (Quantity.PRESSURE, 0.0689475729, 0.0),
    "m3/h": (Quantity.FLOW, 1.0, 0.0),
    "l/min": (Quantity.FLOW, 0.06, 0.0),
    "l/s": (Quantity.FLOW, 3.6, 0.0),
    "1/min": (Quantity.SPEED, 1.0, 0.0),
    "rpm": (Quantity.SPEED, 1.0, 0.0),
    "Hz": (Quantity.SPEED, 60.0, 0.0),
    "N.m": (Quantity.TORQUE, 1.0, 0.0),
    "kN.m": (Quantity.TORQUE, 1e3, 0.0),
    "kN": (Quantity.FORCE, 1.0, 0.0),
    "N": (Quantity.FORCE, 1e-3, 0.0),
    "mm": (Quantity.LENGTH, 1.0, 0.0),
    "um": (Quantity.LENGTH, 1e-3, 0.0),
    "cm": (Quantity.LENGTH, 10.0, 0.0),
    "m": (Quantity.LENGTH, 1e3, 0.0),
    "in": (Quantity.LENGTH, 25.4, 0.0),
    "kg": (Quantity.MASS, 1.0, 0.0),
    "g": (Quantity.MASS, 1e-3, 0.0),
    "t": (Quantity.MASS, 1e3, 0.0),
    "s": (Quantity.DURATION, 1.0, 0.0),
    "ms": (Quantity.DURATION, 1e-3, 0.0),
    "min": (Quantity.DURATION, 60.0, 0.0),
    "h": (Quantity.DURATION, 3600.0, 0.0),
    "1": (Quantity.COUNT, 1.0, 0.0),
    "parts": (Quantity.COUNT, 1.0, 0.0),
    "ratio": (Quantity.RATIO, 1.0, 0.0),
    "%": (Quantity.RATIO, 1e-2, 0.0),
    "-": (Quantity.DIMENSIONLESS, 1.0, 0.0),
    "state": (Quantity.STATE, 1.0, 0.0),
}
"""Every unit that a decoder accepts, with its way to the canonical unit."""
