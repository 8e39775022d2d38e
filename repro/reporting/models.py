"""The catalogue as a table, and the counts of parameters and MACs by counter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from repro.catalogue.cache import where_weights
from repro.catalogue.models import published_by_timm
from repro.catalogue.tables import find_table
from repro.reporting.table import Column, Group, Table
from repro.results.record import Complexity, MacsCount
from repro.specs import ModelSpec


def models_table(specs: Sequence[ModelSpec]) -> Table:
    """Names, sizes, printed and published accuracy, and where the weights are."""
    tables = (find_table("baselines"), find_table("paper"))
    printed = {row.model: row.claims["top1_pct"].printed for table in tables for row in table.rows}
    published = published_by_timm()
    rows = tuple(
        (
            spec.name,
            ", ".join(spec.aliases),
            spec.tag or "",
            spec.token_mixer,
            _millions(spec.params),
            _billions(spec.macs.get("fvcore")),
            str(printed.get(spec.name, "")),
            str(published.get(spec.tag or "", {}).get("imagenet_top1", "")),
            where_weights(spec),
            spec.note,
        )
        for spec in specs
    )
    return Table(
        title="Models; any other of timm's is timm:NAME.TAG",
        columns=(
            Column("Name"),
            Column("Aliases", drop=4),
            Column("timm tag", drop=5),
            Column("Token mixer", drop=3),
            Column("Params (M)", "right", drop=2),
            Column("MACs (G)", "right", drop=2),
            Column("Top-1 printed", "right"),
            Column("Top-1 by timm", "right"),
            Column("Weights"),
            Column("Note", "right", footnotes=True),
        ),
        groups=(Group("", rows),),
        notes=("Params and MACs as counted (fvcore); Top-1 in %: printed by its paper, published by timm.",),
    )


def complexity_table(complexities: Mapping[str, Complexity]) -> Table:
    """Params and MACs, by each counter with the operators that it leaves out."""
    rows = tuple(
        (
            name,
            str(found.size_px),
            f"{found.params:,}",
            *(_count_cells(found.macs.get("fvcore"))),
            *(_count_cells(found.macs.get("torch"))),
        )
        for name, found in complexities.items()
    )
    versions = {count.version for found in complexities.values() for count in found.macs.values()}
    return Table(
        title="Params and MACs",
        columns=(
            Column("Model"),
            Column("Size (px)", "right", drop=1),
            Column("Params", "right"),
            Column("MACs (G) fvcore", "right"),
            Column("leaves out", "right", footnotes=True),
            Column("MACs (G) torch", "right"),
            Column("leaves out", "right", footnotes=True),
        ),
        groups=(Group("", rows),),
        notes=(
            "fvcore is the paper's convention; it adds five operations an element for each normalisation. "
            "No counter counts pooling: PoolFormer's token mixer costs 0 in both.",
            f"Counted by {'; '.join(sorted(versions))}.",
        ),
    )


def _count_cells(count: MacsCount | None) -> tuple[str, str]:
    if count is None:
        return "", "not installed: pip install fvcore"
    return _billions(count.macs), ", ".join(f"{n} {op}" for op, n in count.skipped.items())


def _millions(n: int | None) -> str:
    return "" if n is None else f"{n / 1e6:.2f}"


def _billions(n: int | None) -> str:
    return "" if n is None else f"{n / 1e9:.3f}"
