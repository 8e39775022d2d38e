"""How often an early decision is wrong, and how soon it comes, over random orders of real predictions.

The predictions of a ResNet-50 and a ViT on ImageNet val were published with imagenet-x; they lie beside the
repository. Their difference is 1.9 points as it is. Other differences are made of the same images by turning
a seeded choice of those that one model alone has right into images that the other one has: as many images
are discordant as before, which is what makes a difference hard to see.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repro.analysis.sequential import Region, Side, decide
from repro.datasets.dataset import VAL_IMAGES
from tests.proof.label_orders import true_labels
from tests.proof.promises import Skipped

PREDICTIONS = Path(__file__).parents[3] / "shared" / "data" / "predictions"

ALPHA = 0.05
TIE = Region(0, 0)

LOOKS = (2_500, 12_500, VAL_IMAGES)
"""Most orders are decided soon: only those that are not are followed further."""

Ints = NDArray[np.int64]


def check(n: int) -> dict[str, int]:
    """`n` orders at each of three differences; `beyond_alpha` counts those with too many wrong decisions."""
    from scipy.stats import binomtest

    published = differences()
    populations = {"0": shifted(published, 0), "1_9": published, "4_8": shifted(published, 2_400)}
    found = {name: simulate(values, n, seed) for seed, (name, values) in enumerate(populations.items())}
    wrong = {name: int(errs.sum()) for name, (errs, _) in found.items()}
    medians = {name: int(np.median(used)) for name, (_, used) in found.items()}
    interval = binomtest(wrong["0"], n).proportion_ci(0.95, method="exact")
    return {
        "orders": n,
        "wrong": wrong["0"],
        "wrong_low_permyriad": round(1e4 * interval.low),
        "wrong_high_permyriad": round(1e4 * interval.high),
        "wrong_1_9": wrong["1_9"],
        "wrong_4_8": wrong["4_8"],
        "median_1_9": medians["1_9"],
        "median_4_8": medians["4_8"],
        "beyond_alpha": sum(count > ALPHA * n for count in wrong.values()),
        "over_a_tenth": int(medians["4_8"] >= VAL_IMAGES / 10),
    }


def differences() -> Ints:
    """ViT right minus ResNet-50 right, by validation image.

    Raises:
        Skipped: the predictions are not here.
    """
    if not PREDICTIONS.is_dir():
        raise Skipped("the published predictions are not beside the repository")
    vit, resnet = (right(PREDICTIONS / name) for name in ("ViT.csv", "ResNet50.csv"))
    return vit - resnet


def right(path: Path) -> Ints:
    found = np.full(VAL_IMAGES, -1)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            place = int(row["file_name"][15:23]) - 1
            found[place] = int(row["predicted_class"]) == true_labels()[place]
    assert (found >= 0).all()
    return found


def shifted(values: Ints, total: int) -> Ints:
    """The same images with the sum `total`: a random choice of the discordant ones turned round."""
    turn = (total - int(values.sum())) // 2
    sides = np.flatnonzero(values == (-1 if turn > 0 else 1))
    chosen = np.random.default_rng(2026).choice(sides, abs(turn), replace=False)
    turned = values.copy()
    turned[chosen] *= -1
    assert turned.sum() == total
    return turned


def simulate(values: Ints, n_orders: int, seed: int) -> tuple[NDArray[np.bool_], Ints]:
    """By order whether the decision is wrong, and how many images it used."""
    side = {1: Side.ABOVE, 0: Side.INSIDE, -1: Side.BELOW}[int(np.sign(values.sum()))]
    decisions = [decision(order) for order in random_orders(values, n_orders, seed)]
    return np.array([found is not side for found, _ in decisions]), np.array([used for _, used in decisions])


def random_orders(values: Ints, n_orders: int, seed: int) -> Iterator[Ints]:
    random = np.random.default_rng(seed)
    return (random.permutation(values) for _ in range(n_orders))


def decision(order: Ints) -> tuple[Side, int]:
    stops = (decide(order[:n_seen], len(order), TIE, ALPHA) for n_seen in LOOKS)
    stop = next(filter(None, stops))  # with all images seen everything is settled
    return stop.side, stop.n_used
