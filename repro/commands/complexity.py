"""The verb that counts parameters and MACs: `repro complexity`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.catalogue.models import find_model, load_models
from repro.commands.door import RunsOption, said_again, tell
from repro.commands.show import Format, FormatOption, count_complexities, write_table
from repro.exceptions import UsageError
from repro.results.runs import runs_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro.reporting.table import Table
    from repro.results.breakdowns import Breakdown
    from repro.specs import ModelSpec


def complexity(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Names from `repro models`; none: all.")
    ] = None,
    by_counter: Annotated[
        bool, typer.Option("--by-counter", help="A line a counter, with the sources that it agrees with.")
    ] = False,
    by_stage: Annotated[
        bool, typer.Option("--by-stage", help="A line a part of the network: stem, stages, head.")
    ] = False,
    by_operator: Annotated[
        bool, typer.Option("--by-operator", help="A line an operator, those that a counter skips too.")
    ] = False,
    form: FormatOption = Format.TERMINAL,
    runs: RunsOption = None,
) -> None:
    """Count parameters and MACs, without weights.

    By each counter, with the operators that it leaves out.

    Example: repro complexity poolformer_s24 deit_s --by-stage
    """
    asked = {"--by-counter": by_counter, "--by-stage": by_stage, "--by-operator": by_operator}
    if sum(asked.values()) > 1:
        chosen = " and ".join(option for option, given in asked.items() if given)
        raise UsageError(f"{chosen} are two tables; ask for one at a time")
    specs = [find_model(name) for name in names] if names else [s for s in load_models() if s.timm_name]
    write_table(_table(specs, runs_folder(runs), asked), form)
    tell(f"next: repro compare-table{said_again(runs=runs)}")


def _table(specs: Sequence[ModelSpec], folder: Path, asked: dict[str, bool]) -> Table:
    from repro.reporting.breakdown import by_operator_table, by_stage_table
    from repro.reporting.models import complexity_table

    if asked["--by-stage"]:
        return by_stage_table(_breakdowns(specs, folder))
    if asked["--by-operator"]:
        return by_operator_table(_breakdowns(specs, folder))
    if asked["--by-counter"]:
        return _by_counter(specs, folder)
    return complexity_table(count_complexities(specs, folder))


def _breakdowns(specs: Sequence[ModelSpec], folder: Path) -> dict[str, Breakdown]:
    """By label, with the name where two share one; those kept from before cost no import of torch."""
    from repro.results.breakdowns import kept_breakdown

    found = {spec.name: kept_breakdown(spec, folder) for spec in specs}
    missing = [spec for spec in specs if found[spec.name] is None]
    if missing:
        from repro.commands.progress import track_on_terminal
        from repro.evaluation.breakdown import count_breakdown

        for spec in track_on_terminal(missing, "counting params and MACs"):
            found[spec.name] = count_breakdown(spec, folder)
    labels = {spec.name: spec.label or spec.name for spec in specs}
    alike = Counter(labels.values())
    return {
        f"{labels[name]} ({name})" if alike[labels[name]] > 1 else labels[name]: breakdown
        for name, breakdown in found.items()
        if breakdown is not None
    }


def _by_counter(specs: Sequence[ModelSpec], folder: Path) -> Table:
    from repro.analysis.counters import lay_by_counter
    from repro.catalogue.claim_files import load_sources
    from repro.reporting.counters import by_counter_table

    counted = count_complexities(specs, folder)
    laid = [
        lay_by_counter(spec.name, spec.label, counted[spec.name], load_sources())
        for spec in specs
        if spec.name in counted
    ]
    return by_counter_table(laid)
