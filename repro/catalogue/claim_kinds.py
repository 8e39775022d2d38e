"""From an entry `[[claim]]` to the claim it states: one function a kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from repro.catalogue.claim_grids import Grid, read_need
from repro.catalogue.claims import (
    QUANTITY_WORDS,
    ArchitectureClaim,
    ContradictionClaim,
    DifferenceClaim,
    Heading,
    NearClaim,
    OpenClaim,
    OrderingClaim,
    RatioClaim,
    RoundingClaim,
    StatedClaim,
    TwoModels,
    ValueClaim,
)
from repro.catalogue.entry import Entry
from repro.catalogue.models import find_model
from repro.catalogue.tables import PrintedRow, PrintedTable
from repro.specs import Claim


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the claims of a source may rest on: its printed rows by model, its tables, all grids."""

    source: str
    macs_counter: str
    rows: Mapping[str, PrintedRow]
    tables: Mapping[str, PrintedTable]
    grids: Mapping[str, Grid]

    def row(self, entry: Entry, key: str, quantity: str) -> PrintedRow:
        """The row of the model that `entry` names; it prints `quantity`, or is known to have."""
        model = entry.model(key)
        row = self.rows.get(model)
        if row is None or quantity not in {*row.claims, *row.unknown}:
            raise entry.refused(f"{self.source!r} prints no {quantity} of {model}; add it to a [[table]]")
        return row


def _heading(entry: Entry, shelf: Shelf) -> Heading:
    return {
        "id": entry.text("id"),
        "says": entry.text("says"),
        "source": shelf.source,
        "where": entry.text("where"),
    }


def _quantity(entry: Entry) -> str:
    return entry.choice("quantity", QUANTITY_WORDS)


def _value(entry: Entry, shelf: Shelf) -> StatedClaim:
    """The stated number takes its place in the printed row, whose other numbers are judged with it."""
    quantity = _quantity(entry)
    row = shelf.row(entry, "model", quantity)
    stated = Claim(row.model, quantity, entry.number("stated"), f"{shelf.source}, {entry.text('where')}")
    return ValueClaim(
        **_heading(entry, shelf),
        row=replace(row, claims={**row.claims, quantity: stated}),
        quantity=quantity,
        macs_counter=shelf.macs_counter,
    )


def _two_models(entry: Entry, shelf: Shelf) -> TwoModels:
    """What a claim about one model beside another rests on."""
    quantity = _quantity(entry)
    return {
        "subject": shelf.row(entry, "subject", quantity),
        "reference": shelf.row(entry, "reference", quantity),
        "quantity": quantity,
        "macs_counter": shelf.macs_counter,
    }


def _two_printed(entry: Entry, shelf: Shelf) -> TwoModels:
    """The same, of a claim that is checked by what is printed first: a `?` would be no number."""
    models = _two_models(entry, shelf)
    for key in ("subject", "reference"):
        row, quantity = models[key], models["quantity"]
        if quantity not in row.claims:
            raise entry.refused(f"the {quantity} of {row.model} is printed as '?': there is nothing to check")
    return models


def _difference(entry: Entry, shelf: Shelf) -> StatedClaim:
    return DifferenceClaim(
        **_heading(entry, shelf),
        **_two_printed(entry, shelf),
        stated=entry.number("stated"),
    )


def _ratio(entry: Entry, shelf: Shelf) -> StatedClaim:
    models = _two_models(entry, shelf)
    if entry.has("more_pct") == entry.has("fewer_pct"):
        raise entry.refused("a ratio states either 'more_pct' or 'fewer_pct'")
    more = entry.has("more_pct")
    return RatioClaim(
        **_heading(entry, shelf),
        **models,
        stated=entry.number("more_pct" if more else "fewer_pct"),
        more=more,
    )


def _near(entry: Entry, shelf: Shelf) -> StatedClaim:
    return NearClaim(
        **_heading(entry, shelf),
        **_two_printed(entry, shelf),
        within_pct=entry.number("within_pct"),
    )


def _ordering(entry: Entry, shelf: Shelf) -> StatedClaim:
    """`order` is text: the names of a grid's rows with `=`, `>=` or `>` between them."""
    grid = shelf.grids[entry.choice("rests_on", shelf.grids)]
    quantity = entry.text("quantity")
    names = re.split(r" (?:=|>=|>) ", entry.text("order"))
    if len(names) < 2:
        raise entry.refused("'order' compares nothing; write: NAME > NAME")
    return OrderingClaim(
        **_heading(entry, shelf),
        terms=tuple((name, _printed(entry, grid, name, quantity)) for name in names),
        relations=tuple(re.findall(r" (=|>=|>) ", entry.text("order"))),
        rests_on=grid.where,
        needs=grid.needs,
        why=grid.why,
    )


def _printed(entry: Entry, grid: Grid, name: str, column: str) -> Decimal:
    stated = grid.cell(name, column)
    if not stated:
        raise entry.refused(f"{grid.id} prints no {column} of {name!r}; its rows are {', '.join(grid.rows)}")
    return entry.as_number(f"{name}, {column}", stated)


def _contradiction(entry: Entry, shelf: Shelf) -> StatedClaim:
    places = entry.mapping("places")
    if len(places) < 2:
        raise entry.refused("'places' needs two places at least, and what the source says there")
    return ContradictionClaim(**_heading(entry, shelf), places=places)


def _rounding(entry: Entry, shelf: Shelf) -> StatedClaim:
    quantity = _quantity(entry)
    table = shelf.tables[entry.choice("rests_on", shelf.tables)]
    rows = tuple(row for row in table.rows if quantity in row.claims)
    if not rows:
        raise entry.refused(f"table {table.name} prints no {quantity}")
    return RoundingClaim(
        **_heading(entry, shelf), rows=rows, quantity=quantity, macs_counter=shelf.macs_counter
    )


def _architecture(entry: Entry, shelf: Shelf) -> StatedClaim:
    """Lists of equal length, one number a stage."""
    model = entry.model("model")
    if not find_model(model).params:
        raise entry.refused(f"{model} is not counted here, so there is nothing to hold it to")
    channels = entry.whole_numbers("channels")
    stages = {key: entry.whole_numbers(key, len(channels)) for key in ("blocks", "patches_px", "strides")}
    return ArchitectureClaim(
        **_heading(entry, shelf),
        model=model,
        channels=channels,
        blocks=stages["blocks"],
        patches_px=stages["patches_px"],
        strides=stages["strides"],
        mlp_ratio=entry.whole_number("mlp_ratio"),
    )


def _open(entry: Entry, shelf: Shelf) -> StatedClaim:
    return OpenClaim(
        **_heading(entry, shelf),
        needs=read_need(entry),
        why=entry.text("why"),
        stated=entry.text("stated", ""),
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """`keys` are those that `read` reads, beside the heading's."""

    read: Callable[[Entry, Shelf], StatedClaim]
    keys: tuple[str, ...]


_COMPARED = ("quantity", "subject", "reference")

KINDS: Mapping[str, Kind] = {
    "value": Kind(_value, ("quantity", "model", "stated")),
    "difference": Kind(_difference, (*_COMPARED, "stated")),
    "ratio": Kind(_ratio, (*_COMPARED, "more_pct", "fewer_pct")),
    "near": Kind(_near, (*_COMPARED, "within_pct")),
    "ordering": Kind(_ordering, ("quantity", "rests_on", "order")),
    "contradiction": Kind(_contradiction, ("places",)),
    "rounding": Kind(_rounding, ("quantity", "rests_on")),
    "architecture": Kind(
        _architecture, ("model", "channels", "blocks", "patches_px", "strides", "mlp_ratio")
    ),
    "open": Kind(_open, ("needs", "why", "stated")),
}


def read_claim(entry: Entry, shelf: Shelf) -> StatedClaim:
    """The claim that an entry states.

    Raises:
        UsageError: something is missing, unknown or cannot be meant; file and entry are named.
    """
    kind = KINDS[entry.choice("kind", KINDS)]
    entry.only("kind", "id", "says", "where", *kind.keys)
    return kind.read(entry, shelf)
