"""The verb that asks: `repro study shape-size`, `ablation`, `size-in-context`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from repro.catalogue.hierarchy import FINE_GRAINED_DEPTH
from repro.commands.ablation import ablation
from repro.commands.door import RunsOption, said_again, tell, write_out
from repro.commands.run_choice import ModelsOption, RunsArgument
from repro.commands.show import FormatWithJson
from repro.commands.size_in_context import size_in_context
from repro.commands.studied import Studied, next_probe, study_runs, study_tables
from repro.exceptions import UsageError
from repro.results.runs import runs_folder
from repro.suggestions import suggest

if TYPE_CHECKING:
    from repro.reporting.table import Table


class _Questions(TyperGroup):
    """Tells a misspelt question as every other mistake is told."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        questions = self.list_commands(ctx)
        if args[0] not in questions and not args[0].startswith("-"):
            suggestion = suggest(args[0], questions)
            raise UsageError(f"unknown study {args[0]!r}; {suggestion}", hint="repro study shape-size")
        return super().resolve_command(ctx, args)


study = typer.Typer(
    cls=_Questions,
    help="Ask a question of models, and answer it with numbers.\n\n"
    "shape-size asks it of runs that are there; ablation and size-in-context train models for it.\n\n"
    "Example: repro study shape-size --models poolformer_s24,deit_s",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DepthOption = Annotated[
    int, typer.Option(min=1, max=20, help="From which common ancestor on a pair is fine-grained.")
]


def shape_size(
    run: RunsArgument = None,
    models: ModelsOption = None,
    depth: DepthOption = FINE_GRAINED_DEPTH,
    form: Annotated[
        FormatWithJson, typer.Option("--format", help="Form of the study; csv: the differences alone.")
    ] = FormatWithJson.TERMINAL,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write there instead.", show_default=False)
    ] = None,
    runs: RunsOption = None,
) -> None:
    """Ask whether models confuse shapes, misjudge sizes and miss surroundings.

    The share of genuine errors by cause, for each model and token mixer; what differs between models on the
    same images; and in sentences what is shown, what is not, and what is not known.

    Example: repro study shape-size --models poolformer_s24,deit_s
    """
    studied = study_runs(runs_folder(runs), run or [], models, depth)
    if out is None and form is FormatWithJson.TERMINAL:
        _print(studied)
    elif out is None:
        typer.echo(_text(studied, form), nl=False)
    else:
        write_out(out, _text(studied, form).encode())
        typer.echo(out)
    tell(f"next: {next_probe(studied) or 'repro report'}{said_again(runs=runs)}")


def _print(studied: Studied) -> None:
    from repro.reporting.prose import print_sentences
    from repro.reporting.table import print_table

    for table in study_tables(studied):
        print_table(table)
        typer.echo()
    print_sentences(studied.sentences)


def _text(studied: Studied, form: FormatWithJson) -> str:
    from repro.reporting.prose import sentences_as
    from repro.reporting.study_json import study_json
    from repro.reporting.table import FORMATS

    if form is FormatWithJson.JSON:
        values = study_json(studied.study, studied.pairs, studied.probed, studied.sentences)
        return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    name = "text" if form is FormatWithJson.TERMINAL else form.value
    if form is FormatWithJson.CSV:
        return FORMATS[name](_of_csv(studied))
    tables = [FORMATS[name](table) for table in study_tables(studied)]
    return "\n".join([*tables, sentences_as(name, studied.sentences)])


def _of_csv(studied: Studied) -> Table:
    """The one table of a CSV, since a file of two is none: all differences, or the shares of one run."""
    from repro.analysis.study import Scope
    from repro.reporting.study import differences_table, shares_table

    if not studied.study.differences:
        return shares_table(studied.study, Scope.GENUINE)
    return differences_table(studied.study, Scope.GENUINE, every=True)


study.command("shape-size")(shape_size)
study.command("ablation")(ablation)
study.command("size-in-context")(size_in_context)
