"""The canary: a class-balanced sample is scored first, and a hopeless evaluation ends there.

It is the run's first shard, so its rows are kept. Wrong labels, weights or preprocessing cost minutes
then, not hours; a model that is merely a few points off goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa

from repro.catalogue.models import published_by_timm
from repro.datasets import Dataset
from repro.datasets.dataset import IMAGENET_VAL
from repro.datasets.sampling import choose
from repro.evaluation.shards import Shard
from repro.exceptions import InvalidRun
from repro.results.predictions import OK
from repro.specs import N_CLASSES, ModelSpec, Sample

MARGIN_POINTS = 15
"""How far below its reference a model may be; no protocol or precision costs as much."""

CONFIDENCE = 0.999
"""One-sided: how rarely a model at the margin is stopped by chance."""


def put_canary_first(samples: Sequence[Sample], n: int) -> list[Sample]:
    """All samples, `n` of them first that are spread over the classes; each part in reading order."""
    chosen = choose(samples, n)
    return sorted(samples, key=lambda sample: sample not in chosen)


def reference_top1(spec: ModelSpec, dataset: Dataset) -> Decimal | None:
    """The published Top-1 in percent, where `dataset` is ImageNet val or a sample of all its classes."""
    covers_all = len({sample.label for sample in dataset.samples}) == N_CLASSES
    if dataset.name != IMAGENET_VAL or not covers_all:
        return None
    return published_by_timm().get(spec.tag or "", {}).get("imagenet_top1")


def inspect_canary(spec: ModelSpec, dataset: Dataset, shard: Shard, rows: pa.Table) -> None:
    """Goes on unless this is the first shard, and shows that the evaluation is hopeless.

    Raises:
        InvalidRun: see `check_canary`.
    """
    reference = reference_top1(spec, dataset)
    if shard.index == 0 and reference is not None:
        check_canary(spec.name, rows, reference)


def check_canary(model: str, rows: pa.Table, reference_pct: Decimal) -> None:
    """Goes on unless the canary's `rows` cannot come from a model near its reference.

    Raises:
        InvalidRun: even the upper confidence bound (Clopper-Pearson) is below the margin.
    """
    from scipy.stats import binomtest

    ranks = [row["rank"] for row in rows.select(["status", "rank"]).to_pylist() if row["status"] == OK]
    if not ranks:
        return  # the run ends invalid, with the images' own reasons
    n_correct = sum(rank == 0 for rank in ranks)
    test = binomtest(n_correct, len(ranks), alternative="less")
    at_most_pct = 100 * test.proportion_ci(CONFIDENCE, method="exact").high
    if at_most_pct < reference_pct - MARGIN_POINTS:
        raise InvalidRun(
            f"canary: {model} has {n_correct} of the first {len(ranks)} images right, "
            f"at most {at_most_pct:.1f} % ({100 * CONFIDENCE:g} % sure); {reference_pct} % is published: "
            "labels, weights or preprocessing are wrong",
            hint="repro doctor on the images; --no-canary goes on all the same",
        )
