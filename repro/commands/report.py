"""The verb that writes all of it into one file: `repro report`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.catalogue.hierarchy import FINE_GRAINED_DEPTH
from repro.commands.door import MovedDataOption, MovedLabelsOption, RunsOption, said_again, tell
from repro.commands.run_choice import ModelsOption, RunsArgument
from repro.commands.studied import Studied, next_probe, study_runs, study_tables
from repro.commands.study import DepthOption
from repro.exceptions import StorageError, UsageError
from repro.results.runs import runs_folder

if TYPE_CHECKING:
    import pandas as pd

    from repro.reporting.gallery import Gallery, Moved
    from repro.reporting.report import Part, Report
    from repro.results.record import RunRecord

N_PAIRS = 25


def report(
    run: RunsArgument = None,
    models: ModelsOption = None,
    depth: DepthOption = FINE_GRAINED_DEPTH,
    images: Annotated[int, typer.Option(min=1, help="Errors of each run in the gallery.")] = 24,
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Where report.html and report.md go, or a FILE.html."),
    ] = Path("report"),
    data: MovedDataOption = None,
    labels: MovedLabelsOption = None,
    runs: RunsOption = None,
) -> None:
    """Write a report that can be passed on: one HTML file, and its twin in Markdown.

    The paper's table, the claims, accuracy against MACs, confusions, causes, the study in sentences, and the
    errors themselves as small pictures. It needs no network and holds no script.

    Example: repro report --out report
    """
    from repro.reporting.gallery import Moved
    from repro.reporting.report import to_page, to_twin
    from repro.results.atomic import write_atomically

    page, twin = _files(out)
    studied = study_runs(runs_folder(runs), run or [], models, depth)
    built = _build(studied, runs_folder(runs), images, Moved(data, labels))
    try:
        for path, written in ((page, to_page(built)), (twin, to_twin(built))):
            write_atomically(path, written)
            typer.echo(f"{path}: {len(written) / 1e6:.1f} MB")
    except StorageError as error:
        raise StorageError(str(error), hint="choose another place with --out") from error
    for gallery, record in zip(built.galleries, studied.choice.records.values(), strict=True):
        missing = sum(not picture.thumbnail for picture in gallery.pictures)
        if missing:
            labelled = " --labels FILE" if record.labels_passed else ""
            where = "" if data or record.imported else f"; --data FOLDER{labelled} says where they are now"
            tell(f"{missing} of {len(gallery.pictures)} images are not shown: the report says why{where}")
    command = next_probe(studied)
    moved = said_again(data=data, labels=labels) if command else ""
    tell(f"next: {command or 'repro errors'}{moved}{said_again(runs=runs)}")


def _files(out: Path) -> tuple[Path, Path]:
    """The HTML file and its twin."""
    if out.suffix.lower() == ".html" and not out.is_dir():
        return out, out.with_suffix(".md")
    if out.suffix and not out.is_dir():
        raise UsageError(f"--out {out} ends in {out.suffix!r}", hint="--out FOLDER, or --out FILE.html")
    return out / "report.html", out / "report.md"


def _build(studied: Studied, folder: Path, limit: int, moved: Moved) -> Report:
    from repro.analysis.study import Scope, in_scope
    from repro.reporting.gallery import build_gallery
    from repro.reporting.report import Report

    genuine = in_scope(studied.study.errors, Scope.GENUINE)
    names = studied.study.names
    galleries = [
        build_gallery(studied.folders[run], record, names[run], genuine, limit, moved)
        for run, record in studied.choice.records.items()
    ]
    records = list(studied.choice.records.values())
    turned = _turned(studied, genuine, names, moved)
    return Report(
        title=f"Errors of {', '.join(names[record.run_id] for record in records)}",
        about=_about(studied, records),
        parts=tuple(_parts(studied, folder)),
        galleries=tuple(galleries),
        limit=limit,
        turned=tuple(turned),
    )


def _turned(
    studied: Studied, genuine: pd.DataFrame, names: Mapping[str, str], moved: Moved
) -> Iterator[Gallery]:
    """One gallery a run and kind of probe that turned any of its genuine errors right."""
    from repro.analysis.probed import ALL_PROBED, find_turns
    from repro.reporting.gallery import build_turned_gallery
    from repro.results.probes import load_probes

    for probed in studied.probed:
        if probed.of != ALL_PROBED or not probed.attribution.driven:
            continue
        folder, record = studied.folders[probed.run], studied.choice.records[probed.run]
        turns = find_turns(load_probes(folder)[probed.kind], probed.attribution)
        name = f"{names[probed.run]}: {probed.kind}"
        yield build_turned_gallery(folder, record, name, genuine, turns, moved)


def _about(studied: Studied, records: list[RunRecord]) -> str:
    first = records[0].dataset
    whole = f"; {first.partial}" if first.partial else ""
    return (
        f"{len(records)} run{'' if len(records) == 1 else 's'} on {studied.study.n_images:,} images of "
        f"{first.name}{whole}. Runs: {', '.join(studied.choice.records)}."
    )


def _parts(studied: Studied, folder: Path) -> list[Part]:
    from repro.analysis.compare import compare_table
    from repro.analysis.confusions import rank_pairs
    from repro.analysis.ledger import build_ledger
    from repro.analysis.measured import counts_of
    from repro.analysis.tradeoff import lay_tradeoff
    from repro.catalogue.claim_files import load_sources
    from repro.catalogue.tables import find_table
    from repro.commands.show import finished_runs
    from repro.reporting.cause_bars import draw_cause_bars
    from repro.reporting.comparison import comparison_table
    from repro.reporting.errors import pairs_table
    from repro.reporting.picture import draw_svg
    from repro.reporting.report import Part, ledger_brief
    from repro.reporting.runs import runs_table

    records = finished_runs(folder)
    counts = counts_of(records)
    comparison = compare_table(find_table("paper"), records, counts, "authors")
    errors = studied.errors
    tradeoff = lay_tradeoff(comparison, "macs")
    bars = (("Causes of genuine errors by model", draw_cause_bars(studied.study)),)
    drawn = (("Accuracy against MACs; filled points were measured here", draw_svg(tradeoff, "repro report")),)
    pairs = pairs_table(rank_pairs(errors.errors, errors.counts), errors, N_PAIRS, "", False, True)
    return [
        Part("Summary", studied.sentences, tables=(runs_table(list(studied.choice.records.values())),)),
        Part("Causes", pictures=bars, tables=tuple(study_tables(studied))),
        Part("Confusions", tables=(pairs,)),
        Part("The paper's table", pictures=drawn, tables=(comparison_table(comparison),)),
        Part("Claims", tables=(ledger_brief(build_ledger(load_sources(), records, counts)),)),
    ]
