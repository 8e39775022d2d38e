"""What holds for every verb: how an error is told, and which code it exits with."""

from __future__ import annotations

import shlex
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from repro.exceptions import ReproError, StorageError, UsageError

INTERRUPTED = 130

RunsOption = Annotated[
    Path | None,
    typer.Option(
        "--runs", help="Folder of the runs.  [default: $REPRO_RUNS, else runs/]", show_default=False
    ),
]

TestSetOption = Annotated[
    str | None,
    typer.Option(
        help="Which published test set the images are a part of, where it is not recognised: imagenet-a, …"
    ),
]


class _Verbs(TyperGroup):
    """Tells an error in one line on stderr, the next command below it; anything else is a bug, and seen."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of a day's work, where typer would put `study`, which has verbs of its own, first."""
        names = [name for name in super().list_commands(ctx) if name != "study"]
        return [*names[: names.index("train")], "study", *names[names.index("train") :]]

    def invoke(self, ctx: Any) -> Any:
        _silence_others()
        try:
            return super().invoke(ctx)
        except ReproError as error:
            tell(f"error: {error}")
            if error.hint:
                tell(f"try:   {error.hint}")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            tell("stopped by user")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    name="repro",
    cls=_Verbs,
    help="Reproduce a vision paper's numbers, and study its models' errors.\n\n"
    "Start with `repro demo`; then `repro eval --models poolformer_s24,deit_s --data /data/imagenet/val`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def path_or_address(text: str) -> Path:
    """What `--data` names: `/data/imagenet/val`, or `s3://bucket/imagenet`."""
    from repro.datasets.address import as_address

    return as_address(Path(text)) or Path(text)


MovedDataOption = Annotated[
    Path | None,
    typer.Option(
        parser=path_or_address,
        metavar="<path>",
        help="Where the images are now.  [default: where they were]",
        show_default=False,
    ),
]


MovedLabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="Labels of a flat folder.  [default: as evaluated, without --data]",
        show_default=False,
    ),
]


def said_again(**given: object) -> str:
    """The options of a next command: ` --runs elsewhere`; nothing for what was not given.

    True is a flag; of a list each value has the option.
    """
    words = []
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None and one is not False:
                words += [f"--{name.replace('_', '-')}", *([] if one is True else [shlex.quote(str(one))])]
    return "".join(f" {word}" for word in words)


def command_line() -> tuple[str, ...]:
    """The arguments as they were passed, for a record; bytes that are not UTF-8 are written out."""
    return tuple(word.encode(errors="backslashreplace").decode() for word in sys.argv[1:])


def write_out(path: Path, data: bytes) -> None:
    """Writes the file that `--out` names.

    Raises:
        UsageError: it is a folder.
        StorageError: the disk does not take it.
    """
    from repro.results.atomic import storage_errors, write_atomically

    try:
        with storage_errors(path):
            if path.is_dir():
                raise UsageError(f"--out {path} is a folder, not a file", hint="choose a file with --out")
        write_atomically(path, data)
    except StorageError as error:
        raise StorageError(str(error), hint="choose another file with --out") from error


def tell(*lines: str) -> None:
    """Says each line on stderr, above a bar of progress: results alone go to stdout.

    A record, a file or a folder that somebody passed on may be quoted in one: nothing in it acts on the
    terminal, or begins a line of its own.
    """
    from repro.reporting.table import literal

    # Not typer.echo, which writes past what rich puts in the place of stderr while it draws.
    sys.stderr.write("".join(f"{literal(line)}\n" for line in lines))


def _silence_others() -> None:
    """Drops the warnings of timm's and fvcore's own modules, which nobody here can act on."""
    if not sys.warnoptions:
        for category in (FutureWarning, DeprecationWarning):
            warnings.filterwarnings("ignore", message=".*`torch.jit", category=category)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"repro {version('repro')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """What may stand before a verb."""
