"""The forms of a picture, by the ending of its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from repro.analysis.tradeoff import Tradeoff
from repro.exceptions import UsageError
from repro.reporting.interactive import draw_html
from repro.reporting.picture import draw_png, draw_svg

PICTURES: Mapping[str, Callable[[Tradeoff, str], bytes]] = {
    ".svg": draw_svg,
    ".png": draw_png,
    ".html": draw_html,
}


def form_of(path: Path) -> Callable[[Tradeoff, str], bytes]:
    """What draws a file called so.

    Raises:
        UsageError: its ending is none of these.
    """
    try:
        return PICTURES[path.suffix.lower()]
    except KeyError:
        ending = f"ends in {path.suffix!r}" if path.suffix else "has no ending"
        raise UsageError(f"{path} {ending}; a picture's is one of {', '.join(PICTURES)}") from None
