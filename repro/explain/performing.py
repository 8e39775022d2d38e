"""How jobs are done: runs stay open from one job to the next, few at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from repro.datasets.boxes import Boxes, load_boxes
from repro.evaluation.scoring import Unwatched
from repro.exceptions import DataRefused, UsageError
from repro.explain.apparent_size import SizeDial
from repro.explain.explain import explain
from repro.explain.jobs import Steps
from repro.explain.opened import OpenRun, open_run
from repro.explain.probing import pictures, probe
from repro.explain.wanted import HeatMapsWanted, PicturesWanted, ProbeWanted, SizeWanted, Wanted

OPEN_RUNS = 2
"""Networks in memory."""

DIALS = 4
"""Images of an open run that wait for another apparent size."""

A_FEW = 2
"""Images in a step, which are one batch: with more, what is wanted at once waits longer for nothing."""


@dataclass(slots=True)
class _Opened:
    """An open run, and those of its images that were turned last; they go when it goes."""

    run: OpenRun
    dials: dict[tuple[str, Path | None, str | None], SizeDial] = field(default_factory=dict)


class Performer:
    """Does what is wanted, in the thread that calls it."""

    def __init__(self) -> None:
        self._opened: dict[tuple[Any, ...], _Opened] = {}

    def __call__(self, wanted: Wanted) -> Steps:
        if isinstance(wanted, HeatMapsWanted):
            return self._by_few(wanted, wanted.image_ids, self._heat_maps)
        if isinstance(wanted, ProbeWanted):
            return self._by_few(wanted, wanted.image_ids, self._probe)
        if isinstance(wanted, PicturesWanted):
            return self._at_once(wanted, self._pictures)
        if isinstance(wanted, SizeWanted):
            return self._at_once(wanted, self._size)
        raise TypeError(f"nobody knows how to do {wanted!r}")

    def _by_few(
        self, wanted: Wanted, image_ids: Sequence[str], compute: Callable[[Any, Sequence[str]], pa.Table]
    ) -> Generator[int, None, pa.Table]:
        """A few images a step; one that is refused does not keep the others from being done."""
        if not image_ids:
            raise UsageError("no image is wanted")
        found: list[pa.Table] = []
        refused: list[tuple[str, str]] = []  # texts alone: an exception would hold the network
        for start in range(0, len(image_ids), A_FEW):
            few = image_ids[start : start + A_FEW]
            try:
                found.append(compute(wanted, few))
            except DataRefused:
                for image_id in few:
                    try:
                        found.append(compute(wanted, [image_id]))
                    except DataRefused as error:
                        refused.append((str(error), error.hint))
            yield len(few)
        if refused:
            self._close(wanted)
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            message, hint = refused[0]
            raise DataRefused(f"{message}{more}", hint=hint)
        return pa.concat_tables(found)

    def _at_once(self, wanted: Wanted, compute: Callable[[Any], Any]) -> Generator[int, None, Any]:
        yield 0  # it is seen to run
        try:
            return compute(wanted)
        except DataRefused:
            self._close(wanted)
            raise

    def _heat_maps(self, wanted: HeatMapsWanted, few: Sequence[str]) -> pa.Table:
        return explain(self._open(wanted).run, few, wanted.method, wanted.layer, Unwatched())

    def _probe(self, wanted: ProbeWanted, few: Sequence[str]) -> pa.Table:
        run, boxes = self._open(wanted).run, _boxes(wanted.boxes)
        return probe(run, few, wanted.kind, Unwatched(), boxes=boxes, layer=wanted.layer, single=True)

    def _pictures(self, wanted: PicturesWanted) -> Any:
        run, boxes = self._open(wanted).run, _boxes(wanted.boxes)
        return pictures(run, wanted.image_id, wanted.kind, boxes=boxes, layer=wanted.layer)

    def _size(self, wanted: SizeWanted) -> Any:
        opened = self._open(wanted)
        key = (wanted.image_id, wanted.boxes, wanted.layer)
        dial = opened.dials.pop(key, None)
        if dial is None:
            boxes = _boxes(wanted.boxes)
            dial = SizeDial(opened.run, wanted.image_id, boxes=boxes, layer=wanted.layer)
        _put_last(opened.dials, key, dial, DIALS)
        return dial.at(wanted.factor)

    def _open(self, wanted: Wanted) -> _Opened:
        """The run, opened anew if it was not among the last used, or if its record changed."""
        key = (*_place(wanted), _written_at(wanted.run / "run.json"))
        opened = self._opened.pop(key, None)
        if opened is None:
            self._close(wanted)
            while len(self._opened) >= OPEN_RUNS:  # before the next takes its memory
                del self._opened[next(iter(self._opened))]
            opened = _Opened(open_run(wanted.run, data=wanted.data, labels=wanted.labels, batch_size=A_FEW))
        _put_last(self._opened, key, opened, OPEN_RUNS)
        return opened

    def _close(self, wanted: Wanted) -> None:
        """Forgets the run: what its images are is looked up again by the next job."""
        for key in [key for key in self._opened if key[:-1] == _place(wanted)]:
            del self._opened[key]


def _place(wanted: Wanted) -> tuple[Path | None, ...]:
    return wanted.run, wanted.data, wanted.labels


def _written_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


def _put_last(last: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Puts it behind the others, of which the oldest goes where there are too many."""
    last[key] = value
    if len(last) > most:
        del last[next(iter(last))]


def _boxes(source: Path | None) -> Boxes:
    return {} if source is None else _load_boxes(source)


@lru_cache(maxsize=2)
def _load_boxes(source: Path) -> Boxes:
    return load_boxes(source)
