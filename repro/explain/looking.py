"""How a probe looks at photographs: each becomes a scene, and the network says where in it the object is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import torch

from repro.datasets.boxes import Box, Boxes
from repro.evaluation.predict import predict
from repro.evaluation.preprocess import normalise
from repro.explain.crop_window import crop_boxes
from repro.explain.doses import N_OTHERS, find_doses
from repro.explain.heat_maps import Floats, HeatMapper, combined, layer_name, logit
from repro.explain.methods import find_layer
from repro.explain.opened import OpenRun, Photograph
from repro.explain.scene import Crop, Focus, Scene, focus_nowhere, focus_on_boxes, focus_on_map, seed_of

_NEED_FOCUS = ("size", "context")
_NEED_OTHERS = ("context",)


class Looking:
    """The eyes of a probe of one kind.

    `layer` is that of the heat maps, "" where the kind needs none; `doses` are what the kind tries.
    """

    def __init__(self, run: OpenRun, kind: str, boxes: Boxes | None = None, layer: str | None = None) -> None:
        self.run, self.kind, self.doses, self.boxes = run, kind, find_doses(kind), boxes or {}
        self.layer, self._mapper = "", None
        if kind in _NEED_FOCUS:
            self.layer = layer_name(run.network, layer or find_layer(run.record.model.timm_name))
            self._mapper = HeatMapper(run.network, self.layer)

    def look(self, photographs: Sequence[Photograph]) -> tuple[torch.Tensor, list[Scene]]:
        """The logits `(b, 1000)` of the crops as they are, and the scenes, from one forward pass."""
        if self._mapper is None:
            logits = self._answer(_crops(photographs))
            return logits, [self._scene(photograph, None) for photograph in photographs]
        logits, maps = self._map(self._mapper, photographs)
        return logits, [self._scene(*each) for each in zip(photographs, maps, strict=True)]

    def scene(self, photograph: Photograph) -> Scene:
        """The scene alone: the network is asked only where nothing else says where the object is."""
        if self._mapper is None or self._visible_boxes(photograph):
            return self._scene(photograph, None)
        return self.look([photograph])[1][0]

    def answer(self, crops: Sequence[Crop]) -> torch.Tensor:
        """Logits `(n, 1000)` of crops, a batch at a time."""
        pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        batches = torch.split(pixels, self.run.numerics.batch_size)
        return torch.cat([self._answer(batch) for batch in batches])

    def _answer(self, pixels: torch.Tensor) -> torch.Tensor:
        return predict(self.run.network, pixels.to(self.run.numerics.device), self.run.record.known_protocol)

    def _map(
        self, mapper: HeatMapper, photographs: Sequence[Photograph]
    ) -> tuple[torch.Tensor, list[Floats | None]]:
        """The logits, and the heat maps of the two best answers, if they say anything."""
        crops = _crops(photographs).to(self.run.numerics.device)
        best = torch.tensor([self.run.rows[photograph.image_id]["top5"][:2] for photograph in photographs])
        mapped = mapper(
            normalise(crops, self.run.record.known_protocol), [logit(best[:, 0]), logit(best[:, 1])]
        )
        return mapped.logits, [combined(maps) for maps in zip(*mapped.signed, strict=True)]

    def _scene(self, photograph: Photograph, cells: Floats | None) -> Scene:
        return Scene(
            whole=photograph.whole,
            crop=_pixels(photograph),
            geometry=self.run.record.known_protocol.geometry,
            focus=self._focus(photograph, cells),
            others=tuple(_pixels(self.run.photograph(other)) for other in self._others(photograph.image_id)),
            seed=seed_of(photograph.image_id),
        )

    def _focus(self, photograph: Photograph, cells: Floats | None) -> Focus:
        size_px = self.run.record.known_protocol.geometry.size_px
        if self.kind not in _NEED_FOCUS:
            return focus_nowhere(size_px)
        if found := self._visible_boxes(photograph):
            return focus_on_boxes(found, size_px)
        return focus_on_map(cells, size_px)

    def _visible_boxes(self, photograph: Photograph) -> tuple[Box, ...]:
        size = {photograph.image_id: photograph.whole.size}
        found = crop_boxes(self.boxes, size, self.run.record.known_protocol.geometry)
        return found.get(photograph.image_id, ())

    def _others(self, image_id: str) -> list[str]:
        """Images of other classes, which the image alone decides."""
        if self.kind not in _NEED_OTHERS:
            return []
        ranking, place = self._ranking
        label, start = self.run.rows[image_id]["label"], place[image_id]
        around = (ranking[(start + i) % len(ranking)] for i in range(1, len(ranking)))
        others = (other for other in around if self.run.rows[other]["label"] != label)
        return list(islice(others, N_OTHERS)) or [image_id]

    @cached_property
    def _ranking(self) -> tuple[list[str], dict[str, int]]:
        """All images in the order of their seeds, and the place of each."""
        ranking = sorted(self.run.rows, key=seed_of)
        return ranking, {image_id: place for place, image_id in enumerate(ranking)}


def _crops(photographs: Sequence[Photograph]) -> torch.Tensor:
    return torch.stack([photograph.crop for photograph in photographs])


def _pixels(photograph: Photograph) -> np.ndarray[Any, Any]:
    pixels: np.ndarray[Any, Any] = photograph.crop.permute(1, 2, 0).numpy()
    return pixels
