"""What the verbs `study` and `report` have in common: runs chosen, their errors studied, probes read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands.run_choice import tell_runs
from repro.results.choice import RunChoice, choose_runs
from repro.results.runs import find_run

if TYPE_CHECKING:
    from repro.analysis.error_study import ErrorStudy
    from repro.analysis.family_pairs import FamilyPairs
    from repro.analysis.probed import Probed
    from repro.analysis.study import CauseStudy
    from repro.reporting.table import Table


@dataclass(frozen=True)
class Studied:
    """`folders` of the runs, by id; `sentences` under their headings."""

    choice: RunChoice
    folders: dict[str, Path]
    errors: ErrorStudy
    study: CauseStudy
    pairs: FamilyPairs
    probed: list[Probed]
    sentences: dict[str, list[str]]


def study_runs(folder: Path, names: Sequence[str], models: str | None, depth: int) -> Studied:
    """Studies the runs named, else all of the same images as the newest.

    Raises:
        UsageError: none is meant, or they are of different images.
        InvalidRun: one may not be believed, or there is no error.
    """
    from repro.analysis.confusions import rank_pairs
    from repro.analysis.error_study import study_errors
    from repro.analysis.family_pairs import sort_pairs
    from repro.analysis.study import Scope, common_images, in_scope, study_causes
    from repro.doctor.real import images_without_label
    from repro.reporting.runs import short_names
    from repro.reporting.sentences import summarise

    choice = choose_runs(folder, names, models)
    tell_runs(choice)
    rows = common_images(choice.rows)
    errors = study_errors(rows, choice.models, depth)
    image_ids = next(iter(rows.values()))["image_id"].to_pylist()
    mixers = {run: record.model.token_mixer for run, record in choice.records.items()}
    no_label = images_without_label(image_ids)
    called = short_names(list(choice.records.values()))
    study = study_causes(errors.errors, image_ids, no_label, called, mixers, choice.models)
    genuine = in_scope(errors.errors, Scope.GENUINE)
    pairs = sort_pairs(rank_pairs(genuine, errors.counts), genuine, mixers)
    named = {run: find_run(folder, name) for run, name in choice.named.items()}
    folders = {run: named.get(run, folder / run) for run in choice.records}
    probed = _probed(study, folders)
    return Studied(choice, folders, errors, study, pairs, probed, summarise(study, pairs, probed))


def study_tables(studied: Studied) -> list[Table]:
    """The study's tables, in reading order; those of nothing are left out."""
    from repro.analysis.study import Scope
    from repro.reporting.study import (
        differences_table,
        every_run_table,
        one_family_table,
        published_table,
        shares_table,
        study_probes_table,
    )

    study, pairs = studied.study, studied.pairs
    tables = [shares_table(study, scope) for scope in Scope]
    if study.differences:
        tables += [differences_table(study, scope) for scope in Scope]
        tables.append(every_run_table(pairs, len(study.runs)))
    if pairs.one_family is not None and len(pairs.one_family):
        tables.append(one_family_table(pairs, pairs.one_family))
    if published := published_table(study, studied.choice.models):
        tables.append(published)
    if studied.probed:
        tables.append(study_probes_table(study, studied.probed))
    return tables


def next_probe(studied: Studied) -> str:
    """The command that probes the first run that can be repeated and is not probed yet; empty if none is."""
    probed = {one.run for one in studied.probed}
    for run, record in studied.choice.records.items():
        if not record.imported and run not in probed:
            return f"repro probe {studied.choice.typed(run)}"
    return ""


def _probed(study: CauseStudy, folders: dict[str, Path]) -> list[Probed]:
    from repro.analysis.probed import attribute_probes
    from repro.analysis.study import Scope, in_scope
    from repro.explain.doses import DOSES, counted_doses
    from repro.results.probes import load_probes

    counted = {kind: counted_doses(kind) for kind in DOSES}
    genuine = in_scope(study.errors, Scope.GENUINE)
    return [
        probed
        for run, path in folders.items()
        for probed in attribute_probes(run, genuine, load_probes(path), counted)
    ]
