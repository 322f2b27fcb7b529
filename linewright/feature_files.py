"""`linewright model features`: what the risk models see of months of readings, as Parquet files."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from analytics import registry
from analytics.feature_table import feature_table
from analytics.lives import Life
from analytics.model_settings import ModelSettings
from analytics.normalise import Normaliser, fit_normaliser
from linewright.cluster import Spread, spreading
from linewright.settings.site import Site
from linewright.training import SEED, lives_of_site
from plant.clock import instant
from plant.errors import ConfigError, Fault

LEAST_ROWS: Final = 2
"""Shorter lives say nothing."""


def write_features(site: Site, *, out: Path, only: str, progress: Callable[[float, str], None]) -> list[str]:
    """Build the features of every life in the store: a file per life, in a folder per machine class.

    Args:
        site: Configuration.
        out: Folder; new, or of an earlier run, whose files of the same lives are replaced.
        only: Name of the one class; empty: all.
        progress: Receives the share done [0..1] and what is being done.

    Returns:
        A sentence per class.

    Raises:
        ConfigError: There is no such class, or a folder or model that cannot be used.
        Unavailable: The store, or the cluster, cannot be used.
    """
    if only and only not in site.plant.class_index:
        known = ", ".join(site.plant.class_index)
        raise ConfigError((Fault(where="--class", found=repr(only), expected=f"one of {known}"),))
    with spreading(site) as spread:
        lives = lives_of_site(site, spread=spread, only=only)
        return [
            _write_class(site, name, mine, out=out / name, spread=spread, progress=_part(progress, index, len(lives)))
            for index, (name, mine) in enumerate(lives.items())
        ]


def _write_class(
    site: Site,
    name: str,
    lives: Sequence[Life],
    *,
    out: Path,
    spread: Spread,
    progress: Callable[[float, str], None],
) -> str:
    usable = [life for life in lives if len(life) >= LEAST_ROWS]
    if not usable:
        return f"{name}: no life with readings in the store; nothing was written."
    normaliser, settings, whose = _looking(site, name, usable)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fault = Fault(where=str(out), found=error.strerror or str(error), expected="a folder that this user may write")
        raise ConfigError((fault,)) from None
    rows = columns = 0
    tables = spread(partial(feature_table, normaliser=normaliser, settings=settings), usable)
    for index, (life, table) in enumerate(zip(usable, tables, strict=True), start=1):
        began = instant(int(life.observed_at_us[0]))
        file = out / f"{life.machine.replace('/', '%2F')}-{began:%Y%m%dT%H%M%S}.parquet"
        draft = file.with_name(f"{file.name}.unfinished")
        table.to_parquet(draft, index=False)
        draft.replace(file)
        rows, columns = rows + len(table), table.shape[1]
        progress(index / len(usable), f"{name}: {index} of {len(usable)} lives")
    failed = sum(life.failed for life in usable)
    return f"{out}: {len(usable)} lives ({failed} failed), {rows} rows, {columns} columns, {whose}."


def _looking(site: Site, name: str, lives: Sequence[Life]) -> tuple[Normaliser, ModelSettings, str]:
    """Through whose eyes: the current model's, or, without one, those that training would begin with."""
    model = registry.load_current(name, folder=site.data / "models")
    if model is not None:
        return model.normaliser, model.settings, f"as {model.version} sees them"
    return fit_normaliser(lives, settings=site.model, seed=SEED), site.model, "normalised by these lives"


def _part(progress: Callable[[float, str], None], index: int, count: int) -> Callable[[float, str], None]:
    return lambda share, text: progress((index + share) / count, text)
