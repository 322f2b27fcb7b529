"""The commented linewright.toml that `linewright init` writes: the canonical plant, simulated, ready to run."""

import json
from importlib.resources import files
from pathlib import Path

from analytics.model_settings import QUICK, ModelSettings
from plant.errors import ConfigError, Fault

CONFIG_NAME = "linewright.toml"
BROKER_PORT = 18830
"""Beside 1883, which an installed broker may already have."""
CONSOLE_PORT = 8420


def template_text(*, broker_port: int = BROKER_PORT, console_port: int = CONSOLE_PORT, demo: bool = False) -> str:
    """The configuration of the canonical plant with these ports."""
    text = files("linewright.settings").joinpath("template.toml").read_text(encoding="utf-8")
    for written, wanted in (
        ("\n# (model settings)\n", f"\n{_model_lines()}\n"),
        (f"\nport = {BROKER_PORT}\n", f"\nport = {broker_port}\n"),
        (f"\nport = {CONSOLE_PORT}\n", f"\nport = {console_port}\n"),
        ("\ndemo = false ", f"\ndemo = {str(demo).lower()} "),
    ):
        if text.count(written) != 1:
            raise AssertionError(f"the packaged template has no single line {written.strip()!r}")
        text = text.replace(written, wanted)
    return text


def write_template(
    folder: Path, *, broker_port: int = BROKER_PORT, console_port: int = CONSOLE_PORT, demo: bool = False
) -> Path:
    """Write linewright.toml into a folder, which is made if it is not there; an existing file is never replaced.

    Raises:
        ConfigError: There is one already, or the folder cannot be written.
    """
    path = folder / CONFIG_NAME
    text = template_text(broker_port=broker_port, console_port=console_port, demo=demo)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        found = "a file that is already there" if path.exists() else "a file where the folder should be"
        expected = "nothing was changed; choose another folder, or move it away first"
        raise ConfigError((Fault(where=str(path), found=found, expected=expected),)) from None
    except OSError as error:
        expected = "choose a folder that this user may write"
        raise ConfigError((Fault(where=str(path), found=error.strerror or str(error), expected=expected),)) from None
    return path


def _model_lines() -> str:
    """What the quick model sets otherwise than the defaults, as TOML."""
    usual = ModelSettings.model_validate({}).model_dump(mode="json")
    quick = QUICK.model_dump(mode="json")
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in quick.items() if value != usual[key])
