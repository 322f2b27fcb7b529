"""How every command finds its site: `--site DIR`, else the current folder."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
