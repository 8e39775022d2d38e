"""The heat maps of a run's images: `repro explain RUN`; what is there is not computed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from repro.evaluation.leads import best_classes
from repro.evaluation.preprocess import normalise
from repro.evaluation.scoring import Watcher
from repro.explain import faithfulness
from repro.explain.heat_maps import Floats, HeatMapper, contrast, is_blind, judge, layer_name, logit
from repro.explain.keeping import complete
from repro.explain.methods import find_layer, find_method
from repro.explain.opened import OpenRun, Photograph, require_images
from repro.results.heat_maps import BLIND, CONTRAST, FOLDER, NOT_FINITE, OK, PREDICTED, SCHEMA, TRUE
from repro.results.kept import KeptRows
from repro.specs import digest

_PREDICTED, _AGAINST, _CONTRAST = range(3)
"""The places of the targets in what is computed: a row's true class is one of the first two."""


def explain(
    run: OpenRun, image_ids: Sequence[str], method: str, layer: str | None, watcher: Watcher
) -> pa.Table:
    """The rows (`results.heat_maps`) of these images, computed where they are not kept.

    Args:
        run: Whose images they are.
        image_ids: Each once.
        method: One of `methods.METHODS`.
        layer: A path in the network; None: that of its family.
        watcher: Is told how it goes.

    Raises:
        UsageError: an image, the method or the layer is not there.
        DataRefused: an image is not the one that was scored.
        Busy: another process computes the same.
        StorageError: the disk does not take the maps; those written before are kept.
    """
    require_images(run, image_ids)
    find_method(method)
    path = layer_name(run.network, layer or find_layer(run.record.model.timm_name))
    kept = KeptRows(run.folder / FOLDER, f"{method}-{path}", SCHEMA, _identity(run, method, path))
    compute = partial(_explain_batch, run, HeatMapper(run.network, path, method))
    return complete(kept, image_ids, compute, run.numerics.batch_size, watcher)


def _identity(run: OpenRun, method: str, path: str) -> str:
    how = {"method": method, "layer": path, "library": version("grad-cam"), "rows": SCHEMA.to_string()}
    removed = [faithfulness.REMOVED, faithfulness.RANDOM_MAPS]
    among = {"falls": "among its classes"} if run.classes else {}  # once they were among all 1000
    return digest({**run.identity, **how, **among, "removed": removed})


def _explain_batch(run: OpenRun, mapper: HeatMapper, image_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    photographs = [run.photograph(image_id) for image_id in image_ids]
    crops = torch.stack([photograph.crop for photograph in photographs]).to(run.numerics.device)
    rivals = [run.rival(image_id) for image_id in image_ids]
    predicted, against = (torch.tensor(classes) for classes in zip(*rivals, strict=True))
    targets = [logit(predicted), logit(against), contrast(predicted, against)]
    mapped = mapper(normalise(crops, run.record.known_protocol), targets)
    fell = faithfulness.falls(
        run.network, crops, run.record.known_protocol, mapped.signed, targets, image_ids, run.classes
    )
    for i, photograph in enumerate(photographs):
        maps = [signed[i] for signed in mapped.signed]
        yield from _rows_of(run, photograph, mapped.logits[i], maps, (fell[0][:, i], fell[1][:, i]))


def _rows_of(
    run: OpenRun,
    photograph: Photograph,
    logits: torch.Tensor,
    maps: Sequence[Floats],
    fell: tuple[Floats, Floats],
) -> Iterator[dict[str, Any]]:
    """The three rows of an image."""
    label = run.rows[photograph.image_id]["label"]
    predicted, against = run.rival(photograph.image_id)
    true = _PREDICTED if label == predicted else _AGAINST
    finite = bool(torch.isfinite(logits).all())
    common = {
        "image_id": photograph.image_id,
        "sha256": photograph.sha256,
        "label": label,
        "predicted": predicted,
        "against": against,
        "agrees": finite and int(best_classes(logits[None], run.classes)) == predicted,
        "width_px": photograph.whole.width,
        "height_px": photograph.whole.height,
    }
    if finite:
        classes = {"label": label, "predicted": predicted, "against": against}
        common |= {f"logit_{name}": float(logits[index]) for name, index in classes.items()}
    blind = is_blind(maps[_PREDICTED], maps[_AGAINST])
    for target, place in ((TRUE, true), (PREDICTED, _PREDICTED), (CONTRAST, _CONTRAST)):
        signed = maps[place]
        status = judge(signed) if finite else NOT_FINITE
        row = {**common, "target": target, "side": len(signed), "status": BLIND if blind else status}
        if status != NOT_FINITE:
            row["map"] = np.maximum(signed, 0).ravel()
        if row["status"] == OK:
            row |= {"fall": float(fell[0][place]), "fall_random": float(fell[1][place])}
        yield row
