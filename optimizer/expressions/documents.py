"""A model's file as plain tables: TOML, or YAML without anything but text, numbers, lists and tables."""

import tomllib
from pathlib import PurePath
from typing import Any, Final

import yaml

from plant.errors import DataError, Fault

YAML_ENDINGS: Final = (".yaml", ".yml")
MOST_LETTERS: Final = 1_000_000


def read_document(text: str, *, where: str) -> dict[str, Any]:
    """The tables of a model's file, read as its ending says. Raises DataError where it is no such file.

    YAML's anchors are refused: a few lines of them can stand for more than any memory holds.
    """
    if len(text) > MOST_LETTERS:
        raise _fault(where, f"{len(text)} letters", f"at most {MOST_LETTERS} are read.")
    if PurePath(where).suffix.lower() not in YAML_ENDINGS:
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise _fault(where, str(error), "a TOML document.") from error
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise _fault(where, "an alias (*)", "write it out; anchors and aliases are not read.")
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _fault(where, str(error), "a YAML document.") from error
    if not isinstance(document, dict):
        raise _fault(where, type(document).__name__, "a table with `maximize` or `minimize` and `variables`.")
    return document


def _fault(where: str, found: str, expected: str) -> DataError:
    return DataError((Fault(where=where, found=found[:200], expected=expected),))
