"""What can be done to an image to learn what a prediction rests on: one pure function each.

Each takes a scene and a dose, and gives a crop. Chance is the scene's seed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from repro.datasets.boxes import Box
from repro.explain.crop_window import cut_out
from repro.explain.scene import Crop, Scene

Pixels = Crop | NDArray[np.float32]

GREY = 128

_CANVAS_BLUR = 1 / 8
_FEATHER = 1 / 64
_OUTLINE_BLUR = 1 / 80
"""In shares of the crop's side."""

_STEEPEST = 0.98
"""From this quantile of the slopes on, an outline is black."""


def smaller_on_grey(scene: Scene, factor: float) -> Crop:
    """The crop at `factor` of its size, in the middle of neutral grey."""
    return _pasted(_shrunk(scene, factor), np.full_like(scene.crop, GREY))


def smaller_on_reflections(scene: Scene, factor: float) -> Crop:
    """The crop at `factor` of its size, mirrored at its borders to all sides."""
    small = _shrunk(scene, factor)
    before = (len(scene.crop) - len(small)) // 2
    after = len(scene.crop) - len(small) - before
    return np.pad(small, ((before, after), (before, after), (0, 0)), mode="symmetric")


def smaller_on_own_background(scene: Scene, factor: float) -> Crop:
    """The crop at `factor` of its size, in the middle of itself, blurred."""
    return _pasted(_shrunk(scene, factor), _blurred(scene.crop, _CANVAS_BLUR))


def larger(scene: Scene, factor: float) -> Crop:
    """A part around the object, `factor` times smaller than the crop, from the photograph's own pixels."""
    size_px = len(scene.crop)
    side = size_px / factor
    x, y = (min(max(value - side / 2, 0.0), size_px - side) for value in scene.focus.centre)
    part = Box(x, y, x + side, y + side)
    return np.asarray(cut_out(scene.whole, part, scene.geometry, size_px))


def surroundings_blurred(scene: Scene, sigma: float) -> Crop:
    """All but the object blurred; `sigma` is a share of the crop's side."""
    return _blended(scene.crop, _blurred(scene.crop, sigma), _soft_mask(scene))


def surroundings_greyed(scene: Scene, strength: float) -> Crop:
    """All but the object faded towards grey, wholly at 1."""
    faded: NDArray[np.float32] = (1 - strength) * scene.crop.astype(np.float32) + strength * GREY
    return _blended(scene.crop, faded, _soft_mask(scene))


def surroundings_of_another(scene: Scene, which: float) -> Crop:
    """The object before the surroundings of another photograph: its corners, mirrored to fill the crop."""
    other = scene.others[(int(which) - 1) % len(scene.others)]
    return _blended(scene.crop, corners_only(other), _soft_mask(scene))


def object_removed(scene: Scene, strength: float) -> Crop:
    """The surroundings as they are; the object fades, wholly at 1, into what is around it."""
    mask = _soft_mask(scene)
    kept = 1 - mask
    weight = np.maximum(_smooth_widely(kept, _CANVAS_BLUR), 1e-3)
    around = (_smooth_widely(scene.crop * kept, _CANVAS_BLUR) / weight).astype(np.float32)
    return _blended(around, scene.crop, strength * mask)


def tiles_shuffled(scene: Scene, n: float) -> Crop:
    """The crop's `n` by `n` tiles in another order, none in its own place; a rest at the edges stays."""
    count = int(n)
    side = len(scene.crop) // count
    places = np.random.default_rng([scene.seed, count]).permutation(count * count)
    shuffled = scene.crop.copy()
    for place, source in zip(places, np.roll(places, 1), strict=True):  # one cycle: nothing stays
        (y, x), (y_from, x_from) = (np.array(divmod(int(i), count)) * side for i in (place, source))
        shuffled[y : y + side, x : x + side] = scene.crop[y_from : y_from + side, x_from : x_from + side]
    return shuffled


def texture_smoothed(scene: Scene, width: float) -> Crop:
    """Details narrower than `width`, a share of the crop's side, are gone; outlines stay sharp (median)."""
    import cv2  # Pillow's median gives the same pixels, twenty times slower

    size = 2 * round(width * len(scene.crop) / 2) + 1
    return np.asarray(cv2.medianBlur(np.ascontiguousarray(scene.crop), size))


def outlines_only(scene: Scene, _dose: float) -> Crop:
    """Dark lines on white where the brightness changes: no texture, no colour."""
    from scipy.ndimage import gaussian_gradient_magnitude

    brightness = np.asarray(Image.fromarray(scene.crop).convert("L"), np.float32)
    slope = gaussian_gradient_magnitude(brightness, _OUTLINE_BLUR * len(brightness))
    steepest = max(float(np.quantile(slope, _STEEPEST)), 1.0)
    return _rounded(255 * (1 - np.minimum(slope / steepest, 1))[:, :, None].repeat(3, axis=2))


def colour_removed(scene: Scene, strength: float) -> Crop:
    """Faded towards its own brightness, wholly at 1."""
    grey = np.asarray(Image.fromarray(scene.crop).convert("L"), np.float32)[:, :, None]
    return _rounded(scene.crop + strength * (grey - scene.crop))


def corners_only(crop: Crop) -> Crop:
    """What is in the corners of a crop, a quarter of its side each, mirrored to fill its quarter."""
    quarter, half = len(crop) // 4, len(crop) // 2
    rest = len(crop) - half
    top = np.concatenate(
        [_mirrored(crop[:quarter, :quarter], half, half), _mirrored(crop[:quarter, -quarter:], half, rest)],
        axis=1,
    )
    bottom = np.concatenate(
        [_mirrored(crop[-quarter:, :quarter], rest, half), _mirrored(crop[-quarter:, -quarter:], rest, rest)],
        axis=1,
    )
    return np.concatenate([top, bottom])


def _mirrored(patch: Crop, height: int, width: int) -> Crop:
    missing = ((0, height - patch.shape[0]), (0, width - patch.shape[1]), (0, 0))
    return np.pad(patch, missing, mode="symmetric")


def _shrunk(scene: Scene, factor: float) -> Crop:
    side = max(round(len(scene.crop) * factor), 1)
    return np.asarray(Image.fromarray(scene.crop).resize((side, side), _resampling(scene)))


def _pasted(small: Crop, canvas: Crop) -> Crop:
    start = (len(canvas) - len(small)) // 2
    pasted = canvas.copy()
    pasted[start : start + len(small), start : start + len(small)] = small
    return pasted


def _resampling(scene: Scene) -> Image.Resampling:
    return Image.Resampling[scene.geometry.interpolation.upper()]


def _blurred(crop: Crop, sigma: float) -> Crop:
    return np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(sigma * len(crop))))


def _smooth(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    width = sigma * len(values)
    smoothed: NDArray[np.float32] = gaussian_filter(values, (width, width, 0), mode="nearest")
    return smoothed


def _smooth_widely(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """The same at a quarter of the resolution, where a wide blur costs little."""
    size_px = len(values)
    small = _resized(values, max(size_px // 4, 1), Image.Resampling.BOX)
    return _resized(_smooth(small, sigma), size_px, Image.Resampling.BILINEAR)


def _resized(values: NDArray[np.float32], side: int, resampling: Image.Resampling) -> NDArray[np.float32]:
    channels = [Image.fromarray(values[:, :, i].astype(np.float32)) for i in range(values.shape[2])]
    return np.stack([np.asarray(one.resize((side, side), resampling)) for one in channels], axis=2)


def _soft_mask(scene: Scene) -> NDArray[np.float32]:
    """1 on the object, 0 off it, with a narrow slope between: `(size_px, size_px, 1)`."""
    return _smooth(scene.focus.mask.astype(np.float32)[:, :, None], _FEATHER)


def _blended(inside: Pixels, outside: Pixels, mask: NDArray[np.float32]) -> Crop:
    return _rounded(inside * mask + outside * (1 - mask))


def _rounded(values: NDArray[np.float32]) -> Crop:
    crop: Crop = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return crop
