"""Where the labels of a picture stand so that they can be read: near their point, over nothing else."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

Boxes: TypeAlias = Array
"""`(n, 4)`: left, bottom, right, top in pixels, y upwards."""

_ANGLES = np.deg2rad(np.arange(0, 360, 20))

_DISTANCES = (3.0, 9.0, 17.0, 27.0, 39.0, 53.0, 70.0)
"""Pixels from a point's marker to its label."""

_MARKER = 9.0
"""Pixels around a point that are its own marker's."""

_WAYS = np.stack([np.cos(_ANGLES[::3]), np.sin(_ANGLES[::3])], axis=1)
"""Directions in which one may go through the points: where labels settle depends on who chooses first."""

_SWEEPS = 8


def place_labels(points: Array, sizes: Array, obstacles: Boxes, frame: Boxes) -> Boxes:
    """The boxes of the labels: `sizes` `(n, 2)` wide and high, of `points` `(n, 2)`; all in pixels.

    Each label in turn takes the place that covers least of the other labels, of their lines, of the
    `obstacles` and of what lies outside the `frame` (one box), and among such places one that is near
    and near no other point. Of several orders to choose in, the best outcome is taken.
    """
    places = np.stack([_places(point, size) for point, size in zip(points, sizes, strict=True)])
    lines = np.stack([_lines(around, point) for around, point in zip(places, points, strict=True)])
    fixed = [_fixed_costs(places[i], lines[i], obstacles, frame) for i in range(len(points))]
    costs = np.stack([fixed[i] + _doubts(places[i], points, i) for i in range(len(points))])
    settled = [_settle(np.argsort(points @ way), costs, places, lines) for way in _WAYS]
    _, chosen = min(settled, key=lambda found: found[0])
    return np.array(places[np.arange(len(places)), chosen])


def _settle(
    order: npt.NDArray[np.intp], costs: Array, places: Array, lines: Array
) -> tuple[float, npt.NDArray[np.intp]]:
    """One place for each label, taken in turn until none moves; and what all of them cost together."""
    chosen = np.argmin(costs, axis=1)
    for _ in range(_SWEEPS):
        before, total = chosen.copy(), 0.0
        for i in order:
            others = order[order != i]
            labels = places[others, chosen[others]]
            crossed = covered(lines[i].reshape(-1, 4), labels).reshape(len(places[i]), -1).sum(axis=1)
            crossing = covered(places[i], lines[others, chosen[others]].reshape(-1, 4))
            # Rounded, so that the last bit of a processor's sum decides nothing.
            cost = np.round(costs[i] + 4 * (covered(places[i], labels) + crossed + crossing), 6)
            chosen[i] = np.argmin(cost)
            total += cost[chosen[i]]
        if np.array_equal(before, chosen):
            break
    return total, chosen


def covered(boxes: Boxes, others: Boxes) -> Array:
    """How many square pixels of each of `boxes` lie under `others`, counted once for each of them."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    areas: Array = np.prod(np.clip(high - low, 0, None), axis=2).sum(axis=1)
    return areas


def nearest_in(boxes: Boxes, point: Array) -> Array:
    """The place of each box `(n, 2)` that is nearest to the point."""
    nearest: Array = np.clip(point, boxes[:, :2], boxes[:, 2:])
    return nearest


def _places(point: Array, size: Array) -> Boxes:
    """The boxes around a point, near ones first; the nearest edge of each lies at its distance."""
    directions = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
    rings = []
    for distance in _DISTANCES:
        # The label's centre moves along the edge of a box around the point, so that it stays outside.
        reach = size / 2 + distance + 4
        scale = np.min(reach / np.maximum(np.abs(directions), 1e-9), axis=1)
        rings.append(point + directions * scale[:, None])
    centres = np.concatenate(rings)
    return np.concatenate([centres - size / 2, centres + size / 2], axis=1)


def _lines(places: Boxes, point: Array) -> Array:
    """The lines from each place to its point's marker `(n, 6, 4)`, as dots of 2 × 2 pixels."""
    ends = nearest_in(places, point)
    lengths = np.hypot(*(point - ends).T)
    reach = np.clip(1 - _MARKER / np.maximum(lengths, 1e-9), 0, 1)  # up to the marker
    steps = np.linspace(0, 1, 6)[None, :, None] * reach[:, None, None]
    dots = ends[:, None] + steps * (point - ends)[:, None]
    return np.concatenate([dots - 1, dots + 1], axis=2)


def _doubts(places: Boxes, points: Array, own: int) -> Array:
    """How far each place is from being nearer to its own point than to any other."""
    gaps = np.stack([np.hypot(*(nearest_in(places, point) - point).T) for point in points], axis=1)
    others = np.delete(gaps, own, axis=1).min(axis=1, initial=np.inf)
    doubts: Array = np.clip(gaps[:, own] + 3 - others, 0, None)
    return doubts


def _fixed_costs(places: Boxes, lines: Array, obstacles: Boxes, frame: Boxes) -> Array:
    """What does not depend on the other labels."""
    area = (places[:, 2] - places[:, 0]) * (places[:, 3] - places[:, 1])
    outside = area - covered(places, frame)
    nearness = np.repeat(np.array(_DISTANCES), len(_ANGLES))
    crossed = covered(lines.reshape(-1, 4), obstacles).reshape(len(places), -1).sum(axis=1)
    costs: Array = 3 * covered(places, obstacles) + 3 * crossed + 20 * outside + nearness
    return costs
