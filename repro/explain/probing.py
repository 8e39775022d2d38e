"""Probes of a run's images: `repro probe RUN --kind size`; what is there is not computed again.

An image is changed in graded doses, and the network asked again: for each dose, what it answers and how
probable the true class and the class once predicted are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import torch

from repro.datasets.boxes import Boxes
from repro.evaluation.leads import among
from repro.evaluation.scoring import Watcher
from repro.explain.doses import VERSION, Dose, apply
from repro.explain.keeping import complete
from repro.explain.looking import Looking
from repro.explain.opened import OpenRun, Photograph, require_images
from repro.explain.scene import REGION_QUANTILE, Crop, Focus
from repro.results.kept import KeptRows
from repro.results.probes import AS_IT_IS, FOLDER, LAYER, SCHEMA, SINGLE_FOLDER
from repro.specs import digest

LIBRARIES = ("grad-cam", "opencv-python-headless", "scipy")
"""What tells where the object is, and what changes the image, besides what any prediction depends on."""


def probe(
    run: OpenRun,
    image_ids: Sequence[str],
    kind: str,
    watcher: Watcher,
    *,
    boxes: Boxes | None = None,
    layer: str | None = None,
    single: bool = False,
) -> pa.Table:
    """The rows (`results.probes`) of these images, computed where they are not kept.

    Args:
        run: Whose images they are.
        image_ids: Each once.
        kind: `size`, `context` or `shape`.
        watcher: Is told how it goes.
        boxes: Where the objects are; an image without one is looked at by its heat map.
        layer: That of the heat map; None: that of the network's family.
        single: Somebody looks at these images, without controls: they are kept apart from what is counted.

    Raises:
        UsageError: an image or the kind is not there, or no heat-map layer is known.
        DataRefused: an image is not the one that was scored.
        Busy: another process computes the same.
        StorageError: the disk does not take the rows; those written before are kept.
    """
    require_images(run, image_ids)
    looking = Looking(run, kind, boxes, layer)
    folder = run.folder / (SINGLE_FOLDER if single else FOLDER)
    kept = KeptRows(folder, kind, SCHEMA, _identity(looking), {LAYER: looking.layer})
    compute = partial(_probe_batch, looking)
    return complete(kept, image_ids, compute, run.numerics.batch_size, watcher)


def pictures(
    run: OpenRun, image_id: str, kind: str, *, boxes: Boxes | None = None, layer: str | None = None
) -> list[tuple[Dose, Crop]]:
    """What `probe` shows to the network: the crop as it is, then at each dose, in the order of the rows.

    The network is asked only where it must say where the object is.

    Raises:
        UsageError, DataRefused: as for `probe`.
    """
    require_images(run, [image_id])
    looking = Looking(run, kind, boxes, layer)
    scene = looking.scene(run.photograph(image_id))
    return [
        (Dose(kind, AS_IT_IS, 0), scene.crop),
        *((dose, apply(scene, dose)) for dose in looking.doses),
    ]


def _identity(looking: Looking) -> str:
    run = looking.run
    return digest(
        {
            **run.identity,
            "interventions": VERSION,
            "libraries": {name: version(name) for name in LIBRARIES},
            "doses": [[dose.name, dose.dose] for dose in looking.doses],
            "layer": looking.layer,
            "region": [REGION_QUANTILE, "two best"],
            "boxes": {
                image_id: [[box.x_min, box.y_min, box.x_max, box.y_max] for box in some]
                for image_id, some in looking.boxes.items()
                if image_id in run.rows
            },
            "rows": SCHEMA.to_string(),
        }
    )


def _probe_batch(looking: Looking, image_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    photographs = [looking.run.photograph(image_id) for image_id in image_ids]
    before, scenes = looking.look(photographs)
    changed = [apply(scene, dose) for scene in scenes for dose in looking.doses]
    after = looking.answer(changed).view(len(scenes), len(looking.doses), -1)
    logits = torch.cat([before[:, None], after], dim=1)
    for photograph, scene, answers in zip(photographs, scenes, logits, strict=True):
        yield from _rows_of(looking, photograph, scene.focus, answers)


def _rows_of(
    looking: Looking, photograph: Photograph, focus: Focus, logits: torch.Tensor
) -> Iterator[dict[str, Any]]:
    """The rows of an image; `logits` are those of it as it is, then of each dose."""
    stored = looking.run.rows[photograph.image_id]
    label, predicted = stored["label"], stored["top5"][0]
    finite = torch.isfinite(logits).all(dim=1)
    logits = among(logits, looking.run.classes)
    p = logits.softmax(dim=1)
    for i, dose in enumerate((Dose(looking.kind, AS_IT_IS, 0), *looking.doses)):
        yield {
            "image_id": photograph.image_id,
            "sha256": photograph.sha256,
            "label": label,
            "predicted": predicted,
            "intervention": dose.name,
            "dose": dose.dose,
            "top1": int(logits[i].argmax()) if finite[i] else None,
            "p_label": float(p[i, label]) if finite[i] else None,
            "p_predicted": float(p[i, predicted]) if finite[i] else None,
            "focus": focus.told_by,
        }
