"""What pydantic found, as sentences for the author of the configuration."""

import inspect
from collections.abc import Iterable
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from linewright.settings.toml import Path
from linewright.settings.words import closest, shown

_KINDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "text in quotes",
    "tuple": "an array",
    "list": "an array",
    "dict": "a table",
    "model": "a table",
    "datetime": "a time such as 2026-12-24T14:00:00",
    "path": "a file name in quotes",
}
_BOUNDS: Final = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def describe(error: ErrorDetails, *, model: type[BaseModel]) -> tuple[Path, str, str]:
    """Where below the model, what was found, and what would be right."""
    path: Path = tuple(part for part in error["loc"] if part != "function-plain")
    owner, field = field_at(model, path)
    kind, context = error["type"], error.get("ctx", {})
    about = f" ({field.description.rstrip('.')})" if field is not None and field.description else ""
    if kind == "missing":
        return path, "nothing", f"`{path[-1]}` is required{about}"
    if kind == "extra_forbidden":
        known = keys_of(owner)
        hint = closest(path[-1], known) or f"; known here are {', '.join(known)}"
        return path, f"the key {path[-1]!r}", f"there is no such key{hint}"
    found = shown(error["input"])
    if kind in ("value_error", "assertion_error"):
        text = str(context.get("error", error["msg"]))
        return path, "these values together" if isinstance(error["input"], dict) else found, text
    if kind in ("enum", "literal_error"):
        choices = [choice.strip(" '") for choice in str(context["expected"]).replace(" or ", ", ").split(",")]
        return path, found, f"must be one of {', '.join(choices)}{closest(error['input'], choices)}"
    for key, bound in _BOUNDS.items():
        if key in context:
            return path, found, f"must be {bound} {context[key]}{about}"
    if kind == "string_pattern_mismatch":
        return path, found, f"must fit the pattern {context['pattern']}{about}"
    if kind in ("too_short", "string_too_short"):
        least = context.get("min_length", 1)
        return path, found, f"must have at least {least} {'character' if 'string' in kind else 'item'}{about}"
    if kind in ("too_long", "string_too_long"):
        return path, found, f"must have at most {context.get('max_length')} characters or items{about}"
    word = _KINDS.get(kind.split("_")[0])
    return path, found, f"must be {word}{about}" if word else error["msg"]


def keys_of(model: type[BaseModel] | None) -> list[str]:
    """The keys that a table of this model may have, as the author writes them."""
    return [field.alias or name for name, field in model.model_fields.items()] if model is not None else []


def field_at(model: type[BaseModel], path: Path) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The model that holds the last key of a path, and that key's field where there is one."""
    owner: type[BaseModel] | None = model
    inner: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for part in path:
        if isinstance(part, int):
            continue
        owner, field = inner, None
        for name, candidate in (inner.model_fields if inner is not None else {}).items():
            if part in (name, candidate.alias):
                field = candidate
        inner = next(iter(_models_in([field.annotation])), None) if field is not None else None
    return owner, field


def _models_in(annotations: Iterable[Any]) -> Iterable[type[BaseModel]]:
    for annotation in annotations:
        if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
            yield annotation
        yield from _models_in(get_args(annotation))
