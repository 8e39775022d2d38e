"""The verb that says which classes are taken for which, and what may be why: `repro errors`."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.catalogue.class_lookup import find_class, find_superclass
from repro.catalogue.classes import load_classes
from repro.catalogue.hierarchy import FINE_GRAINED_DEPTH, load_hierarchy
from repro.commands.class_pairs import find_pair
from repro.commands.door import RunsOption, said_again, tell
from repro.commands.explain import PairOption
from repro.commands.run_choice import ModelsOption, RunsArgument, tell_runs
from repro.commands.show import Format, FormatWithJson, write_json, write_table
from repro.exceptions import StorageError, Unavailable, UsageError
from repro.results.choice import RunChoice, choose_runs
from repro.results.runs import runs_folder
from repro.suggestions import suggest

if TYPE_CHECKING:
    import pandas as pd

    from repro.analysis.error_study import ErrorStudy
    from repro.reporting.table import Table


def errors(
    run: RunsArgument = None,
    models: ModelsOption = None,
    pair: PairOption = None,
    class_: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="Pairs with this class on either side.")
    ] = None,
    superclass: Annotated[
        str | None, typer.Option(metavar="NAME", help="Pairs with such a class on either side: dog.")
    ] = None,
    cause: Annotated[str | None, typer.Option(help="Only errors of this cause: fine-grained, …")] = None,
    min_confidence: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="P", help="Only errors made with p or more.")
    ] = None,
    symmetric: Annotated[
        bool, typer.Option("--symmetric", help="Take both ways of a pair together.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most this many pairs, or images of --pair.")] = 20,
    depth: Annotated[
        int, typer.Option(min=1, max=20, help="From which common ancestor on a pair is fine-grained.")
    ] = FINE_GRAINED_DEPTH,
    factors: Annotated[
        bool, typer.Option("--factors", help="Also the errors by ImageNet-X's factors.")
    ] = False,
    form: Annotated[
        FormatWithJson, typer.Option("--format", help="Form of the tables; csv: the first alone.")
    ] = FormatWithJson.TERMINAL,
    runs: RunsOption = None,
) -> None:
    """Rank the confusions, and say what may be their cause.

    Which class is taken for which, how often, and how often by chance; whether the label, an overlap of the
    two classes, or their likeness explains it; what is left to be probed. --pair shows one pair's page.

    Example: repro errors --superclass dog --symmetric
    """
    from repro.analysis.error_study import of_causes, study_errors, with_confidence

    asked = find_pair(pair) if pair is not None else None
    classes = _classes(class_, superclass)
    if asked is not None and classes is not None:
        raise UsageError("--pair excludes --class and --superclass: it names both classes")
    if asked is not None and (symmetric or factors):
        raise UsageError(
            "--pair excludes --symmetric and --factors: its page shows both ways, and no factors",
            hint="repro errors --symmetric --factors, without --pair",
        )
    named_cause = _cause(cause) if cause is not None else None
    folder = runs_folder(runs)
    choice = choose_runs(folder, run or [], models)
    study = study_errors(choice.rows, choice.models, depth)
    kept = _keep(folder, choice, study)
    said = _selection(class_, superclass, named_cause, min_confidence)
    if min_confidence is not None:
        study = with_confidence(study, min_confidence)
    if named_cause is not None:
        study = of_causes(study, [named_cause])
    _refuse_empty(study.errors, said)
    tell_runs(choice)
    if asked is not None:
        _show_pair(asked, study, limit, said, form)
        top = asked
    else:
        chance = named_cause is None
        top = _show_pairs(choice, study, classes, said, form, limit, symmetric, chance, factors)
    tell(kept)
    tell(f"next: {_next(choice, study, top, runs)}")


def _show_pairs(
    choice: RunChoice,
    study: ErrorStudy,
    classes: Collection[int] | None,
    said: str,
    form: FormatWithJson,
    limit: int,
    symmetric: bool,
    chance: bool,
    factors: bool,
) -> tuple[int, int]:
    """Prints the tables; gives the pair that stands first."""
    from dataclasses import replace

    from repro.analysis.confusions import rank_pairs
    from repro.analysis.error_study import of_classes
    from repro.reporting.errors import causes_table, errors_json, factors_table, pairs_table, thresholds_table
    from repro.reporting.runs import short_names

    ratios = _ratios(choice) if factors else {}
    names = short_names(list(choice.records.values()))
    pairs = rank_pairs(study.errors, study.counts, symmetric=symmetric)
    if classes is not None:
        pairs = of_classes(pairs, classes)
        study = replace(study, errors=of_classes(study.errors, classes))
        _refuse_empty(study.errors, said)
    if form is FormatWithJson.JSON:
        write_json(errors_json(pairs, study, limit, chance, ratios))
    else:
        tables = [
            pairs_table(pairs, study, limit, said, symmetric, chance),
            *([causes_table(study, names), thresholds_table(study)] if chance else []),
            *([factors_table(ratios)] if ratios else []),
        ]
        _write_tables(tables, form)
    first = pairs.iloc[0]
    return int(first["label"]), int(first["predicted"])


def _show_pair(pair: tuple[int, int], study: ErrorStudy, limit: int, said: str, form: FormatWithJson) -> None:
    from repro.reporting.confusion import classes_table, confusion_json, images_table, ways_table

    found = study.errors
    ways = (found["label"] == pair[0]) & (found["predicted"] == pair[1])
    back = (found["label"] == pair[1]) & (found["predicted"] == pair[0])
    found = found[ways | back].sort_values("p_predicted", ascending=False, kind="stable")
    places = {run: place for place, run in enumerate(study.runs)}
    found = found.sort_values("run", key=lambda runs: runs.map(places), kind="stable")
    a, b = (load_classes()[index].name for index in pair)
    if not len(found):
        raise UsageError(
            f"no error{said} takes {a} for {b}, or the other way round",
            hint=f'repro errors --class "{a}"',
        )
    if form is FormatWithJson.JSON:
        write_json(confusion_json(pair, found.head(limit), study))
    elif form is FormatWithJson.CSV:
        write_table(images_table(found, study, limit), Format.CSV)
    else:
        _write_tables([classes_table(pair), ways_table(pair, study), images_table(found, study, limit)], form)


def _write_tables(tables: Sequence[Table], form: FormatWithJson) -> None:
    """All tables; as CSV the first alone, since a file of two is none."""
    for table in tables[:1] if form is FormatWithJson.CSV else tables:
        write_table(table, Format(form))
        if form is not FormatWithJson.CSV:
            typer.echo()


def _classes(class_: str | None, superclass: str | None) -> Collection[int] | None:
    """The classes asked for; None: all."""
    if class_ is not None and superclass is not None:
        raise UsageError("--class and --superclass exclude each other: a class is one, a super-class many")
    if class_ is not None:
        return [find_class(class_).index]
    if superclass is not None:
        return load_hierarchy().classes_under(find_superclass(superclass).wnid)
    return None


def _cause(text: str) -> str:
    from repro.analysis.causes import CAUSES

    if text in CAUSES:
        return text
    begun = [cause for cause in CAUSES if text and cause.startswith(text)]
    if len(begun) == 1:
        return begun[0]
    words = {word: cause for cause in CAUSES for word in (cause, cause.partition(" ")[0])}
    known = f"there are {', '.join(CAUSES)}"
    suggestion = suggest(text, words, told=lambda word: repr(words[word]), otherwise=known)
    raise UsageError(f"unknown cause {text!r}; {suggestion}")


def _selection(
    class_: str | None, superclass: str | None, cause: str | None, min_confidence: float | None
) -> str:
    """What was selected, in words behind a noun."""
    parts = [
        f" with {find_class(class_).name}" if class_ is not None else "",
        f" with {find_superclass(superclass).name}" if superclass is not None else "",
        f" of cause {cause}" if cause is not None else "",
        f" made with p of at least {min_confidence:g}" if min_confidence is not None else "",
    ]
    return ",".join(filter(None, parts))


def _refuse_empty(found: pd.DataFrame, said: str) -> None:
    if not len(found):
        raise UsageError(f"no errors{said}", hint="repro errors, without these options, shows what there is")


def _keep(folder: Path, choice: RunChoice, study: ErrorStudy) -> str:
    """Keeps all errors with their causes; says where."""
    from repro.analysis.causes import RULES_VERSION
    from repro.results.causes import causes_path, write_causes

    runs = {run: record.predictions_sha256 for run, record in choice.records.items()}
    path = causes_path(folder, runs, study.depth, RULES_VERSION, "factor" in study.errors)
    try:
        write_causes(path, study.errors)
    except StorageError as error:  # a folder that is only to be read is read all the same
        return f"causes not kept: {error}"
    return f"causes by image: {path}"


def _ratios(choice: RunChoice) -> dict[str, pd.DataFrame]:
    from repro.analysis.factors import error_ratios, load_factors

    factors = load_factors()
    if factors is None:
        raise Unavailable(
            "ImageNet-X's factors are not installed (CC BY-NC 4.0)", hint="pip install imagenet-x"
        )
    return {run: error_ratios(rows, factors) for run, rows in choice.rows.items()}


def _next(choice: RunChoice, study: ErrorStudy, pair: tuple[int, int], runs: Path | None) -> str:
    """Heat maps of the pair where a run can be repeated, else the study over the runs."""
    where = said_again(runs=runs)
    of_pair = study.errors[(study.errors["label"] == pair[0]) & (study.errors["predicted"] == pair[1])]
    for run in of_pair["run"].unique():
        if not choice.records[run].imported:
            names = ",".join(load_classes()[index].name for index in pair)
            return f"repro explain {choice.typed(run)} --pair {shlex.quote(names)}{where}"
    return f"repro study shape-size{where}"
