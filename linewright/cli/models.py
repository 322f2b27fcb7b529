"""`linewright model ...`: train, score, evaluate, explain, features, list, promote, roll back."""

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from linewright.cli.site import SiteOption, load_site
from plant.errors import ConfigError, Fault

if TYPE_CHECKING:
    from linewright.datasets import Explained

app = typer.Typer(no_args_is_help=True)

ModelFolder = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a model, as `train DIR --out` wrote it.")]
DataFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Data folder: readings, failures.csv, labels.csv, dataset.toml.")
]
Horizons = Annotated[
    str, typer.Option(help="Spans to ask for, in the folder's time unit, e.g. 10,30,60; default: as trained.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command()
def train(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Data folder: readings.csv[.gz] or .parquet (machine, cycle or observed_at, a column per signal), "
            "failures.csv (machine, failed_at[, mode]), maintenance.csv (machine, maintained_at), "
            "labels.csv (machine, time or row, label 0 or 1), dataset.toml (signals, settings, time_unit, cycle_h, "
            "horizons, normal_rows). Left out: the lives in the site's store.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With DIR: the folder for the model.")] = None,
    horizons: Horizons = "",
    without_age: Annotated[bool, typer.Option("--without-age", help="With DIR: let the readings alone speak.")] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="With DIR: networks in the ensemble, each of its own seed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="With DIR: seed of everything random.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="With DIR: CPU threads.")] = 1,
    as_json: AsJson = False,
    site: SiteOption = None,
    machine_class: Annotated[str, typer.Option("--class", help="Only this machine class; default: all.")] = "",
    recorded: Annotated[
        Path | None, typer.Option(help="Train --class on recorded files by this mapping instead of the store.")
    ] = None,
    source: Annotated[Path | None, typer.Option(help="Folder of the recorded files.")] = None,
) -> None:
    """Train on a data folder into --out, or on the lives in the site's store, where the model becomes current."""
    if folder is not None:
        from analytics.model_settings import AgeInput
        from linewright.datasets import FolderTraining, train_folder

        if out is None:
            raise ConfigError((Fault(where="--out", found="nothing", expected="a folder for the model"),))
        how = FolderTraining(
            horizons=_spans(horizons),
            age=AgeInput.WITHOUT if without_age else AgeInput.WITH,
            members=seeds,
            seed=seed,
            threads=threads,
        )
        with _progress(f"Reading {folder.name}") as show:
            told = train_folder(folder, out=out, how=how, progress=show)
        typer.echo(json.dumps(told, indent=2) if as_json else _trained(told))
        return
    from linewright.recorded import train_on_recording
    from linewright.training import train_site

    loaded = load_site(site)
    with _progress("Reading lives from the store") as show:
        if recorded is not None:
            sentences = train_on_recording(
                loaded, mapping=recorded, source=source, machine_class=machine_class, progress=show
            )
        else:
            sentences = train_site(loaded, progress=show, only=machine_class)
    for sentence in sentences:
        typer.echo(sentence)


@app.command()
def score(
    model: ModelFolder,
    folder: DataFolder,
    out: Annotated[Path, typer.Option(help="File for a row per reading: .csv, .csv.gz or .parquet.")],
    horizons: Horizons = "",
    contributions: Annotated[
        bool, typer.Option("--contributions", help="Add a column per signal and time scale.")
    ] = False,
) -> None:
    """Score every reading of a data folder: probability per horizon, remaining life, anomaly p-value, label."""
    from linewright.datasets import score_folder

    typer.echo(score_folder(model, folder=folder, out=out, horizons=_spans(horizons), split=contributions))


@app.command()
def evaluate(
    model: ModelFolder,
    folder: DataFolder,
    horizons: Horizons = "",
    cap: Annotated[
        float | None, typer.Option(min=0.001, help="Count longer remaining lives as this long, in the time unit.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a model with the failures and labels of a data folder; with reliability, Brier score and ECE."""
    from linewright.datasets import evaluate_folder

    metrics = evaluate_folder(model, folder=folder, horizons=_spans(horizons), cap=cap)
    if as_json:
        typer.echo(json.dumps(metrics, indent=2))
        return
    for name, value in metrics.items():
        if isinstance(value, list):
            typer.echo(f"{name.replace('_', ' ')}: predicted, observed, rows")
            for part in value:
                typer.echo(f"    {part['predicted']:>8.4f} {part['observed']:>8.4f} {part['rows']:>9}")
        else:
            typer.echo(f"{name.replace('_', ' '):<36} {value:.4g}")


@app.command()
def explain(
    model: ModelFolder,
    folder: DataFolder,
    machine: Annotated[str, typer.Option(help="Machine to explain, at its newest reading.")],
    horizon: Annotated[float | None, typer.Option(help="Span of the risk, in the time unit.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say which signals make a machine's risk, and by how much."""
    from dataclasses import asdict

    from linewright.datasets import explain_folder

    told = explain_folder(model, folder=folder, machine=machine, horizon=horizon)
    if as_json:
        typer.echo(json.dumps(asdict(told), indent=2, default=str))
        return
    for line in _explained(told):
        typer.echo(line)


@app.command()
def features(
    out: Annotated[Path, typer.Option(help="Folder for a Parquet file per life, by machine class.")],
    machine_class: Annotated[str, typer.Option("--class", help="Only this machine class; default: all.")] = "",
    site: SiteOption = None,
) -> None:
    """Build what the models see of every life in the site's store; on the cluster of [cluster], where there is one."""
    from linewright.feature_files import write_features

    loaded = load_site(site)
    with _progress("Reading lives from the store") as show:
        sentences = write_features(loaded, out=out, only=machine_class, progress=show)
    for sentence in sentences:
        typer.echo(sentence)


@app.command("list")
def list_versions(site: SiteOption = None) -> None:
    """List the registered models with their metrics; * marks the current one."""
    from linewright.training import describe_models

    for line in describe_models(load_site(site)):
        typer.echo(line)


@app.command()
def history(site: SiteOption = None) -> None:
    """List which version was put in use when, how and by whom, newest first."""
    from linewright.training import describe_uses

    for line in describe_uses(load_site(site)):
        typer.echo(line)


@app.command()
def promote(
    machine_class: Annotated[str, typer.Argument(help="Machine class.")],
    version: Annotated[str, typer.Argument(help="Version, as `linewright model list` shows it.")],
    by: Annotated[str, typer.Option(help="Who does it; default: the user of this terminal.")] = "",
    site: SiteOption = None,
) -> None:
    """Make a registered version the current one."""
    from linewright.training import promote_version

    typer.echo(
        promote_version(load_site(site), machine_class=machine_class, version=version, by=by or getpass.getuser())
    )


@app.command()
def rollback(
    machine_class: Annotated[str, typer.Argument(help="Machine class.")],
    by: Annotated[str, typer.Option(help="Who does it; default: the user of this terminal.")] = "",
    site: SiteOption = None,
) -> None:
    """Make the version before the current one current again."""
    from linewright.training import roll_back

    typer.echo(roll_back(load_site(site), machine_class=machine_class, by=by or getpass.getuser()))


@contextmanager
def _progress(text: str) -> Iterator[Callable[[float, str], None]]:
    """A bar on stderr, so that --json stays clean."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<48}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(text, total=1.0)
        yield lambda fraction, now: bar.update(task, completed=fraction, description=now)


def _spans(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigError((Fault(where="--horizons", found=repr(text), expected="numbers, e.g. 10,30,60"),)) from None


def _explained(told: "Explained") -> list[str]:
    lines = []
    if told.horizon is not None and told.probability is not None:
        chance = f"{told.probability:.1%}".replace("%", " %")
        lines.append(f"{told.machine}: fails within {told.horizon:g} with {chance}")
        lines += [f"  {told.reason}"] if told.reason else []
        lines += [f"  {evidence.sentence}" for evidence in told.evidence]
        lines += [f"  {told.nearest}"] if told.nearest else []
    if told.anomaly_p is not None:
        lines.append(f"{told.machine}: anomaly p-value {told.anomaly_p:.3g} (share of normal operation this unusual)")
        lines += [f"  {evidence.sentence}" for evidence in told.unusual]
    if told.label_probability is not None:
        lines.append(f"{told.machine}: labelled anomalous with {told.label_probability:.1%}".replace("%", " %"))
        most = list(told.label_parts.items())[:5]
        lines += [f"  {name}: {part:+.2f} log odds against a normal reading" for name, part in most]
    return lines


def _trained(told: dict[str, Any]) -> str:
    lines = [f"{told['machine_class']}: wrote {told['model']} ({told['version']}; heads: {', '.join(told['heads'])})."]
    if "metrics" in told:
        metrics = told["metrics"]
        trust = "calibrated" if told["calibrated"] else "uncalibrated: too few failures"
        lines.append(
            f"Failure risk ({trust}), from {metrics['failures']:.0f} failures in {metrics['lives']:.0f} lives; on "
            f'held-out lives, for "fails within {metrics["horizon_units"]:.3g} {told["unit"]}": average precision '
            f"{metrics['average_precision']:.3f} at a prevalence of {metrics['prevalence']:.3f}, "
            f"Brier {metrics['brier']:.4f}."
        )
    if "normality" in told:
        normal = told["normality"]
        lines.append(
            f"Normality, from {normal['normal_readings']:.0f} normal readings, calibrated on "
            f"{normal['calibration_blocks']:.0f} held-out blocks."
        )
    if "labels" in told:
        labels = told["labels"]
        lines.append(
            f"Labels, from {labels['labelled_anomalous']:.0f} anomalous and {labels['labelled_normal']:.0f} normal "
            f"readings; on held-out ones average precision {labels['average_precision']:.3f} at a prevalence of "
            f"{labels['prevalence']:.3f}, Brier {labels['brier']:.4f}."
        )
    lines += [f"Without {sentence}." for sentence in told["absent"]]
    lines += [f"{note}." for note in told["notes"]]
    return "\n".join(lines)
