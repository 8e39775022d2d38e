"""Recipes as TOML: those that come along, those of a user, and single settings in their place."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from repro.exceptions import UsageError
from repro.results.typed import check_types
from repro.suggestions import suggest, suggest_of_all
from repro.training.recipe import Recipe, refuse_numbers

_T = TypeVar("_T")


def find_recipe(
    name: str, settings: Sequence[str] = (), settled: Mapping[str, str] = MappingProxyType({})
) -> Recipe:
    """The recipe called `name`, or in the file `name`, with `settings` (`schedule.epochs=5`) in its place.

    `settled` are keys that no setting may have, and who says them instead.

    Raises:
        UsageError: there is none, or something in it cannot be meant; the choices are in the message.
    """
    known = _known()
    path = Path(name)
    if name in known:
        values = known[name]
    elif path.suffix == ".toml" and path.is_file():
        values = _read(_text(path), str(path))
    else:
        raise UsageError(f"unknown recipe {name!r}; {suggest_of_all(name, known)}, or FILE.toml")
    for setting in settings:
        differences = _setting(setting)
        for key in settled.keys() & _keys(differences):
            raise UsageError(f"--set {key} has no effect here; it is settled by {settled[key]}")
        values = _merged(values, differences)
    return refuse_numbers(_built(Recipe, {"name": path.stem, **values}, ""))


def _known() -> dict[str, dict[str, Any]]:
    """The recipes that come along, and their variants, by name."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(files("repro.training").joinpath("recipes").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".toml"):
            continue
        values = _read(file.read_text(encoding="utf-8"), file.name)
        variants = values.pop("variant", {})
        found[values["name"]] = values
        for name, differences in variants.items():
            found[name] = _merged(values, {**differences, "name": name})
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as text in UTF-8: {error}") from None


def _read(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is no TOML: {error}") from None


def _setting(text: str) -> dict[str, Any]:
    """`schedule.epochs=5` as nested tables; a value that is no TOML is taken for a text."""
    path, equals, value = text.partition("=")
    if not (path and equals):
        raise UsageError(f"--set {text!r} is not of the form KEY=VALUE", hint="--set schedule.epochs=5")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    for key in reversed(path.split(".")):
        parsed = {key: parsed}
    return dict(parsed)


def _keys(values: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """Of nested tables: `schedule.epochs`."""
    for key, value in values.items():
        yield f"{where}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{where}{key}.")


def _merged(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, other in others.items():
        both = isinstance(merged.get(key), dict) and isinstance(other, dict)
        merged[key] = _merged(merged[key], other) if both else other
    return merged


def _built(kind: type[_T], values: Mapping[str, Any], where: str) -> _T:
    """A dataclass of TOML's values: every key known, none missing, every value of its type."""
    hints = get_type_hints(kind)
    for key in values:
        if key not in hints:
            raise UsageError(f"recipe: unknown key {where}{key}; {suggest(key, hints)}")
    built: dict[str, Any] = {}
    for key, value in values.items():
        wanted = hints[key]
        if isinstance(wanted, type) and is_dataclass(wanted):
            if not isinstance(value, dict):
                raise UsageError(f"recipe: {where}{key} is no table: write [{key}]")
            built[key] = _built(wanted, value, f"{where}{key}.")
        else:
            built[key] = tuple(value) if isinstance(value, list) else value
            _check(built[key], wanted, f"{where}{key}")
    try:
        return kind(**built)
    except TypeError as error:
        missing = str(error).partition("argument")[2].lstrip("s: ")
        raise UsageError(f"recipe: {where or 'the recipe'} lacks {missing}") from None


def _check(value: Any, wanted: Any, name: str) -> None:
    if isinstance(wanted, UnionType):  # a text or several: by what there is
        wanted = next(
            (kind for kind in get_args(wanted) if (get_origin(kind) or kind) is type(value)), wanted
        )
    try:
        check_types(value, wanted, name)
    except (TypeError, ValueError) as error:
        told = str(error) if name in str(error) else f"{name} is {value!r}, of another length"
        raise UsageError(f"recipe: {told}") from None
