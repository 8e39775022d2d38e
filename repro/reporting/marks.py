"""How each token mixer is drawn: a colour that the colour-blind can tell apart, and a marker of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """A colour (Okabe and Ito 2008; black and grey besides) and the marker's name in each library."""

    colour: str
    matplotlib: str
    plotly: str
    vega: str


MARKS = {
    "identity": Mark("#000000", "v", "triangle-down", "triangle-down"),
    "random": Mark("#CC79A7", "P", "cross", "cross"),
    "convolution": Mark("#0072B2", "s", "square", "square"),
    "attention": Mark("#D55E00", "^", "triangle-up", "triangle-up"),
    "spatial MLP": Mark("#009E73", "D", "diamond", "diamond"),
    "pooling": Mark("#E69F00", "o", "circle", "circle"),
    "convolution and attention": Mark("#56B4E9", "p", "pentagon", "triangle-right"),
}

UNKNOWN = Mark("#777777", "X", "x", "triangle-left")


def mark_of(token_mixer: str) -> Mark:
    return MARKS.get(token_mixer, UNKNOWN)
