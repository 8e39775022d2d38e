"""The claims: what a source states and how it is to be checked, one frozen class for each way of checking.

A claim holds all that it rests on: the printed rows are resolved when its file is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypedDict

from repro.catalogue.tables import PrintedRow

Need = Literal["training", "study", "outside"]
"""What a claim would need that no evaluation gives."""

NEEDS: Mapping[str, Need] = {"training": "training", "study": "study", "outside": "outside"}

QUANTITY_WORDS: Mapping[str, tuple[str, str, str]] = {
    "params_m": ("params", "parameters", "M"),
    "macs_g": ("macs", "MACs", "G"),
    "top1_pct": ("top1", "Top-1", "%"),
}
"""By quantity: its word in claims' ids, its name in sentences, its unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedClaim:
    """`id` is typed on the command line, `says` is the claim in words, `where` its place in `source`."""

    id: str
    says: str
    source: str
    where: str


class TwoModels(TypedDict):
    """What a claim about one model beside another rests on."""

    subject: PrintedRow
    reference: PrintedRow
    quantity: str
    macs_counter: str


class Heading(TypedDict):
    """What every claim begins with."""

    id: str
    says: str
    source: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueClaim(StatedClaim):
    """A model's number: `row` has it, and the others of the row, which are judged with it."""

    row: PrintedRow
    quantity: str
    macs_counter: str

    @property
    def stated(self) -> Decimal:
        return self.row.claims[self.quantity].printed


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedClaim(StatedClaim):
    """A number of a network that no catalogue name has; `counted` is our count of it, in units."""

    quantity: str
    stated: Decimal
    counted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoModelsClaim(StatedClaim):
    """A model's `quantity` beside another's."""

    subject: PrintedRow
    reference: PrintedRow
    quantity: str
    macs_counter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceClaim(TwoModelsClaim):
    """`subject` minus `reference` is `stated`."""

    stated: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioClaim(TwoModelsClaim):
    """`subject` has `stated` per cent more, or fewer, than `reference`, the base of the percentage."""

    stated: Decimal
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NearClaim(TwoModelsClaim):
    """`subject` is about as large as `reference`: `within_pct` is what is taken for "about"."""

    within_pct: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderingClaim(StatedClaim):
    """`terms` (label, printed number) stand in order, with `relations` (`=`, `>`, `>=`) between them."""

    terms: tuple[tuple[str, Decimal], ...]
    relations: tuple[str, ...]
    rests_on: str
    needs: Need
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContradictionClaim(StatedClaim):
    """The source says different things of one matter: by place, what it says there."""

    places: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundingClaim(StatedClaim):
    """The rows' printed numbers follow one rule: all rounded, or all cut off."""

    rows: tuple[PrintedRow, ...]
    quantity: str
    macs_counter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureClaim(StatedClaim):
    """How a PoolFormer is built, stage by stage: the channels, blocks, patches and strides of each."""

    model: str
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    patches_px: tuple[int, ...]
    strides: tuple[int, ...]
    mlp_ratio: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClaim(StatedClaim):
    """What no evaluation can settle; `why` says what it would take."""

    needs: Need
    why: str
    stated: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A version of a document, and all that it claims; `rows` has its printed numbers by model."""

    key: str
    title: str
    version: str
    rows: Mapping[str, PrintedRow]
    claims: tuple[StatedClaim, ...]
