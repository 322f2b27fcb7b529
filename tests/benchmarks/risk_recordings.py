"""The recorded data beside the project, as lives and data folders; nothing is chosen here."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.lives import Life

DATA = Path(__file__).parents[3] / "shared" / "data"
HOUR_US = 3_600_000_000
SKAB_HEAD = 400
"""First rows of a run that train."""
TEP_FAULTS = ("01", "04", "05", "10", "11", "16")
TEP_BEGINS = 160
"""Row at which each fault enters."""
VEGA_LIVES = ("C9", "C11", "C14")
VEGA_HEAD = 1500
VEGA_NEAR = 2000
"""Rows left below which the end is near."""


def life_of(values: NDArray[np.float64], *, machine: str, failed: bool = False) -> Life:
    """Rows of numbers as a life, an hour each. (row, signal)"""
    return Life(
        machine=machine,
        machine_class="recorded",
        signals=tuple(f"signal_{number + 1}" for number in range(values.shape[1])),
        settings=(),
        observed_at_us=np.arange(len(values), dtype=np.int64) * HOUR_US,
        age_units=np.arange(len(values), dtype=np.float64),
        values=values,
        failed=failed,
    )


def skab_runs(data: Path = DATA) -> list[tuple[Life, NDArray[np.bool_]]]:
    """The 16 runs of valve1 and which of their rows are anomalous."""
    runs = []
    for number in range(16):
        table = pd.read_csv(data / "skab" / "valve1" / f"{number}.csv.gz", sep=";")
        values = table.iloc[:, 1:9].to_numpy(dtype=np.float64)
        runs.append((life_of(values, machine=f"run-{number}"), table["anomaly"].to_numpy() > 0.5))
    return runs


def skab_normal(data: Path = DATA) -> NDArray[np.float64]:
    """The anomaly-free recording of the same rig. (row, signal)"""
    return pd.read_csv(data / "skab" / "anomaly-free.csv.gz", sep=";").iloc[:, 1:9].to_numpy(dtype=np.float64)


def tep(data: Path = DATA) -> tuple[Life, dict[str, Life]]:
    """Normal training run (stored transposed) and the test runs, `00` normal."""

    def read(name: str) -> NDArray[np.float64]:
        with gzip.open(data / "tep" / f"{name}.dat.gz", "rt") as lines:
            return np.loadtxt(lines)

    test = {name: life_of(read(f"d{name}_te"), machine=f"d{name}") for name in ("00", *TEP_FAULTS)}
    return life_of(read("d00").T, machine="d00"), test


def ai4i(data: Path = DATA) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Type (0 L, 1 M, 2 H) and five sensors; the five mode flags are leaks and stay out. Failure or not. (row,)"""
    table = pd.read_csv(data / "ai4i" / "ai4i2020.csv.gz")
    inputs = table.iloc[:, 3:8].astype(float)
    inputs.insert(0, "type", table["Type"].map({"L": 0.0, "M": 1.0, "H": 2.0}))
    return inputs, table["Machine failure"].to_numpy() > 0


def vega(data: Path = DATA) -> dict[str, NDArray[np.float64]]:
    """Channels of each life, z-scored on its first 1,500 rows; the last row is the failure. (row, signal)"""
    lives = {}
    for name in VEGA_LIVES:
        values = pd.read_csv(data / "vega" / f"{name}.csv.gz").iloc[:, 1:].to_numpy(dtype=np.float64)
        head = values[:VEGA_HEAD]
        lives[name] = (values - np.nanmean(head, axis=0)) / np.maximum(np.nanstd(head, axis=0), 1e-3)
    return lives


def nab(data: Path = DATA) -> tuple[Life, list[tuple[int, int]], int]:
    """Machine temperature, rows of its labelled windows, and the first scored row (after 15 %)."""
    table = pd.read_csv(data / "nab" / "machine_temperature_system_failure.csv.gz", parse_dates=["timestamp"])
    known = json.loads((data / "nab" / "windows.json").read_text())["machine_temperature_system_failure"]
    at = table["timestamp"]
    windows = [tuple(int(at.searchsorted(pd.Timestamp(edge))) for edge in window) for window in known]
    values = table[["value"]].to_numpy(dtype=np.float64)
    life = replace(life_of(values, machine="machine"), row_units=1 / 12)  # a reading each 5 min
    return life, [(first, last) for first, last in windows], int(0.15 * len(values))
