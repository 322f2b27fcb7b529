"""Commands on the store itself: check, compact, count, let go, delete, back up, ask in SQL, export, import."""

import csv
import re
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from linewright.cli.site import SiteOption, load_folder_site, load_site
from plant.errors import Unavailable

if TYPE_CHECKING:
    from linewright.settings.site import Site
    from store.settings import StoreSettings

store_app = typer.Typer(no_args_is_help=True)

SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400}

Wait = Annotated[float, typer.Option("--wait", min=0, help="How long to wait for a sign of ingest's, if it runs [s].")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.add_typer(
        store_app, name="store", help="The store of readings: stats, verify, compact, retain, delete, backup, restore."
    )
    app.command()(sql)
    app.command()(export)
    app.command("import")(import_files)


@store_app.command()
def verify(site: SiteOption = None) -> None:
    """Read every sealed file against its checksum; name the damaged and set them aside (with ingest stopped)."""
    from store.embedded.care import examine
    from store.embedded.writer import open_writer

    loaded = load_folder_site(site)
    found = list(examine(loaded.data))
    damages = [damage for damage in found if damage is not None]
    for damage in damages:
        span = f"{damage.start:%Y-%m-%d %H:%M:%S}Z to {damage.end:%Y-%m-%d %H:%M:%S}Z"
        typer.echo(f"DAMAGED  {damage.file}: {damage.why}. It held {damage.rows} rows, {span}.")
    typer.echo(f"{len(found) - len(damages)} sound files, {len(damages)} damaged.")
    if not damages:
        return
    if not all(damage.set_aside for damage in damages):
        try:
            with closing(open_writer(loaded.data, plant=loaded.plant, clock=loaded.clock)) as writer:
                writer.set_damaged_aside()
        except Unavailable:
            typer.echo("Ingest is running: stop it and verify again, so that damaged files are set aside.", err=True)
            raise typer.Exit(1) from None
    typer.echo(f"The damaged are in {loaded.data / 'damaged'}; the rest is served. A backup may still hold them.")
    raise typer.Exit(1)


@store_app.command()
def compact(site: SiteOption = None) -> None:
    """Seal and compact everything now; ingest must be stopped (it does this by itself while it runs)."""
    from store.embedded.writer import open_writer

    loaded = load_folder_site(site)
    with closing(open_writer(loaded.data, plant=loaded.plant, clock=loaded.clock, settings=loaded.store)) as writer:
        typer.echo(f"{writer.compact()} segments.")


@store_app.command()
def stats(site: SiteOption = None) -> None:
    """Show how much there is of each machine class, how long it is kept, and what was deleted or let go."""
    from store.embedded.care import counts, removed

    loaded = load_site(site)
    for each in counts(loaded.data):
        span = f"{each.start:%Y-%m-%d %H:%M}Z to {each.end:%Y-%m-%d %H:%M}Z" if each.start and each.end else "empty"
        typer.echo(
            f"{each.machine_class}: {each.rows + each.hot_rows} rows, {span}; {each.segments} segments with "
            f"{each.bytes / 2**20:.1f} MB and {each.rollup_bytes / 2**20:.1f} MB of rollups; "
            f"hot: {each.hot_rows} rows, {each.hot_bytes / 2**20:.1f} MB"
            + (f"; only rollups from {each.rolled_from:%Y-%m-%d %H:%M}Z on" if each.rolled_from else "")
        )
    typer.echo(_kept_words(loaded.store))
    for entry in removed(loaded.data):
        typer.echo(
            f"{entry.at:%Y-%m-%d %H:%M}Z  {entry.what}: {entry.machine or entry.machine_class}, {entry.rows} rows, "
            f"{entry.start:%Y-%m-%d %H:%M}Z to {entry.end:%Y-%m-%d %H:%M}Z"
        )


@store_app.command()
def retain(site: SiteOption = None, wait_s: Wait = 60.0) -> None:
    """Let go now of what is older than [store] raw_days, minute_days, hour_years and revisions_days allow."""
    from linewright.chores import Order, Work, carry_out

    loaded = load_folder_site(site)
    typer.echo(_kept_words(loaded.store))
    outcome = carry_out(loaded, Order(work=Work.RETAIN), wait_s=wait_s, show=_overwrite)
    _conclude(outcome.sentence, done=outcome.done)


@store_app.command()
def delete(
    machines: Annotated[str, typer.Option(help="Names, parted by commas.")],
    start: Annotated[datetime, typer.Option(help="First instant, UTC.")],
    end: Annotated[datetime, typer.Option(help="Last instant, UTC, excluded.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    site: SiteOption = None,
    wait_s: Wait = 60.0,
) -> None:
    """Delete readings for good, also while ingest runs; the store keeps a note of it."""
    from linewright.chores import Order, Work, carry_out

    loaded = load_site(site)
    chosen = _chosen_machines(loaded, machines)
    first, past = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
    if past <= first:
        raise typer.BadParameter(f"{end} is not after {start}", param_hint="--end")
    if not yes:
        typer.echo(
            f"This deletes the readings of {', '.join(chosen)} from {first:%Y-%m-%d %H:%M:%S}Z to before "
            f"{past:%Y-%m-%d %H:%M:%S}Z for good, with rollups and overwritten values. Only a backup has them then."
        )
        typer.confirm("Delete them?", abort=True)
    order = Order(work=Work.DELETE, machines=tuple(chosen), start=first, end=past)
    outcome = carry_out(loaded, order, wait_s=wait_s, show=_overwrite)
    _conclude(outcome.sentence, done=outcome.done)


@store_app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="Folder for this backup; new or empty.")],
    site: SiteOption = None,
) -> None:
    """Copy store and records as they are at one instant, also while everything runs."""
    from store.embedded.care import back_up

    typer.echo(f"{target}: both databases and {back_up(load_site(site).data, target)} files.")


@store_app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="Folder that `linewright store backup` wrote.")],
    site: SiteOption = None,
) -> None:
    """Put a backup where this site has no store yet."""
    from store.embedded.care import restore as put_back

    data = load_site(site).data
    typer.echo(f"{data}: both databases and {put_back(source, data)} files. Start with `linewright run`.")


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT; a view per machine class, e.g. FROM press.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show as a table.")] = 1_000,
    site: SiteOption = None,
) -> None:
    """Ask the store in SQL (DuckDB, read-only).

    `<class>` has one row per instant, `<class>_rows` each row as received, `<class>_states` each state and how long it
    held, `<class>_1min` and `<class>_1h` the rollups.
    """
    from store.sql import SqlError, ask

    loaded = load_folder_site(site)
    try:
        answer = ask(loaded.data, statement, plant=loaded.plant)
        if as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(answer.columns)
            writer.writerows(answer.rows)
            return
        rows = [["" if value is None else str(value) for value in row] for row in islice(answer.rows, limit)]
    except SqlError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    widths = [max(map(len, column)) for column in zip(answer.columns, *rows, strict=True)]
    for row in (list(answer.columns), ["-" * width for width in widths], *rows):
        typer.echo("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
    if len(rows) == limit:
        typer.echo(f"The first {limit} rows; --limit or --csv gives more.", err=True)


def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    machines: Annotated[str | None, typer.Option(help="Names, parted by commas; default: all.")] = None,
    signals: Annotated[str | None, typer.Option(help="Names, parted by commas; default: all.")] = None,
    start: Annotated[datetime | None, typer.Option(help="First instant, UTC; default: the oldest.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Last instant, UTC, excluded; default: past the newest.")] = None,
    kind: Annotated[str, typer.Option("--format", help="csv, parquet or arrow.")] = "csv",
    step: Annotated[str, typer.Option(help="Grain, e.g. 30s, 10min, 1h or 1d; default: each reading.")] = "",
    aggregation: Annotated[
        str, typer.Option(help="With --step: mean, min, max, sum, last, integral (unit x h), or duration of states.")
    ] = "mean",
    site: SiteOption = None,
) -> None:
    """Write readings into one file, as they were told or by steps."""
    from linewright.wiring import open_store
    from plant.signals import Aggregation
    from store.exporting import Format
    from store.exporting import export as write

    loaded = load_site(site)
    if kind not in list(Format):
        raise typer.BadParameter(f"{kind}; there are {', '.join(Format)}", param_hint="--format")
    if aggregation not in list(Aggregation):
        raise typer.BadParameter(f"{aggregation}; there are {', '.join(Aggregation)}", param_hint="--aggregation")
    if not step and aggregation != Aggregation.MEAN:
        raise typer.BadParameter(f"{aggregation} is of steps; name one with --step", param_hint="--aggregation")
    grain = _step(step) if step else None
    chosen = _chosen_machines(loaded, machines)
    first, past = _range(loaded.data, start, end)
    store = open_store(loaded)
    try:
        with typer.progressbar(length=1000, label=str(output), file=sys.stderr) as bar:
            rows = write(
                store,
                output,
                plant=loaded.plant,
                machines=chosen,
                signals=signals.split(",") if signals else None,
                start=first,
                end=past,
                kind=Format(kind),
                step=grain,
                aggregation=Aggregation(aggregation),
                progress=partial(_advance, bar),
            )
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--signals") from None
    finally:
        store.close()
    typer.echo(f"{output}: {rows} rows, {first:%Y-%m-%d %H:%M:%S}Z to {past:%Y-%m-%d %H:%M:%S}Z.")


def import_files(
    files: Annotated[list[Path], typer.Argument(help="CSV (.csv, .csv.gz) or Parquet files.")],
    mapping: Annotated[Path | None, typer.Option(help="TOML: which column is what; default: as exported.")] = None,
    site: SiteOption = None,
    wait_s: Wait = 60.0,
) -> None:
    """Fill the store from files of history, also while ingest runs; the same file again doubles nothing."""
    from linewright.chores import Order, Work, carry_out
    from store.importing import load_mapping

    loaded = load_site(site)
    if missing := [str(file) for file in files if not file.is_file()]:
        raise typer.BadParameter(f"no file {', '.join(missing)}", param_hint="FILES")
    if mapping is not None:
        load_mapping(mapping)
    order = Order(
        work=Work.IMPORT,
        files=tuple(str(file.absolute()) for file in files),
        mapping="" if mapping is None else str(mapping.absolute()),
    )
    outcome = carry_out(loaded, order, wait_s=wait_s, show=_overwrite)
    _conclude(outcome.sentence, done=outcome.done)


def _step(text: str) -> timedelta:
    """A length of time as a person writes it."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)", text.strip())
    length = timedelta(seconds=float(found[1]) * SECONDS[found[2]]) if found else timedelta(0)
    if length <= timedelta(0):
        raise typer.BadParameter(f"{text!r}; a number with s, min, h or d, e.g. 10min", param_hint="--step")
    return length


def _advance(bar: Any, share: float) -> None:
    bar.update(round(share * 1000) - bar.pos)


def _overwrite(text: str) -> None:
    """Progress on one line of a terminal, nothing elsewhere."""
    if sys.stderr.isatty():
        typer.echo(f"\r\x1b[K{text}", nl=False, err=True)


def _conclude(sentence: str, *, done: bool) -> None:
    if sys.stderr.isatty():
        typer.echo("\r\x1b[K", nl=False, err=True)
    typer.echo(sentence, err=not done)
    if not done:
        raise typer.Exit(1)


def _chosen_machines(site: "Site", names: str | None) -> list[str]:
    """Those named, parted by commas; None: all."""
    chosen = names.split(",") if names else [machine.name for machine in site.plant.machines]
    if unknown := [machine for machine in chosen if machine not in site.plant.machine_index]:
        known = ", ".join(site.plant.machine_index)
        raise typer.BadParameter(f"{', '.join(unknown)}; there are {known}", param_hint="--machines")
    return chosen


def _kept_words(settings: "StoreSettings") -> str:
    """How long what is kept."""

    def span(value: float | None, unit: str) -> str:
        return "for ever" if value is None else f"{value:g} {unit}"

    return (
        f"Kept: readings {span(settings.raw_days, 'days')}, then rollups by the minute "
        f"{span(settings.minute_days, 'days')} and by the hour {span(settings.hour_years, 'years')}; overwritten "
        f"values {span(settings.revisions_days, 'days')} ([store] in linewright.toml)."
    )


def _range(data: Path, start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """What is asked for, or all there is."""
    from store.embedded.care import counts

    found = [each for each in counts(data) if each.start is not None and each.end is not None]
    first = min((each.start for each in found if each.start), default=datetime.now(UTC))
    last = max((each.end for each in found if each.end), default=first)
    return (
        first if start is None else start.replace(tzinfo=UTC),
        last + timedelta(microseconds=1) if end is None else end.replace(tzinfo=UTC),
    )
