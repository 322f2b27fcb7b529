"""How every command finds its site: `--site DIR`, else the current folder."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plant.errors import Unavailable

if TYPE_CHECKING:
    from linewright.settings.site import Site

SiteOption = Annotated[
    Path | None, typer.Option("--site", metavar="DIR", help="Folder with linewright.toml; default: the current folder.")
]


def load_site(folder: Path | None) -> "Site":
    """Load the site's configuration with the environment's overrides and the instance's clock.

    Raises:
        ConfigError: With every fault of the configuration.
    """
    from linewright.wiring import open_site

    return open_site((folder or Path()).absolute(), environ=os.environ)


def load_folder_site(folder: Path | None) -> "Site":
    """As `load_site`, for what works on readings in the folder. Raises Unavailable where they are kept elsewhere."""
    from linewright.settings.shell import StoreKind

    loaded = load_site(folder)
    if loaded.keeps is not StoreKind.EMBEDDED:
        assert loaded.influx is not None
        raise Unavailable(
            f"The readings of this site are in InfluxDB at {loaded.influx.address} (store.kind), and no files of "
            "Linewright's. Use that server's own tools; `linewright export` works on both."
        )
    return loaded
