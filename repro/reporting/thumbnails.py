"""Small pictures within a page, as data URIs."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY = 85


def jpeg_uri(image: Image, side_px: int) -> str:
    """A JPEG of the pixels alone, `side_px` its longer side at most: no EXIF, no comment, no profile."""
    small = image.copy()
    small.info.clear()
    small.thumbnail((side_px, side_px))
    file = BytesIO()
    small.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
