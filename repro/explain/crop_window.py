"""Where in a photograph its crop lies: coordinates go the way that the pixels go. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from repro.datasets.boxes import Box, Boxes
from repro.exceptions import DataRefused
from repro.specs import Geometry


@dataclass(frozen=True, slots=True)
class CropWindow:
    """A crop of `size_px`; a pixel of it is `x_scale` by `y_scale` pixels of the photograph.

    `left` and `top` are its place in the resized photograph.
    """

    size_px: int
    left: int
    top: int
    x_scale: float
    y_scale: float

    def to_crop(self, box: Box) -> Box | None:
        """A box of the photograph as a box of the crop; None where it lies outside."""
        x_min, x_max = (self._inside(x / self.x_scale - self.left) for x in (box.x_min, box.x_max))
        y_min, y_max = (self._inside(y / self.y_scale - self.top) for y in (box.y_min, box.y_max))
        return Box(x_min, y_min, x_max, y_max) if x_min < x_max and y_min < y_max else None

    def to_photograph(self, box: Box) -> Box:
        """A box of the crop as a box of the photograph."""
        return Box(
            (box.x_min + self.left) * self.x_scale,
            (box.y_min + self.top) * self.y_scale,
            (box.x_max + self.left) * self.x_scale,
            (box.y_max + self.top) * self.y_scale,
        )

    def _inside(self, value: float) -> float:
        return min(max(value, 0.0), float(self.size_px))


def crop_window(width_px: int, height_px: int, geometry: Geometry) -> CropWindow:
    """The window that `repro.evaluation.preprocess.crop` cuts out, with torchvision's own roundings."""
    resized_width, resized_height = geometry.resized(width_px, height_px)
    return CropWindow(
        size_px=geometry.size_px,
        left=round((resized_width - geometry.size_px) / 2),
        top=round((resized_height - geometry.size_px) / 2),
        x_scale=width_px / resized_width,
        y_scale=height_px / resized_height,
    )


def cut_out(photograph: Image.Image, part: Box, geometry: Geometry, side_px: int) -> Image.Image:
    """A part of the crop as a square of `side_px`, from the photograph's own pixels.

    Args:
        photograph: Whole, in RGB.
        part: In pixels of the crop.
        geometry: How the crop lies in the photograph, and how pixels are resampled.
        side_px: Of what comes out.
    """
    found = crop_window(*photograph.size, geometry).to_photograph(part)
    corners = (found.x_min, found.y_min, found.x_max, found.y_max)
    resampling = Image.Resampling[geometry.interpolation.upper()]
    return photograph.resize((side_px, side_px), resampling, box=corners)


def crop_for_display(photograph: Image.Image, geometry: Geometry, side_px: int) -> Image.Image:
    """What was scored of an RGB photograph, as sharp as it allows at `side_px`.

    Not for a network: at the geometry's own `size_px` some pixels differ by a few grey levels from
    `repro.evaluation.preprocess.crop`, as Pillow may round rows before columns where it cuts as well.
    """
    return cut_out(photograph, Box(0, 0, geometry.size_px, geometry.size_px), geometry, side_px)


def crop_boxes(
    boxes: Boxes, sizes: Mapping[str, tuple[int, int]], geometry: Geometry
) -> dict[str, tuple[Box, ...]]:
    """What is visible of the boxes in each crop; `sizes` are the widths and heights of the images.

    Images without any are left out.

    Raises:
        DataRefused: a box lies outside its photograph, which is then of another size than was annotated.
    """
    inside = {}
    for image_id, (width_px, height_px) in sizes.items():
        window = crop_window(width_px, height_px, geometry)
        for box in boxes.get(image_id, ()):
            if box.x_max > width_px or box.y_max > height_px:
                raise DataRefused(
                    f"a box of {image_id} ends at {box.x_max:g}, {box.y_max:g}, the image at "
                    f"{width_px}, {height_px}: it was annotated in another size"
                )
        found = (window.to_crop(box) for box in boxes.get(image_id, ()))
        if visible := tuple(box for box in found if box is not None):
            inside[image_id] = visible
    return inside
