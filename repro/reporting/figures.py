"""Printed and measured figures as text, and as the numbers of JSON."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from repro.analysis.verdict import Figure, Verdict

COLOURS: dict[str, str] = {
    Verdict.SAME: "green",
    Verdict.REPRODUCED: "green",
    Verdict.DIFFERENT: "bold red",
    Verdict.INVALID: "bold red",
    Verdict.NOT_COMPARABLE: "yellow",
    Verdict.NOT_RUN: "dim",
}

_SMALLEST_P = 1e-99


def printed_text(value: Decimal | None) -> str:
    """With the digits of the print."""
    return "" if value is None else f"{value:f}"


def rounded_text(value: Decimal | None) -> str:
    return "" if value is None else f"{value:.3f}"


def signed_text(value: Decimal | None) -> str:
    """A difference with its sign; zero has none."""
    if value is None:
        return ""
    rounded = round(value, 3)
    return f"{rounded:+}" if rounded else "0.000"


def percent_interval(interval: tuple[float, float] | None) -> str:
    return f"{100 * interval[0]:.2f}–{100 * interval[1]:.2f}" if interval else ""


def points_interval(interval: tuple[float, float] | None) -> str:
    """Of a difference of two fractions."""
    return f"{100 * interval[0]:+.2f} to {100 * interval[1]:+.2f}" if interval else ""


def p_equation(p: float) -> str:
    """`= 0.012`, or `< 1e-99` for what no number of images can tell from it."""
    return f"= {p_text(p)}" if p >= _SMALLEST_P else f"< {_SMALLEST_P:.0e}"


def p_text(p: float) -> str:
    """Three digits, or the power of ten where there are only zeros before them; never zero."""
    if p < _SMALLEST_P:
        return f"<{_SMALLEST_P:.0e}"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def ratio_text(ratio: float) -> str:
    """Two digits, from ten on all of the whole ones: `1.3`, `1,234`."""
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:,.0f}"


def count_of(n: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def points_up(fraction: float) -> str:
    """In points, rounded up: it is a bound."""
    return f"{math.ceil(10_000 * fraction - 1e-9) / 100:.2f}"


def figure_json(figure: Figure) -> dict[str, Any]:
    return {
        "printed": _number(figure.printed),
        "measured": _number(figure.measured),
        "difference": _number(figure.difference),
        "verdict": str(figure.verdict),
        "reason": figure.reason,
    }


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
