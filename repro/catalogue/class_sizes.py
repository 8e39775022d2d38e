"""How large the thing is that a class names: its longest side in the world, an estimate.

The 1000 estimates in sizes.csv are from general knowledge: nothing was measured, no source consulted. They
are good to about one bin of half a decade (a factor of 3.2): enough to ask whether two classes that a model
confuses are of clearly different size, and no more. The limits:

- It is the size of the thing, not of its image. How large something looks in a photograph depends on its
  distance, the lens and the crop, and none of these is known: a model sees no centimetres.
- It is one number for a class. Puppies, toys, pictures and close-ups of the same class are other sizes.
  Where things of the name spread over more than a decade, `varies` is true and the estimate says little.
- Two estimates near the edge of a bin may lie a bin apart and hardly differ: look at `size_ratio` too.

What is measured is the longest side of the whole thing, adult and complete, in its usual form:

- Mammals: nose to rump, the tail left out; whales, sea cows, the platypus: with it. Great apes and people
  stand. Birds: bill to tail, wings closed; long-legged ones as they stand.
- Reptiles, amphibians, fish: nose to tip of tail. Turtles: the shell. Crabs and spiders: across the legs.
  Butterflies and moths: across the wings; other insects: the body. Shells: the shell.
- Clothes and jewellery: as worn, scarves laid out. Tools, instruments, furniture, vehicles: the longest
  dimension, handles and masts included. Shops and rooms: what one sees of them from the street or the door.
- Food: the portion as served. Drinks and sauces: the glass or bowl. Fruit: one, whole. Fungi: the fruit
  body. Flowers: the flower. What comes on a roll: the roll.
- Buildings, bridges, landscape: the visible whole; almost all of these vary.

Where WordNet's meaning and the photographs of a class are known to differ (`corn`, `pier`, `plate`), it is
the thing in the photographs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from repro.catalogue.csv_files import csv_rows


@dataclass(frozen=True, slots=True)
class ClassSize:
    """`half_decade` n is the bin from 10^(n/2) cm up to, not including, 10^((n+1)/2) cm."""

    wnid: str
    name: str
    longest_side_cm: float
    half_decade: int
    varies: bool


@cache
def load_class_sizes() -> tuple[ClassSize, ...]:
    """The estimate of each class, by index."""
    return tuple(
        ClassSize(
            wnid=row["wnid"],
            name=row["name"],
            longest_side_cm=float(row["longest_side_cm"]),
            half_decade=int(row["half_decade"]),
            varies={"yes": True, "no": False}[row["varies"]],
        )
        for row in csv_rows("sizes.csv")
    )


def size_ratio(a: int, b: int) -> float:
    """The larger of two classes' estimates by the smaller: 1 or more."""
    in_cm = sorted(load_class_sizes()[index].longest_side_cm for index in (a, b))
    return in_cm[1] / in_cm[0]
