from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from repro.datasets.decode import UnreadableImage, decode
from tests.datasets.building import encode

RAMP = Image.fromarray(np.arange(64 * 48 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8))


def reason(data: bytes) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decode(data)
    return str(caught.value)


def png_of(width: int, height: int) -> bytes:
    """A bomb: a header that promises many pixels, and hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("image", "format", "mode"),
    [
        (RAMP, "JPEG", "RGB"),
        (RAMP, "PNG", "RGB"),
        (RAMP.convert("L"), "JPEG", "L"),
        (RAMP.convert("L"), "PNG", "L"),
        (RAMP.convert("1"), "PNG", "1"),
        (RAMP.convert("P"), "PNG", "P"),
        (RAMP.convert("RGBA"), "PNG", "RGBA"),
        (RAMP.convert("LA"), "PNG", "LA"),
        (RAMP.convert("CMYK"), "JPEG", "CMYK"),
        (RAMP.resize((1, 48)), "JPEG", "RGB"),
        (RAMP.resize((1, 1)), "PNG", "RGB"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "x".join(map(str, value.size)),
)
def test_every_usual_mode_becomes_rgb(image: Image.Image, format: str, mode: str) -> None:
    decoded = decode(encode(image, format))
    assert (decoded.mode, decoded.rgb.mode, decoded.rgb.size) == (mode, "RGB", image.size)
    if format == "PNG":
        assert decoded.rgb.tobytes() == image.convert("RGB").tobytes()


def test_transparency_of_a_palette_changes_no_pixel_and_warns_nobody() -> None:
    image = RAMP.convert("P")
    decoded = decode(encode(image, "PNG", transparency=bytes(range(256))))
    assert decoded.rgb.tobytes() == image.convert("RGB").tobytes()


def test_exif_orientation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned, plain = decode(encode(RAMP, exif=exif)), decode(encode(RAMP))
    assert turned.rgb.size == RAMP.size
    assert turned.rgb.tobytes() == plain.rgb.tobytes()


def test_a_jpeg_cut_anywhere_is_refused() -> None:
    data = encode(RAMP)
    reasons = {reason(data[:size]) for size in range(len(data))}
    assert {text.split(" (")[0] for text in reasons} == {
        "truncated",
        "damaged",
        "damaged header",
        "not a JPEG or PNG",
    }


def test_a_png_cut_anywhere_is_refused_or_lost_no_pixel() -> None:
    data = encode(RAMP, "PNG")
    refused = 0
    for size in range(len(data)):
        try:
            assert decode(data[:size]).rgb.tobytes() == RAMP.tobytes()
        except UnreadableImage:
            refused += 1
    assert refused > data.index(b"IEND") * 0.9


@pytest.mark.parametrize("size", [0.2, 0.5, 0.9, 0.99])
def test_the_reason_of_a_cut_says_so(size: float) -> None:
    data = encode(RAMP.resize((640, 480)))
    assert reason(data[: int(len(data) * size)]).startswith("truncated (")


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", encode(RAMP, "EPS"), encode(RAMP, "TIFF"), encode(RAMP, "GIF"), encode(RAMP, "BMP")],
    ids=["empty", "text", "EPS", "TIFF", "GIF", "BMP"],
)
def test_other_formats_are_refused(data: bytes) -> None:
    assert reason(data) == "not a JPEG or PNG"


@pytest.mark.parametrize(
    ("width", "height", "text"),
    [
        (14_000, 14_000, "196,000,000 pixels; limit 89,478,485"),
        (9_500, 9_500, "90,250,000 pixels; limit 89,478,485"),
    ],
)
def test_bombs_are_refused_before_they_are_decoded(width: int, height: int, text: str) -> None:
    assert reason(png_of(width, height)) == text


def test_sixteen_bits_are_refused() -> None:
    grey = Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
    assert reason(encode(grey, "PNG")) == "unsupported mode I;16"
    # Pillow writes no 16-bit colour: state the depth in the header of an 8-bit one.
    data = bytearray(png_of(1, 1))
    data[24] = 16
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    assert reason(bytes(data)) == "unsupported mode RGB;16"


def test_damage_inside_a_png_is_refused() -> None:
    data = bytearray(encode(RAMP, "PNG"))
    data[data.index(b"IDAT") + 100] ^= 1
    assert reason(bytes(data))
