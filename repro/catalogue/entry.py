"""An entry of a TOML file; whatever is wrong with it is told with the file and the entry named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from repro.catalogue.models import find_model
from repro.exceptions import UsageError
from repro.suggestions import suggest


@dataclass(frozen=True, slots=True)
class Entry:
    """`values` as they stand in `file`; `name` is how a person finds them there."""

    file: str
    name: str
    values: Mapping[str, Any]

    def refused(self, what: str) -> UsageError:
        return UsageError(f"{self.file}: {self.name}: {what}")

    def has(self, key: str) -> bool:
        return key in self.values

    def only(self, *known: str) -> None:
        """Refuses a key that nobody reads: what stands there would count for nothing, without a word."""
        for key in self.values:
            if key not in known:
                raise self.refused(f"unknown key {key!r}; {suggest(key, known)}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if value is None:
            raise self.refused(f"{key!r} is missing")
        if not isinstance(value, str):
            raise self.refused(f"{key!r} is {value!r}, which is no text (numbers as printed stand in quotes)")
        return value

    def number(self, key: str) -> Decimal:
        """A number as printed: a text, whose digits are kept."""
        return self.as_number(key, self.text(key))

    def as_number(self, key: str, text: str) -> Decimal:
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise self.refused(f"{key!r} is {text!r}, which is no number") from None
        if not value.is_finite():
            raise self.refused(f"{key!r} is {text!r}, which is no number")
        return value

    def whole_number(self, key: str) -> int:
        value = self.values.get(key)
        if not isinstance(value, int) or value < 1:
            raise self.refused(f"{key!r} is missing or no positive whole number")
        return value

    def whole_numbers(self, key: str, n: int | None = None) -> tuple[int, ...]:
        """A list of positive whole numbers, `n` of them where it is given."""
        values = self.values.get(key)
        if not isinstance(values, list) or not all(isinstance(v, int) and v > 0 for v in values):
            raise self.refused(f"{key!r} is missing or no list of positive whole numbers")
        if not values or len(values) != (n or len(values)):
            raise self.refused(f"{key!r} has {len(values)} numbers; needs {n or 'some'}")
        return tuple(values)

    def choice(self, key: str, choices: Collection[str]) -> str:
        value = self.text(key)
        if value not in choices:
            raise self.refused(f"{key!r} is {value!r}; {suggest(value, choices)}")
        return value

    def model(self, key: str) -> str:
        """The catalogue's name of the model."""
        try:
            return find_model(self.text(key)).name
        except UsageError as error:
            raise self.refused(str(error)) from None

    def entries(self, key: str, kind: str, named_by: str) -> list[Entry]:
        """The tables of the array `key`; each is named by its value of `named_by`, else by its place."""
        found = self.values.get(key, [])
        if not (isinstance(found, list) and all(isinstance(values, Mapping) for values in found)):
            raise self.refused(f"{key!r} is no array of tables: write [[{key}]]")
        return [
            Entry(self.file, f"{kind} {values.get(named_by, f'number {place}')}", values)
            for place, values in enumerate(found, 1)
        ]

    def mapping(self, key: str) -> Mapping[str, str]:
        """A table of texts by text."""
        found = self.values.get(key, {})
        if not (isinstance(found, Mapping) and all(isinstance(value, str) for value in found.values())):
            raise self.refused(f"{key!r} is no table of texts")
        return found
