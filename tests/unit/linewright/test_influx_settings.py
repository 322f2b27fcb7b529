"""The `[influx]` section: it brings the role `mirror`, and its token stays secret."""

from pathlib import Path

import pytest

from linewright.service import roles_of
from linewright.settings.loading import load
from linewright.settings.template import write_template
from plant.errors import ConfigError
from store.influx.settings import InfluxSettings

DEPLOY = Path(__file__).resolve().parents[3] / "deploy" / "linewright.toml"


def with_section(folder: Path, section: str) -> Path:
    path = write_template(folder)
    path.write_text(path.read_text() + section)
    return path


def test_mirror_is_a_role_only_with_the_section(tmp_path: Path) -> None:
    assert "mirror" not in roles_of(load(write_template(tmp_path / "without"), {}))
    site = load(with_section(tmp_path, "\n[influx]\n"), {"LINEWRIGHT_INFLUX__TOKEN": "s3cret"})
    assert roles_of(site)[-2:] == ("mirror", "simulate")
    assert site.influx is not None
    assert site.influx.token_text() == "s3cret"
    assert "s3cret" not in repr(site)


def test_token_is_found_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    path = with_section(tmp_path, '\n[influx]\ntoken_file = "influx_token"\n')
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path, {})
    (tmp_path / "influx_token").write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        load(path, {})
    (tmp_path / "influx_token").write_text("from file\n")
    site = load(path, {})
    assert site.influx is not None
    assert site.influx.token_text() == "from file"


def test_token_in_plain_text_is_a_fault_that_does_not_repeat_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LINEWRIGHT_INFLUX__TOKEN") as caught:
        load(with_section(tmp_path, '\n[influx]\ntoken = "s3cret"\n'), {})
    assert "s3cret" not in str(caught.value)


def test_deployed_section_shows_the_defaults(tmp_path: Path) -> None:
    text = DEPLOY.read_text()
    start = text.index("# [influx]")
    block = text[start : text.index("\n\n", start)]
    keys = [line.removeprefix("# ") for line in block.splitlines() if " = " in line and line[2:3].islower()]
    shown = [line for line in keys if not line.startswith("token_file")]
    site = load(with_section(tmp_path, "\n[influx]\n" + "\n".join(shown) + "\n"), {})
    assert site.influx == InfluxSettings()
    assert len(shown) == len(InfluxSettings.model_fields) - 2
