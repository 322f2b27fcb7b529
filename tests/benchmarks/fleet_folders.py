"""Made-up run-to-failure fleets as data folders: what the risk model may meet outside the recorded sets.

Each life has a length by chance and a wear that rises from an unknown onset to the failure, by the fleet's own law;
some signals show it, others show only the regime, the machine, or nothing. All by seed; nothing here knows the model.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

STEPS = {"cycle": 1.0, "min": 1 / 60, "h": 1.0, "d": 24.0}
"""Hours between two rows; of cycles, one each [h]."""
BEGIN = pd.Timestamp("2026-01-05T06:00:00Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """How a fleet lives and what its sensors tell."""

    name: str
    machines: int = 60
    """In training."""
    asked: int = 40
    """Machines whose scores are judged; each runs to failure."""
    rows: int = 200
    """Median life [row]."""
    spread: float = 0.3
    """Standard deviation of the logarithm of a life's length [ratio]; above 0.9 the lives are exponential."""
    unit: str = "cycle"
    """`cycle`; `min`, `h` or `d`: a timestamp per row, one unit apart."""
    irregular: float = 0.0
    """Standard deviation of a step as a share of it [ratio]."""
    wear: str = "exponential"
    """`linear`, `exponential`, `accelerating`, `late` (the last tenth), `shocks`, `none`."""
    sudden: float = 0.0
    """Lives that end without a sign [0..1]."""
    telling: int = 5
    """Signals that show wear."""
    idle: int = 5
    """Signals that show noise only."""
    flat: int = 1
    """Signals that never change."""
    contrast: float = 4.0
    """Mean rise of a telling signal at the failure [standard deviations of its noise]."""
    offset: float = 1.0
    """Standard deviation of the machines' own levels, in those of the noise [ratio]."""
    regimes: int = 1
    named: bool = True
    """Whether `dataset.toml` names the settings."""
    missing: float = 0.0
    """Cells without a number [0..1]."""
    gaps: float = 0.0
    """Rows that lie in stretches without any reading [0..1]."""
    censored: float = 0.2
    """Training lives that are cut short [0..1]."""
    maintained: float = 0.0
    """Lives that end by maintenance instead of failure, after which the machine runs on [0..1]."""
    modes: int = 1
    """Failure modes; each shows in other signals."""
    mode_named: bool = True
    failures: int = 0
    """Failures known in training, others' lives are cut short; 0: as censoring leaves them."""


FLEETS = (
    Fleet(name="pumps"),
    Fleet(name="presses, three failures", machines=12, asked=10, failures=3),
    Fleet(name="presses, six failures", machines=15, failures=6, rows=250),
    Fleet(name="twelve failures, 40 signals", machines=40, failures=12, rows=300, telling=4, idle=33, flat=3),
    Fleet(name="fans, hourly with gaps", unit="h", irregular=0.3, wear="linear", telling=8, missing=0.2, gaps=0.1),
    Fleet(name="four regimes", regimes=4, wear="accelerating", telling=8, contrast=3.0, machines=80),
    Fleet(name="four regimes, settings unnamed", regimes=4, wear="accelerating", telling=8, named=False, machines=80),
    Fleet(name="half without a sign", sudden=0.5, wear="shocks", machines=80),
    Fleet(name="spindles by the minute", rows=3500, machines=30, asked=20, unit="min", wear="late", offset=3.0),
    Fleet(name="slow wear over 2,000 days", rows=2000, machines=40, unit="d", wear="linear", contrast=2.0, offset=2.0),
    Fleet(name="two modes", modes=2, machines=100, rows=150, telling=4, wear="accelerating"),
    Fleet(name="two modes, unlabelled", modes=2, mode_named=False, machines=100, rows=150, telling=4, wear="shocks"),
    Fleet(name="maintained", maintained=0.6, machines=50, unit="d", rows=120, wear="linear"),
    Fleet(name="short lives", machines=150, rows=50, telling=2, idle=2, flat=0, wear="exponential", censored=0.5),
    Fleet(name="age alone tells", wear="none", spread=0.25, telling=0, idle=8),
    Fleet(name="chance alone", wear="none", spread=1.0, telling=0, idle=8),
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Sensors:
    """What is common to the machines of a fleet."""

    unit: NDArray[np.float64]
    """Size of one standard deviation of noise. (signal,)"""
    base: NDArray[np.float64]
    """(signal,)"""
    shows: NDArray[np.float64]
    """Rise at the failure by mode [standard deviations]. (mode, signal)"""
    regime: NDArray[np.float64]
    """Shift by regime [standard deviations]. (regime, signal)"""
    settings: NDArray[np.float64]
    """(regime, 2)"""
    memory: NDArray[np.float64]
    """Autocorrelation of the noise [0..1]. (signal,)"""


def write_fleet(fleet: Fleet, *, home: Path, seed: int) -> tuple[Path, Path]:
    """Write a folder to train on and one to judge by; returns both."""
    rng = np.random.default_rng([seed, *fleet.name.encode()])
    sensors = _sensors(fleet, rng)
    learned = _write(fleet, sensors, home / "train", count=fleet.machines, whole=False, rng=rng)
    return learned, _write(fleet, sensors, home / "asked", count=fleet.asked, whole=True, rng=rng)


def _sensors(fleet: Fleet, rng: np.random.Generator) -> _Sensors:
    signals = fleet.telling + fleet.idle
    shows = np.zeros((fleet.modes, signals))
    for mode in range(fleet.modes):
        rise = rng.uniform(0.5, 1.5, fleet.telling) * rng.choice([-1.0, 1.0], fleet.telling) * fleet.contrast
        mine = np.arange(fleet.telling) % fleet.modes == mode
        shows[mode, : fleet.telling] = np.where(mine, rise, 0.2 * rise)
    return _Sensors(
        unit=10.0 ** rng.uniform(-4, 5, signals),
        base=rng.uniform(2, 50, signals),
        shows=shows,
        regime=rng.normal(0, 8.0, (fleet.regimes, signals)) if fleet.regimes > 1 else np.zeros((1, signals)),
        settings=rng.uniform(0, 100, (fleet.regimes, 2)),
        memory=rng.choice([0.0, 0.5, 0.9], signals),
    )


def _write(fleet: Fleet, sensors: _Sensors, folder: Path, *, count: int, whole: bool, rng: np.random.Generator) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lives, ends = [], []
    cut = rng.permutation(count)
    fails = count - round(fleet.censored * count) if fleet.failures == 0 else fleet.failures
    for number in range(count):
        name, at = f"m{number:03d}", 0.0
        level = rng.normal(0, fleet.offset, len(sensors.unit))
        while True:
            serviced = not whole and rng.random() < fleet.maintained
            stopped = not whole and (serviced or cut[number] >= fails)
            rows, mode, full = _life(fleet, sensors, level=level, stopped=stopped, rng=rng)
            steps = np.maximum(1.0 + fleet.irregular * rng.standard_normal(len(rows)), 0.05)
            times = at + np.cumsum(steps)
            at = float(times[-1])
            lives.append(rows.assign(machine=name, at=times)[_reported(len(rows), fleet, rng)])
            if serviced:
                ends.append((name, at + 0.5, "serviced"))
            elif len(rows) == full:
                ends.append((name, at, mode))
            if not serviced:
                break
    _tables(fleet, folder, pd.concat(lives, ignore_index=True), ends)
    return folder


def _life(
    fleet: Fleet, sensors: _Sensors, *, level: NDArray[np.float64], stopped: bool, rng: np.random.Generator
) -> tuple[pd.DataFrame, str, int]:
    """Readings of one life, its failure mode, and how many rows it would have had."""
    if fleet.spread > 0.9:
        full = max(12, int(rng.exponential(fleet.rows / np.log(2))))
    else:
        full = max(12, int(fleet.rows * np.exp(rng.normal(0, fleet.spread))))
    mode = int(rng.integers(fleet.modes))
    wear = _wear(fleet, full, rng) if rng.random() >= fleet.sudden else np.zeros(full)
    signals = len(sensors.unit)
    noise = rng.standard_normal((full, signals))
    for row in range(1, full):
        noise[row] = sensors.memory * noise[row - 1] + np.sqrt(1 - sensors.memory**2) * noise[row]
    held = np.repeat(rng.integers(fleet.regimes, size=full), rng.integers(1, 6, size=full))[:full]
    sd = level + sensors.regime[held] + wear[:, None] * rng.uniform(0.8, 1.2) * sensors.shows[mode] + noise
    columns = {f"s{n}": sensors.unit[n] * (sensors.base[n] + sd[:, n]) for n in range(signals)}
    columns |= {f"flat{n}": np.full(full, 7.0) for n in range(fleet.flat)}
    if fleet.regimes > 1:
        columns |= {f"set{n}": sensors.settings[held, n] + rng.normal(0, 0.5, full) for n in range(2)}
    table = pd.DataFrame(columns)
    table = table.mask(rng.random(table.shape) < fleet.missing)
    rows = full if not stopped else max(10, int(full * rng.uniform(0.1, 0.95)))
    return table[: min(rows, full)], f"mode {mode + 1}", full if not stopped else full + 1


def _wear(fleet: Fleet, full: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """From 0 at the onset to 1 at the failure. (row,)"""
    onset = rng.uniform(0.85, 0.95) if fleet.wear == "late" else rng.uniform(0.0, 0.6)
    done = np.clip((np.arange(1, full + 1) / full - onset) / (1 - onset), 0, 1)
    if fleet.wear == "none":
        return np.zeros(full)
    if fleet.wear == "shocks":
        hits = np.sort(rng.uniform(0, 1, 5))
        heights = np.cumsum(rng.exponential(1, 6))
        return np.asarray((heights / heights[-1])[np.searchsorted(hits, done)] * (done > 0))
    power = {"linear": 1.0, "late": 1.0, "accelerating": 3.0}
    if fleet.wear in power:
        return np.asarray(done ** power[fleet.wear])
    return np.asarray(np.expm1(4 * done) / np.expm1(4))


def _reported(rows: int, fleet: Fleet, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Rows outside of gaps; the last one is always there. (row,)"""
    kept = np.ones(rows, dtype=bool)
    for _ in range(round(fleet.gaps * rows / 10)):
        begin = int(rng.integers(rows))
        kept[begin : begin + 10] = False
    kept[-1] = True
    return kept


def _tables(fleet: Fleet, folder: Path, readings: pd.DataFrame, ends: list[tuple[str, float, str]]) -> None:
    """The files of the data folder."""
    failed = pd.DataFrame([end for end in ends if end[2] != "serviced"], columns=["machine", "failed_at", "mode"])
    serviced = pd.DataFrame([end[:2] for end in ends if end[2] == "serviced"], columns=["machine", "maintained_at"])
    time = "cycle"
    at = readings.pop("at")
    if fleet.unit != "cycle":
        time = "observed_at"
        at, failed["failed_at"], serviced["maintained_at"] = (
            BEGIN + pd.to_timedelta(part.astype(float) * STEPS[fleet.unit], unit="h")
            for part in (at, failed["failed_at"], serviced["maintained_at"])
        )
    readings.insert(0, time, at)
    readings.to_parquet(folder / "readings.parquet", index=False)
    if not fleet.mode_named or fleet.modes == 1:
        failed = failed.drop(columns="mode")
    failed.to_csv(folder / "failures.csv", index=False)
    if len(serviced):
        serviced.to_csv(folder / "maintenance.csv", index=False)
    lines = ['name = "fleet"', f'time_unit = "{fleet.unit}"']
    if fleet.regimes > 1 and fleet.named:
        lines.append('settings = ["set0", "set1"]')
    (folder / "dataset.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
