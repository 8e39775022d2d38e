"""Probes of a run's images: `repro probe RUN --kind size`; what is there is not computed again.

An image is changed in graded doses, and the network asked again: for each dose, what it answers and how
probable the true class and the class once predicted are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from repro.datasets.boxes import Boxes
from repro.evaluation.predict import predict
from repro.evaluation.preprocess import normalise
from repro.evaluation.scoring import Watcher
from repro.explain.crop_window import crop_boxes
from repro.explain.doses import N_OTHERS, VERSION, Dose, apply, find_doses
from repro.explain.heat_maps import Floats, HeatMapper, combined, layer_name, logit
from repro.explain.keeping import complete
from repro.explain.methods import find_layer
from repro.explain.opened import OpenRun, Photograph, require_images
from repro.explain.scene import (
    REGION_QUANTILE,
    Focus,
    Scene,
    focus_nowhere,
    focus_on_boxes,
    focus_on_map,
    seed_of,
)
from repro.results.kept import KeptRows
from repro.results.probes import AS_IT_IS, FOLDER, SCHEMA
from repro.specs import digest

_NEED_FOCUS = ("size", "context")


def probe(
    run: OpenRun,
    image_ids: Sequence[str],
    kind: str,
    watcher: Watcher,
    *,
    boxes: Boxes | None = None,
    layer: str | None = None,
) -> pa.Table:
    """The rows (`results.probes`) of these images, computed where they are not kept.

    Args:
        run: Whose images they are.
        image_ids: Each once.
        kind: `size`, `context` or `shape`.
        watcher: Is told how it goes.
        boxes: Where the objects are; an image without one is looked at by its heat map.
        layer: That of the heat map; None: that of the network's family.

    Raises:
        UsageError: an image or the kind is not there, or no heat-map layer is known.
        DataRefused: an image is not the one that was scored.
        Busy: another process computes the same.
        StorageError: the disk does not take the rows; those written before are kept.
    """
    return _Probing(run, kind, boxes or {}, layer).run(image_ids, watcher)


class _Probing:
    """What all batches of one probe share."""

    def __init__(self, run: OpenRun, kind: str, boxes: Boxes, layer: str | None) -> None:
        self.of, self.kind, self.doses, self.boxes = run, kind, find_doses(kind), boxes
        self.layer, self.mapper = "", None
        if kind in _NEED_FOCUS:
            self.layer = layer_name(run.network, layer or find_layer(run.record.model.timm_name))
            self.mapper = HeatMapper(run.network, self.layer)
        self.ranking = sorted(run.rows, key=seed_of)
        self.place = {image_id: place for place, image_id in enumerate(self.ranking)}

    def run(self, image_ids: Sequence[str], watcher: Watcher) -> pa.Table:
        require_images(self.of, image_ids)
        kept = KeptRows(self.of.folder / FOLDER, self.kind, SCHEMA, self._identity())
        return complete(kept, image_ids, self._probe_batch, self.of.numerics.batch_size, watcher)

    def _identity(self) -> str:
        return digest(
            {
                **self.of.identity,
                "interventions": VERSION,
                "doses": [[dose.name, dose.dose] for dose in self.doses],
                "layer": self.layer,
                "region": [REGION_QUANTILE, "two best"],
                "boxes": {
                    image_id: [[box.x_min, box.y_min, box.x_max, box.y_max] for box in some]
                    for image_id, some in self.boxes.items()
                    if image_id in self.of.rows
                },
                "rows": SCHEMA.to_string(),
            }
        )

    def _probe_batch(self, image_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        photographs = [self.of.photograph(image_id) for image_id in image_ids]
        before, maps = self._look(photographs)
        scenes = [self._scene(photographs[i], maps[i]) for i in range(len(photographs))]
        changed = np.stack([apply(scene, dose) for scene in scenes for dose in self.doses])
        after = self._answer(changed).view(len(scenes), len(self.doses), -1)
        logits = torch.cat([before[:, None], after], dim=1)
        for photograph, scene, answers in zip(photographs, scenes, logits, strict=True):
            yield from self._rows_of(photograph, scene.focus, answers)

    def _look(self, photographs: Sequence[Photograph]) -> tuple[torch.Tensor, Sequence[Floats | None]]:
        """The logits of the crops as they are; the heat maps of two best answers, if they say anything."""
        crops = torch.stack([photograph.crop for photograph in photographs]).to(self.of.numerics.device)
        if self.mapper is None:
            return predict(self.of.network, crops, self.of.record.known_protocol), [None] * len(crops)
        best = torch.tensor([self.of.rows[photograph.image_id]["top5"][:2] for photograph in photographs])
        mapped = self.mapper(
            normalise(crops, self.of.record.known_protocol), [logit(best[:, 0]), logit(best[:, 1])]
        )
        return mapped.logits, [combined(maps) for maps in zip(*mapped.signed, strict=True)]

    def _answer(self, crops: np.ndarray[Any, Any]) -> torch.Tensor:
        """Logits of uint8 crops `(n, size_px, size_px, 3)`, a batch at a time."""
        pixels = torch.from_numpy(crops).permute(0, 3, 1, 2)
        device, protocol = self.of.numerics.device, self.of.record.known_protocol
        batches = torch.split(pixels, self.of.numerics.batch_size)
        return torch.cat([predict(self.of.network, batch.to(device), protocol) for batch in batches])

    def _scene(self, photograph: Photograph, cells: Floats | None) -> Scene:
        return Scene(
            whole=photograph.whole,
            crop=photograph.crop.permute(1, 2, 0).numpy(),
            geometry=self.of.record.known_protocol.geometry,
            focus=self._focus(photograph, cells),
            others=tuple(map(self._other_crop, self._others(photograph.image_id))),
            seed=seed_of(photograph.image_id),
        )

    def _focus(self, photograph: Photograph, cells: Floats | None) -> Focus:
        geometry = self.of.record.known_protocol.geometry
        if self.kind not in _NEED_FOCUS:
            return focus_nowhere(geometry.size_px)
        size = {photograph.image_id: photograph.whole.size}
        if found := crop_boxes(self.boxes, size, geometry).get(photograph.image_id):
            return focus_on_boxes(found, geometry.size_px)
        return focus_on_map(cells, geometry.size_px)

    def _others(self, image_id: str) -> list[str]:
        """Images of other classes, which the image alone decides."""
        if self.kind != "context":
            return []
        label, start = self.of.rows[image_id]["label"], self.place[image_id]
        around = (self.ranking[(start + i) % len(self.ranking)] for i in range(1, len(self.ranking)))
        others = (other for other in around if self.of.rows[other]["label"] != label)
        return list(islice(others, N_OTHERS)) or [image_id]

    def _other_crop(self, image_id: str) -> np.ndarray[Any, Any]:
        crop: np.ndarray[Any, Any] = self.of.photograph(image_id).crop.permute(1, 2, 0).numpy()
        return crop

    def _rows_of(
        self, photograph: Photograph, focus: Focus, logits: torch.Tensor
    ) -> Iterator[dict[str, Any]]:
        """The rows of an image; `logits` are those of it as it is, then of each dose."""
        stored = self.of.rows[photograph.image_id]
        label, predicted = stored["label"], stored["top5"][0]
        finite = torch.isfinite(logits).all(dim=1)
        p = logits.softmax(dim=1)
        for i, dose in enumerate((Dose(self.kind, AS_IT_IS, 0), *self.doses)):
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
