"""The shares of causes as stacked bars, one a model: SVG of the same bytes each time."""

from __future__ import annotations

from io import BytesIO
from warnings import catch_warnings, filterwarnings

from repro.analysis.study import GENUINE_CAUSES, CauseStudy, Scope
from repro.reporting.picture import STYLE
from repro.reporting.table import literal

_COLOURS = ("#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#BBBBBB")
"""Okabe and Ito's, by cause; grey for what is unexplained."""


def draw_cause_bars(study: CauseStudy) -> bytes:
    """One bar a run with genuine errors, its parts in percent of these."""
    import matplotlib.style
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    runs = [run for run in study.runs if run.n_errors[Scope.GENUINE]][::-1]
    file = BytesIO()
    style = STYLE | {"axes.grid": False, "axes.spines.left": False, "svg.hashsalt": "causes"}
    with matplotlib.style.context(["default", style]), catch_warnings():
        filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(8.5, 0.95 + 0.42 * len(runs)), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        left = [0.0] * len(runs)
        for cause, colour in zip(GENUINE_CAUSES, _COLOURS, strict=True):
            widths = [100 * run.shares[Scope.GENUINE][cause].fraction for run in runs]
            bars = axes.barh(range(len(runs)), widths, left=left, color=colour, label=cause, height=0.68)
            labels = [f"{width:.0f}" if width >= 3 else "" for width in widths]
            ink = "white" if colour in ("#0072B2", "#D55E00") else "#222222"
            axes.bar_label(bars, labels, label_type="center", fontsize=8, color=ink)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        names = [literal(f"{run.name} ({run.n_errors[Scope.GENUINE]:,})") for run in runs]
        axes.set_yticks(range(len(runs)), names)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 100)
        axes.set_xlabel("Share of genuine errors (%)")
        figure.legend(loc="outside upper left", ncols=len(GENUINE_CAUSES), fontsize=8, frameon=False)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
