"""The pictures of a model's report, by matplotlib, each as PNG and SVG."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from analytics.report import ModelReport

COURSES: Final = 12
"""Lives shown; those that failed come first."""
SIGNALS: Final = 12
INK, QUIET, BAD, GOOD = "#0b3d5c", "#8a97a3", "#b3261e", "#2e7d32"


def draw(report: "ModelReport", *, unit: str, folder: Path) -> list[Path]:
    """Write every picture into a folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, figure in _pictures(report, unit=unit):
        for ending in ("png", "svg"):
            path = folder / f"{name}.{ending}"
            figure.savefig(path, dpi=120)
            files.append(path)
    return files


def _pictures(report: "ModelReport", *, unit: str) -> Iterator[tuple[str, Figure]]:
    yield "risk-over-time", _risk_over_time(report, unit)
    yield "reliability", _reliability(report, unit)
    yield "cost", _cost(report, unit)
    yield "lead-time", _lead_time(report)
    yield "contributions", _contributions(report)


def _risk_over_time(report: "ModelReport", unit: str) -> Figure:
    shown = report.courses[:COURSES]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.4 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for place, axes in enumerate(grid.flat):
        if place >= len(shown):
            axes.set_visible(False)
            continue
        course = shown[place]
        axes.plot(course.age, course.probability, color=INK, linewidth=1.2)
        end = f"failed{f' ({course.mode})' if course.mode else ''}" if course.failed else "runs on or was renewed"
        axes.axvline(course.end, color=BAD if course.failed else QUIET, linestyle="-" if course.failed else ":")
        axes.set_title(f"{course.machine}: {end} at {course.end:.4g}", fontsize=8)
        axes.set_ylim(-0.02, 1.02)
        _plain(axes, x=f"age [{unit}]", y="risk" if place % columns == 0 else "")
    more = f"; {len(report.courses)} lives in all" if len(report.courses) > len(shown) else ""
    figure.suptitle(f"Risk of failing within {report.horizon:g} {unit}{more}")
    return figure


def _reliability(report: "ModelReport", unit: str) -> Figure:
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    predicted = np.array([each.predicted for each in report.bins])
    observed = np.array([each.observed for each in report.bins])
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle=":", label="says what happens")
    axes.vlines(predicted, report.band[:, 0], report.band[:, 1], color=INK, alpha=0.35, linewidth=5)
    axes.plot(predicted, observed, "o-", color=INK, label="observed, with 95 % of resampled lives")
    for each in report.bins:
        axes.annotate(f"{each.rows}", (each.predicted, each.observed), fontsize=7, xytext=(4, -9),
                      textcoords="offset points")  # fmt: skip
    axes.set_title(f"Reliability, within {report.horizon:g} {unit} (numbers: readings)")
    axes.legend(frameon=False, fontsize=8)
    _plain(axes, x="predicted probability", y="share that failed")
    return figure


def _cost(report: "ModelReport", unit: str) -> Figure:
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    thresholds = [each.threshold for each in report.outcomes]
    axes.plot(thresholds, [each.cost for each in report.outcomes], color=INK, label="with alerts")
    axes.axhline(report.never, color=QUIET, linestyle=":", label="never alerting")
    best = min(report.outcomes, key=lambda each: each.cost)
    axes.plot(best.threshold, best.cost, "o", color=GOOD)
    axes.set_title(f"Cost by threshold, alerts within {report.horizon:g} {unit}\nleast at {best.threshold:.2f}: "
                   f"{best.sentence}", fontsize=9)  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    _plain(axes, x="an alert opens at this probability", y="cost [currency of the class]")
    return figure


def _lead_time(report: "ModelReport") -> Figure:
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    told = [each for each in report.outcomes if each.leads_h]
    at = [each.threshold for each in told]
    axes.plot(at, [float(np.median(each.leads_h)) for each in told], color=INK, label="median lead")
    axes.plot(at, [float(np.percentile(each.leads_h, 10)) for each in told], color=INK, linestyle=":", label="P10")
    axes.set_title("Lead time of the failures that were caught", fontsize=10)
    _plain(axes, x="an alert opens at this probability", y="lead time [h]")
    counts = axes.twinx()
    caught = [each.caught / each.failures if each.failures else float("nan") for each in report.outcomes]
    counts.plot([each.threshold for each in report.outcomes], caught, color=GOOD, label="share caught")
    counts.set_ylim(-0.02, 1.05)
    counts.set_ylabel("share of failures caught", color=GOOD)
    counts.spines[["top"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def _contributions(report: "ModelReport") -> Figure:
    shown = report.signals[:SIGNALS][::-1]
    figure = Figure(figsize=(6.4, 0.6 + 0.34 * len(shown)), layout="constrained")
    axes = figure.subplots()
    parts = [part for _, _, part in shown]
    axes.barh([f"{signal}, {scale}" if signal != scale else signal for signal, scale, _ in shown], parts,
              color=[BAD if part > 0 else GOOD for part in parts])  # fmt: skip
    axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.set_title("What raises the risk at the end of lives that failed", fontsize=10)
    _plain(axes, x="part of the log hazard above healthy", y="")
    return figure


def _plain(axes: "Axes", *, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
