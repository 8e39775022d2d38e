"""The report of an ablation: its tables and its picture."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

from repro.analysis.ablation import ALIKE, BASELINE, AblationStudy, decide_claim
from repro.reporting.figures import percent_interval, points_interval
from repro.reporting.picture import STYLE
from repro.reporting.table import Column, Group, Table

WRITTEN_BY = "Written by `repro study ablation`; do not edit."


def rows_table(study: AblationStudy, printed: Mapping[str, float]) -> Table:
    """The rows of Table 5: the paper's Top-1 (percent, by row) and what was found here."""
    rows = []
    for one in study.rows:
        difference, around = study.differences.get(one.row, (None, None))
        paper, base = printed.get(one.row), printed.get(BASELINE)
        own = paper is not None and base is not None and one.row != BASELINE
        rows.append(
            (
                one.row,
                f"{one.params / 1e6:.2f}",
                "" if paper is None else f"{paper:.1f}",
                f"{paper - base:+.1f}" if own and paper is not None and base is not None else "",
                f"{100 * one.accuracy:.2f}",
                percent_interval(one.interval),
                "" if difference is None else f"{100 * difference:+.2f}",
                points_interval(around),
                str(len(one.seeds)),
                str(one.n_diverged or ""),
                f"{one.seconds:.0f}",
            )
        )
    return Table(
        title="Top-1 of Table 5's rows: printed (PoolFormer-S12, ImageNet-1K) and here",
        columns=(
            Column("Row"),
            Column("Params (M) here", "right", drop=3),
            Column("Paper (%)", "right"),
            Column("minus baseline", "right", drop=1),
            Column("Here (%)", "right"),
            Column("95%", "right", drop=2),
            Column("minus baseline here", "right"),
            Column("95% of it", "right"),
            Column("Seeds", "right"),
            Column("Diverged", "right", drop=4),
            Column("Seconds", "right", drop=5),
        ),
        groups=(Group("", tuple(rows)),),
    )


def claims_table(study: AblationStudy) -> Table:
    """The claims, each with its comparisons."""
    groups = tuple(
        Group(
            f"{claim.says}: {decide_claim(claim, decided)}",
            tuple(
                (
                    f"{one.comparison.first} {one.comparison.relation} {one.comparison.second}",
                    f"{100 * one.difference:+.2f}",
                    points_interval(one.interval),
                    str(one.decision),
                )
                for one in decided
            ),
        )
        for claim, decided in study.claims
    )
    return Table(
        title="What slide 14 and the paper claim of them",
        columns=(
            Column("Comparison"),
            Column("Difference (points)", "right"),
            Column("95%, together", "right"),
            Column("Verdict"),
        ),
        groups=groups,
        notes=(
            "A claim holds where all its comparisons were made and hold. "
            f"“Not more” and “like” allow a margin of {100 * ALIKE:g} point. "
            "All intervals hold together in 95 % of such studies (Bonferroni).",
            "“More” does not say how much more: whether a row collapses, the Top-1 columns tell.",
        ),
    )


def draw_ablation(study: AblationStudy, printed: Mapping[str, float]) -> bytes:
    """A PNG: each row's difference to the baseline, printed (hollow) and here (filled, with its interval)."""
    import matplotlib.style
    from matplotlib.figure import Figure

    rows = [one for one in study.rows if one.row in study.differences]
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(8, 0.32 * len(rows) + 1.2), layout="constrained")
        axes = figure.subplots()
        for place, one in enumerate(reversed(rows)):
            difference, interval = study.differences[one.row]
            if interval:
                axes.plot([100 * end for end in interval], [place, place], color="#1f5fa8", linewidth=1.5)
            axes.plot(100 * difference, place, "o", color="#1f5fa8", label="" if place else "here")
            if one.row in printed and BASELINE in printed:
                paper = printed[one.row] - printed[BASELINE]
                label = "" if place else "printed"
                axes.plot(paper, place, "o", color="#c0504d", fillstyle="none", label=label)
        axes.axvline(0, color="#999999", linewidth=0.8)
        axes.set_yticks(range(len(rows)), [one.row for one in reversed(rows)])
        axes.set_xscale("symlog", linthresh=5, linscale=2)
        ticks = (-50, -20, -10, -5, -2, 0, 2, 5)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ends = [100 * end for one in rows for end in _ends(*study.differences[one.row])]
        axes.set_xlim(-100, max(7, *(1.2 * end for end in ends)))
        axes.minorticks_off()
        axes.set_xlabel("Top-1 minus the baseline's, in points (linear between -5 and 5)")
        axes.legend(loc="lower left")
        data = BytesIO()
        figure.savefig(data, format="png", dpi=150, metadata={"Software": WRITTEN_BY})
    return data.getvalue()


def _ends(difference: float, interval: tuple[float, float] | None) -> tuple[float, ...]:
    return (difference, *(interval or ()))
