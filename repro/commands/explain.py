"""The verbs that ask why: `repro explain`, `repro probe`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repro.commands.class_pairs import find_pair
from repro.commands.door import MovedDataOption, MovedLabelsOption, RunsOption, said_again, tell
from repro.commands.evaluate import interruptible
from repro.commands.evaluation_options import BatchSizeOption, DeviceOption
from repro.commands.run_choice import ModelsOption, RunsArgument, choose_repeatable
from repro.commands.show import Format, FormatOption, write_table
from repro.exceptions import UsageError
from repro.results.runs import find_run, runs_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from repro.analysis.attribution import Attribution
    from repro.analysis.pointing import Pointing
    from repro.commands.progress import ProgressBar
    from repro.datasets.boxes import Boxes
    from repro.explain.opened import OpenRun
    from repro.reporting.heat_maps import MappedRun

FEW = 48
"""Images to explain where nobody says how many."""

PairOption = Annotated[
    str | None, typer.Option(metavar="TRUE,PREDICTED", help="Only the errors of this pair of classes.")
]
ImagesOption = Annotated[str | None, typer.Option(metavar="ID,...", help="These images, right or wrong.")]
BoxesOption = Annotated[
    Path | None,
    typer.Option(
        help="Where the objects are: ILSVRC's XML annotations, or a csv of image_id,x_min,y_min,x_max,y_max."
    ),
]


def explain(
    run: RunsArgument = None,
    models: ModelsOption = None,
    pair: PairOption = None,
    images: ImagesOption = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"At most this many images, most confident first.  [default: {FEW}; of --images all]",
            show_default=False,
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="gradcam, hirescam or xgradcam.")] = "gradcam",
    layer: Annotated[
        str | None,
        typer.Option(help="Layer whose output is mapped.  [default: by family]", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Draw overlays there, as PNG.")] = None,
    boxes: BoxesOption = None,
    data: MovedDataOption = None,
    labels: MovedLabelsOption = None,
    device: DeviceOption = "auto",
    batch_size: BatchSizeOption = None,
    form: FormatOption = Format.TERMINAL,
    runs: RunsOption = None,
) -> None:
    """Show what in an image a prediction rests on.

    Heat maps of the true and of the predicted class, and of why one rather than the other, on the very
    crop that was scored; by default of the errors. They are kept in the run's folder.

    Example: repro explain poolformer_s24 --pair "water bottle,lipstick" --out overlays
    """
    from repro.explain.methods import find_method

    find_method(method)
    from repro.datasets.boxes import load_boxes
    from repro.explain.opened import open_run
    from repro.reporting.heat_maps import heat_maps_table

    found_boxes = load_boxes(boxes) if boxes else None
    most = limit or (FEW if images is None else None)
    folder = runs_folder(runs)
    shown, pointed = [], []
    names = choose_repeatable(folder, run or [], models)
    for text in names:  # one network in memory at a time
        opened = open_run(
            find_run(folder, text), data=data, labels=labels, device=device, batch_size=batch_size
        )
        chosen = _chosen(opened, pair, images)[:most]
        if not chosen:
            continue
        rows = _explained(opened, chosen, method, layer)
        shown.append(_mapped(opened, chosen, rows, out))
        pointed += _pointing(opened, rows, found_boxes) if found_boxes else []
    _refuse_none(shown, pair)
    write_table(heat_maps_table(shown, method, pointed), form)
    again = _again(names, pair=pair, images=images, boxes=boxes, layer=layer, data=data, labels=labels)
    again += said_again(device=_unless_auto(device), batch_size=batch_size, runs=runs)
    mapped_so = said_again(method=None if method == "gradcam" else method, limit=limit)
    tell(
        f"next: repro explain{again}{mapped_so} --out overlays"
        if out is None
        else f"next: repro probe{again}"
    )


def probe(
    run: RunsArgument = None,
    models: ModelsOption = None,
    kind: Annotated[
        str | None, typer.Option(help="size, context or shape.  [default: all three]", show_default=False)
    ] = None,
    pair: PairOption = None,
    images: ImagesOption = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most this many errors, most confident first.", show_default=False),
    ] = None,
    boxes: BoxesOption = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer of the heat map where there is no box.  [default: by family]", show_default=False
        ),
    ] = None,
    data: MovedDataOption = None,
    labels: MovedLabelsOption = None,
    device: DeviceOption = "auto",
    batch_size: BatchSizeOption = None,
    form: FormatOption = Format.TERMINAL,
    runs: RunsOption = None,
) -> None:
    """Change the images of errors in doses, and ask again.

    Size, surroundings or shape is changed. Each error has a control, the right answer nearest in confidence:
    how often a dose turns the error right is shown beside how often it turns the control wrong.

    Example: repro probe poolformer_s24 --kind size
    """
    from repro.analysis.attribution import match_controls
    from repro.datasets.boxes import load_boxes
    from repro.explain.doses import DOSES, counted_doses
    from repro.explain.opened import open_run
    from repro.reporting.probes import probes_table

    counted = {name: counted_doses(name) for name in (DOSES if kind is None else [kind])}
    found_boxes = load_boxes(boxes) if boxes else None
    folder = runs_folder(runs)
    names = choose_repeatable(folder, run or [], models)
    found = {}
    for text in names:
        opened = open_run(
            find_run(folder, text), data=data, labels=labels, device=device, batch_size=batch_size
        )
        errors = [i for i in _chosen(opened, pair, images) if opened.rows[i]["rank"] > 0][:limit]
        if not errors:
            if images is not None:
                tell(f"left out: {opened.record.run_id} has the images right: what is right needs no cause")
            continue
        controls = match_controls(opened.rows.values(), errors)
        found[opened.record.run_id] = {
            name: _attributed(opened, errors, controls, name, doses, found_boxes, layer)
            for name, doses in counted.items()
        }
    _refuse_none(found, pair)
    write_table(probes_table(found), form)
    again = _again(names, pair=pair, images=images, boxes=boxes, layer=layer, data=data, labels=labels)
    again += said_again(device=_unless_auto(device), batch_size=batch_size, runs=runs)
    tell(f"next: repro explain{again} --out overlays")


def _attributed(
    opened: OpenRun,
    errors: Sequence[str],
    controls: Sequence[str],
    kind: str,
    counted: Sequence[tuple[str, float]],
    boxes: Boxes | None,
    layer: str | None,
) -> Attribution:
    """Probes the errors and their controls, and counts."""
    from repro.analysis.attribution import attribute
    from repro.explain.probing import probe as compute

    tell(f"{opened.record.run_id}, {kind}: {len(errors):,} errors and {len(controls):,} controls")
    with _watched() as watcher:
        rows = compute(opened, [*errors, *controls], kind, watcher, boxes=boxes, layer=layer)
    return attribute(rows, errors, controls, counted)


def _explained(opened: OpenRun, chosen: Sequence[str], method: str, layer: str | None) -> pa.Table:
    from repro.explain.explain import explain as compute

    with _watched() as watcher:
        return compute(opened, chosen, method, layer, watcher)


@contextmanager
def _watched() -> Iterator[ProgressBar]:
    """A progress bar; whoever stops it is told what is kept."""
    from repro.commands.progress import ProgressBar

    with ProgressBar() as watcher, interruptible(watcher):
        yield watcher


def _mapped(opened: OpenRun, chosen: Sequence[str], rows: pa.Table, out: Path | None) -> MappedRun:
    """What the table tells of the run; the overlays, where they are asked for, are drawn by then."""
    from repro.reporting.heat_maps import MappedRun, by_image, draw_overlays

    maps = by_image(rows, chosen)
    if out is not None:
        crops = {i: opened.photograph(i).crop.permute(1, 2, 0).numpy() for i in maps}
        n_drawn = len(draw_overlays(out, opened.record, crops, maps))
        tell(f"{opened.record.run_id}: {n_drawn:,} of {len(maps):,} images drawn in {out}")
    return MappedRun(opened.record, maps, {i: opened.rows[i]["p_top5"][0] for i in maps})


def _pointing(opened: OpenRun, rows: pa.Table, boxes: Boxes) -> list[tuple[str, Pointing]]:
    """By run and target."""
    from repro.analysis.pointing import pointing
    from repro.explain.crop_window import crop_boxes
    from repro.results.heat_maps import TARGETS

    maps = rows.to_pylist()
    geometry = opened.record.known_protocol.geometry
    sizes = {row["image_id"]: (row["width_px"], row["height_px"]) for row in maps}
    inside = crop_boxes(boxes, sizes, geometry)
    found = [pointing(target, maps, inside, geometry.size_px) for target in TARGETS]
    return [(opened.record.run_id, one) for one in found if one is not None]


def _chosen(opened: OpenRun, pair: str | None, images: str | None) -> list[str]:
    """The images asked for: by name, else the errors (of a pair), most confident first; none is told.

    Raises:
        UsageError: a name is none of the run's, or both ways are taken.
    """
    from repro.explain.opened import require_images

    if images is not None:
        if pair is not None:
            raise UsageError("--images and --pair exclude each other: images are taken right or wrong")
        named = list(dict.fromkeys(filter(None, (part.strip() for part in images.split(",")))))
        require_images(opened, named)
        if not named:
            raise UsageError("--images names none")
        return named
    errors = errors_of(opened.rows, find_pair(pair) if pair is not None else None)
    if not errors:
        what = f"of the pair {pair}" if pair is not None else "at all"
        tell(f"left out: {opened.record.run_id} has no errors {what}")
    return errors


def _refuse_none(found: Sized, pair: str | None) -> None:
    """Raises UsageError if no run has anything of what was asked for."""
    if not found:
        what = f" of the pair {pair}" if pair is not None else ""
        raise UsageError(f"none of the runs has errors{what}", hint="name images with --images ID,…")


def errors_of(rows: Mapping[str, Mapping[str, Any]], pair: tuple[int, int] | None) -> list[str]:
    """The ids of the wrong answers, most confident first; of a pair (true, predicted) alone if given."""
    wrong = [
        row
        for row in rows.values()
        if row["rank"] > 0 and (pair is None or (row["label"], row["top5"][0]) == pair)
    ]
    return [row["image_id"] for row in sorted(wrong, key=lambda r: (-r["p_top5"][0], r["image_id"]))]


def _unless_auto(device: str) -> str | None:
    return None if device == "auto" else device


def _again(names: Sequence[str], **given: object) -> str:
    return "".join(f" {shlex.quote(text)}" for text in names) + said_again(**given)
