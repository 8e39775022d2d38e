"""From crops to rows: the forward pass, and what is kept of 1000 logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch

from repro.evaluation.leads import among
from repro.evaluation.loading import Facts
from repro.evaluation.preprocess import normalise
from repro.results.predictions import NON_FINITE, OK, SCHEMA
from repro.specs import Protocol, Sample


@dataclass(frozen=True, slots=True)
class Scores:
    """What is kept of the logits of `b` images, on their device; where `finite` is False it means nothing."""

    top5: torch.Tensor  # (b, 5) int16: class indices, best first
    p_top5: torch.Tensor  # (b, 5) float32
    p_label: torch.Tensor  # (b,) float32
    rank: torch.Tensor  # (b,) int16: classes that beat the true one
    finite: torch.Tensor  # (b,) bool


def forward(network: torch.nn.Module, pixels: torch.Tensor, protocol: Protocol) -> torch.Tensor:
    """Logits `(b, 1000)` in fp32 of uint8 crops `(b, 3, h, w)`, where both are.

    MPS, which has no fp64, hands them to the CPU.
    """
    with torch.inference_mode():
        logits: torch.Tensor = network(normalise(pixels, protocol))
    return logits.float().cpu() if logits.device.type == "mps" else logits.float()


def predict(network: torch.nn.Module, pixels: torch.Tensor, protocol: Protocol) -> torch.Tensor:
    """What `forward` gives, on the CPU."""
    return forward(network, pixels, protocol).cpu()


def score(logits: torch.Tensor, labels: torch.Tensor, classes: Sequence[int] = ()) -> Scores:
    """Top-5, probabilities and the rank of the true class; among equals the lower index comes first.

    It is computed where the logits are: sorting them on the CPU takes longer than a GPU does to make them.

    Args:
        logits: `(b, 1000)`, on any device.
        labels: `(b,)` int64, of `classes`, on any device.
        classes: what is chosen and ranked among, five at least; empty: all of them.
    """
    finite = torch.isfinite(logits).all(dim=1)
    logits = among(logits, classes)
    probabilities = logits.softmax(dim=1)
    order = logits.sort(dim=1, descending=True, stable=True).indices
    top5 = order[:, :5]
    own = labels.to(logits.device, non_blocking=True)[:, None]
    return Scores(
        top5=top5.to(torch.int16),
        p_top5=probabilities.gather(1, top5),
        p_label=probabilities.gather(1, own)[:, 0],
        rank=(order == own).int().argmax(dim=1).to(torch.int16),
        finite=finite,
    )


def to_rows(
    samples: Sequence[Sample], facts: Sequence[Facts], scores: Scores, precisions: Sequence[str] = ()
) -> pa.RecordBatch:
    """The rows of `samples`: scored where the image could be read and all its logits are finite.

    `precisions` are those of the values of each; empty: all fp32.
    """
    values = {name: getattr(scores, name).tolist() for name in ("top5", "p_top5", "p_label", "rank")}
    finite = scores.finite.tolist()
    rows = []
    for i, (sample, read) in enumerate(zip(samples, facts, strict=True)):
        row: dict[str, Any] = {
            "image_id": sample.image_id,
            "path": sample.path,
            "sha256": read.sha256,
            "label": sample.label,
            "status": NON_FINITE if read.status == OK and not finite[i] else read.status,
            "image_mode": read.mode,
        }
        if row["status"] == OK:
            row["precision"] = precisions[i] if precisions else "fp32"
            row |= {name: of[i] for name, of in values.items()}
        rows.append(row)
    return pa.RecordBatch.from_pylist(rows, SCHEMA)
