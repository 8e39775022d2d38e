"""By how much an image's decisions are made: what low precision must not move further.

Two decisions are kept of an image: its Top-1 class, and whether the true class is among the first five.
Each hangs on one number. The lead of a class over the best of its rivals is negative where it is not the
first; the lead of the true class over the fifth best of the others is negative where it is not among the
first five. Where every difference of two logits moves by at most `d`, so does either lead; hence a lead
above `d` keeps its sign, and the decision stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def best_classes(logits: torch.Tensor, classes: Sequence[int] = ()) -> torch.Tensor:
    """`(b,)` int64: the class with the greatest of the logits `(b, 1000)`, of `classes` if there are any."""
    return among(logits, classes).argmax(dim=1)


def measure_leads(
    logits: torch.Tensor, labels: torch.Tensor, best: torch.Tensor, classes: Sequence[int] = ()
) -> torch.Tensor:
    """`(b, 2)` float64: the lead of `best` over all others, and of the true class over their fifth best.

    The second is infinite among five `classes`, where it decides nothing.

    Args:
        logits: `(b, 1000)`, at any precision.
        labels: `(b,)` int64, of `classes`.
        best: `(b,)` int64, the first at low precision, for the leads at low precision and in fp32 alike.
        classes: what is chosen and ranked among; empty: all of them.
    """
    logits = among(logits.double(), classes)
    first = _without(logits, best).amax(dim=1)
    fifth = _without(logits, labels).topk(5, dim=1).values[:, 4]
    return torch.stack([_of(logits, best) - first, _of(logits, labels) - fifth], dim=1)


def smallest_lead(leads: torch.Tensor) -> torch.Tensor:
    """`(b,)`: how little decides; 0 where a logit was not finite."""
    return leads.abs().amin(dim=1).nan_to_num(nan=0.0)


def deviation(low: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """`(b,)`: how far low precision moved the leads `(b, 2)`; not finite where a logit was not."""
    undecided = low.isposinf() & exact.isposinf()
    return (low - exact).abs().masked_fill(undecided, 0).amax(dim=1)


def among(logits: torch.Tensor, classes: Sequence[int]) -> torch.Tensor:
    """The logits `(b, 1000)`, minus infinity for all but `classes`; empty: as they are."""
    if not classes:
        return logits
    outside = torch.ones(logits.shape[1], dtype=torch.bool, device=logits.device)
    outside[list(classes)] = False
    return logits.masked_fill(outside, -torch.inf)


def _of(logits: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    return logits.gather(1, chosen[:, None])[:, 0]


def _without(logits: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    return logits.scatter(1, chosen[:, None], -torch.inf)
