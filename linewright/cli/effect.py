"""`linewright effect`: stops, energy, scrap, cost and CO2 since a date, against a frozen baseline before it."""

import json
from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from linewright.cli.site import SiteOption, load_site
from plant.errors import ConfigError, Fault

BASELINE_NOTE = "effect_baseline"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(effect)


def effect(
    since: Annotated[str, typer.Option(metavar="DATE", help="First local day that counts as since, e.g. 2026-11-01.")],
    baseline_days: Annotated[int, typer.Option(min=1, max=366, help="Length of the baseline before it [day].")] = 28,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    site: SiteOption = None,
) -> None:
    """Say whether it paid: the days since a date against those before, with a 95 % interval.

    The baseline's days are kept when first asked for: later corrections of readings or prices do not move it.
    """
    from linewright.effect import effect_text, measure_effect
    from linewright.effect_days import Day, read_days
    from linewright.wiring import open_records, open_store

    loaded = load_site(site)
    first = _date(since)
    today = loaded.clock.now().astimezone(ZoneInfo(loaded.plant.timezone)).date()
    if first >= today:
        expected = f"a local day before {today.isoformat()}, so that a whole day has passed."
        raise ConfigError((Fault(where="--since", found=since, expected=expected),))
    records, store = open_records(loaded), open_store(loaded)
    key = f"{BASELINE_NOTE}:{first.isoformat()}:{baseline_days}"
    try:
        renewals = records.maintenance()
        kept = records.noted(key)
        if kept is None:
            start = first - timedelta(days=baseline_days)
            before = list(read_days(loaded, store=store, renewals=renewals, first=start, last=first))
            if before:
                frozen_at = loaded.clock.now().isoformat(timespec="seconds")
                records.note(key, {"frozen_at": frozen_at, "days": msgspec.to_builtins(before)})
        else:
            before = msgspec.convert(kept["days"], type=list[Day])
        after = list(read_days(loaded, store=store, renewals=renewals, first=first, last=today))
    finally:
        store.close()
        records.close()
    found = measure_effect(before, after, currency=loaded.plant.currency)
    frozen = None if kept is None else kept["frozen_at"]
    if as_json:
        document = {**msgspec.to_builtins(found), "since": first.isoformat(), "baseline_frozen_at": frozen}
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(effect_text(found))
    if frozen is not None:
        typer.echo(f"The baseline was frozen at {frozen}.")


def _date(text: str) -> date:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise ConfigError((Fault(where="--since", found=text, expected="a date such as 2026-11-01."),)) from None
