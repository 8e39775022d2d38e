"""Bytes to pixels, strictly: an image is decoded whole, or refused with a reason."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from io import BytesIO
from threading import Lock

from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG")

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Eight bits a channel or less; deeper ones lose what they hold (`I;16` saturates) on the way to RGB."""

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_PNG_DEPTH = 24
"""Where a PNG states its bits a channel: after signature (8), chunk header (8), width and height (8)."""


_ONE_AT_A_TIME = Lock()
"""What Python does with warnings is one thing for all threads."""


class UnreadableImage(Exception):
    """Why an image has no pixels; becomes the status of its row, `unreadable: …`."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An image in RGB, and the colour mode its file has (`RGB`, `L`, `CMYK`, …)."""

    rgb: Image.Image
    mode: str


def decode(data: bytes) -> DecodedImage:
    """Decodes a JPEG or PNG. EXIF orientation is not applied, as in timm, torchvision and the papers.

    Raises:
        UnreadableImage: nothing, or not everything, can be decoded.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        # The others are about metadata (EXIF, transparency), which the pixels do not depend on.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                mode = _stored_mode(image, data)
                if mode not in MODES:
                    raise UnreadableImage(f"unsupported mode {mode}")
                return DecodedImage(image.convert("RGB"), mode)
        except (UnreadableImage, MemoryError):
            raise
        except Exception as error:  # a damaged file makes Pillow raise SyntaxError, struct.error, KeyError, …
            raise UnreadableImage(_reason(error, data)) from error


def _stored_mode(image: Image.Image, data: bytes) -> str:
    """Pillow opens colour PNGs of 16 bits as plain `RGB` and drops the lower eight: `RGB;16` here."""
    deep = image.format == "PNG" and data[_PNG_DEPTH] == 16 and image.mode in MODES
    return f"{image.mode};16" if deep else image.mode


def _reason(error: Exception, data: bytes) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        # Pillow's error comes at twice the limit and then states that; ours is where it warns.
        pixels = re.findall(r"\d+", str(error))[0]
        return f"{int(pixels):,} pixels; limit {Image.MAX_IMAGE_PIXELS:,}"
    if isinstance(error, UnidentifiedImageError):
        return "damaged header" if data.startswith(_SIGNATURES) else "not a JPEG or PNG"
    text = str(error).removeprefix("image file is ") or type(error).__name__
    kind = "truncated" if "truncated" in text.lower() else "damaged"
    return text if text.startswith(kind) else f"{kind} ({text})"
