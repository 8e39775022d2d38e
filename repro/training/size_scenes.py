"""Generated scenes in which only the surroundings tell how large an object is.

A box stands on the ground. Its shape, its texture and how large it looks (its side, in pixels) say nothing
of its class, which is its size in metres: `small`, `medium` or `large`. What says it is perspective: a box
whose foot is y pixels below the horizon, seen from a height H, is H·h/y metres high where it looks h pixels
high. The horizon, posts of one known height and a floor of tiles of one known size show H and y.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from repro.datasets.boxes import Box
from repro.exceptions import UsageError
from repro.results.atomic import write_atomically

if TYPE_CHECKING:
    from repro.training.recipe import Recipe

Pixels = NDArray[np.uint8]

VERSION = 1
"""To be raised when scenes are drawn otherwise: those of another version are not taken up again."""

SIZE_PX = 64
CLASSES = ("small", "medium", "large")
RANGES_M = ((0.65, 0.98), (0.98, 1.47), (1.47, 2.2))
"""By class; each half as large again as the one before."""

POST_M = 1.7
TILE_M = 1.0
FOCAL_PX = 64.0
"""A field of view of 53 degrees."""

Split = Literal["train", "test", "sizes", "scenes"]
SPLITS: tuple[Split, ...] = ("train", "test", "sizes", "scenes")
"""`test`: new images of what was trained on; `sizes`: sizes in metres from the middle of each class, which
training leaves out; `scenes`: grounds and skies in colours that training leaves out."""

_GROUNDS = ((120, 140, 90), (150, 130, 100), (110, 110, 120), (140, 150, 130))
_SKIES = ((170, 200, 235), (200, 210, 220), (220, 200, 180), (150, 175, 210))
_OTHER_GROUNDS = ((180, 120, 110), (90, 120, 160))
_OTHER_SKIES = ((230, 220, 150), (110, 120, 150))


@dataclass(frozen=True, slots=True)
class SizeScene:
    """One scene: what is drawn, in metres and pixels.

    `look_px` is how high the object looks, `height_m` how high the eye is, `horizon_px` the horizon's row.
    `posts` are (column, distance in metres); colours are RGB. `surroundings` and
    `object_there` False leave one of them out.
    """

    label: int
    size_m: float
    look_px: float
    height_m: float
    horizon_px: float
    column_px: float
    posts: tuple[tuple[float, float], ...]
    ground: tuple[int, int, int]
    sky: tuple[int, int, int]
    texture: int
    surroundings: bool = True
    object_there: bool = True

    @property
    def foot_px(self) -> float:
        """The row on which the object stands."""
        return self.horizon_px + self.height_m * self.look_px / self.size_m

    @property
    def box(self) -> Box:
        half = self.look_px / 2
        foot = self.foot_px
        return Box(self.column_px - half, foot - self.look_px, self.column_px + half, foot)


def draw_scene(split: Split, index: int) -> SizeScene:
    """The scene of that number, always the same; labels take turns.

    How large the object looks, where it stands in the picture and how high the eye is are drawn alike for all
    classes; the horizon is what follows from them and the size in metres. It looks 5 to 20 pixels high, a
    wider range than that of the sizes, so that the horizon without the object tells little.
    """
    random = np.random.default_rng([0, SPLITS.index(split), index])
    label = index % len(CLASSES)
    look_px = _log_uniform(random, 5, 20)
    foot_px = float(random.uniform(55, 62))
    height_m = _log_uniform(random, 0.7, 1.8)
    size_m = _draw_size(random, label, held_out=split == "sizes")
    horizon_px = foot_px - height_m * look_px / size_m
    grounds, skies = (_OTHER_GROUNDS, _OTHER_SKIES) if split == "scenes" else (_GROUNDS, _SKIES)
    posts = tuple(
        (
            float(random.uniform(2, SIZE_PX - 2)),
            _log_uniform(random, 1.5, 12) * height_m,
        )
        for _ in range(4)
    )
    return SizeScene(
        label=label,
        size_m=size_m,
        look_px=look_px,
        height_m=height_m,
        horizon_px=horizon_px,
        column_px=float(random.uniform(10, SIZE_PX - 10)),
        posts=posts,
        ground=grounds[random.integers(len(grounds))],
        sky=skies[random.integers(len(skies))],
        texture=int(random.integers(2**31)),
    )


def _log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _draw_size(random: np.random.Generator, label: int, held_out: bool) -> float:
    """Metres, even in the logarithm: from the middle third of the class's range, or from around it."""
    low, high = np.log(RANGES_M[label])
    part = float(random.uniform(0, 1))
    around = part * 2 / 3 if part < 0.5 else (1 + 2 * part) / 3
    return float(np.exp(low + ((1 + part) / 3 if held_out else around) * (high - low)))


def draw_look_alikes() -> list[SizeScene]:
    """Of each class one of 300 test scenes, the object nearest to 14 pixels high: they look alike."""
    scenes = [draw_scene("test", index) for index in range(300)]
    return [
        min((scene for scene in scenes if scene.label == label), key=lambda scene: abs(scene.look_px - 14))
        for label in range(len(CLASSES))
    ]


def require_whole_scenes(recipe: Recipe) -> None:
    """Holds a recipe to scenes as they are: how large a thing looks must stay.

    Raises:
        UsageError: it would crop or resize them.
    """
    found = (recipe.network.size_px, recipe.images.crop, recipe.augmentation.scale)
    if found != (SIZE_PX, 1.0, (1.0, 1.0)):
        size_px, crop, scale = found
        raise UsageError(
            f"the recipe has size_px {size_px}, crop {crop:g}, scale {list(scale)}; scenes have {SIZE_PX} px "
            "and must stay as they are",
            hint=f"--recipe size-in-context, or network.size_px={SIZE_PX}, images.crop=1.0, "
            "augmentation.scale=[1.0, 1.0]",
        )


def render(scene: SizeScene) -> Pixels:
    """`(64, 64, 3)`; drawn four times as large, then averaged."""
    scale = 4
    image = Image.new("RGB", (SIZE_PX * scale, SIZE_PX * scale), (128, 128, 128))
    if scene.surroundings:
        _draw_ground(image, scene, scale)
        draw = ImageDraw.Draw(image)
        for column, distance in sorted(scene.posts, key=lambda post: -post[1]):
            foot = scene.horizon_px + FOCAL_PX * scene.height_m / distance
            high, wide = FOCAL_PX * POST_M / distance, max(FOCAL_PX * 0.15 / distance, 0.5)
            corners = (column - wide / 2, foot - high, column + wide / 2, foot)
            draw.rectangle([value * scale for value in corners], fill=(200, 40, 40))
    if scene.object_there:
        _draw_object(image, scene, scale)
    return np.asarray(image.resize((SIZE_PX, SIZE_PX), Image.Resampling.BOX))


def _draw_ground(image: Image.Image, scene: SizeScene, scale: int) -> None:
    """Sky above the horizon; below it tiles of one metre, light and dark, as seen from that height."""
    side = SIZE_PX * scale
    rows = (np.arange(side) + 0.5) / scale
    columns = (np.arange(side) + 0.5) / scale - SIZE_PX / 2
    below = np.maximum(rows - scene.horizon_px, 1e-3)
    depth = FOCAL_PX * scene.height_m / below  # (rows,)
    across = columns[None, :] * depth[:, None] / FOCAL_PX
    dark = (np.floor(depth[:, None] / TILE_M) + np.floor(across / TILE_M)) % 2
    faded = np.clip(12 * scene.height_m / depth, 0, 1)[:, None]  # far tiles are finer than pixels
    shade = 1 - 0.35 * dark * np.minimum(faded, 1)
    ground = np.asarray(scene.ground)[None, None, :] * shade[:, :, None]
    sky = np.broadcast_to(np.asarray(scene.sky, float)[None, None, :], ground.shape)
    pixels = np.where((rows > scene.horizon_px)[:, None, None], ground, sky)
    image.paste(Image.fromarray(pixels.astype(np.uint8)))


def _draw_object(image: Image.Image, scene: SizeScene, scale: int) -> None:
    """A square with a texture of 6 x 6 fields, which grow with how large it looks."""
    fields = np.random.default_rng(scene.texture).integers(0, 2, (6, 6, 1))
    colours = np.where(fields, np.array([240, 230, 60]), np.array([30, 40, 90])).astype(np.uint8)
    box = scene.box
    side = max(round(scene.look_px * scale), 6)
    texture = Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST)
    image.paste(texture, (round(box.x_min * scale), round(box.y_min * scale)))


def write_scenes(folder: Path, n_train: int, n_held_out: int) -> None:
    """Writes each split as one Parquet file, with what each scene is beside its image.

    Raises:
        StorageError: the disk does not take them.
    """
    for split in SPLITS:
        n = n_train if split == "train" else n_held_out
        path = folder / f"{split}-00000-of-00001.parquet"
        if not path.is_file():
            write_atomically(path, _to_parquet([draw_scene(split, index) for index in range(n)]))


def _to_parquet(scenes: list[SizeScene]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = [{"bytes": data, "path": None} for data in _encoded(scenes)]
    table = pa.table(
        {
            "image": pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
            "label": pa.array([scene.label for scene in scenes], pa.int64()),
            "size_m": [scene.size_m for scene in scenes],
            "look_px": [scene.look_px for scene in scenes],
            "foot_px": [scene.foot_px for scene in scenes],
        }
    )
    features = {"info": {"features": {"label": {"names": list(CLASSES)}}}}
    file = BytesIO()
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(features)}), file, write_page_checksum=True
    )
    return file.getvalue()


def _encoded(scenes: list[SizeScene]) -> Iterator[bytes]:
    for scene in scenes:
        file = BytesIO()
        Image.fromarray(render(scene)).save(file, "PNG")
        yield file.getvalue()
