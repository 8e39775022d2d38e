"""The crops are timm's own, bit for bit, for every protocol and every kind of photograph."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest
import torch
from PIL import Image
from timm.data import create_transform

from repro.catalogue.models import load_models
from repro.datasets import open_dataset
from repro.datasets.decode import decode
from repro.evaluation.preprocess import crop, normalise
from repro.specs import Protocol

PROTOCOLS = sorted({p for spec in load_models() for p in spec.protocols.values()}, key=str)
SQUASHED = Protocol(size_px=96, crop=0.9, interpolation="bilinear", crop_mode="squash")


def encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photographs() -> Iterator[tuple[str, bytes]]:
    """Real photographs in the shapes and modes that occur in the wild."""
    dataset = open_dataset()
    data = [dataset.read(sample) for sample in dataset.samples[:3]]
    yield "square", data[0]
    photo = Image.open(BytesIO(data[1])).convert("RGB")
    yield "landscape", encode(photo.resize((500, 375)))
    yield "portrait", encode(photo.crop((100, 0, 333, 500)), quality=70)
    yield "smaller than the crop", encode(photo.resize((75, 60)))
    yield "grey", encode(photo.convert("L"))
    yield "CMYK", encode(photo.convert("CMYK"))
    yield "palette", encode(photo.convert("P"), "PNG")
    yield "transparent", encode(Image.open(BytesIO(data[2])).convert("RGBA"), "PNG")
    rotated = Image.Exif()
    rotated[0x0112] = 6
    yield "rotated by EXIF", encode(photo.resize((500, 375)), exif=rotated)
    yield "one pixel wide", encode(photo.resize((1, 40)))
    yield "one pixel high", encode(photo.resize((40, 1)))


PHOTOGRAPHS = dict(photographs())


@pytest.mark.parametrize("protocol", [*PROTOCOLS, SQUASHED], ids=str)
def test_pixels_are_timms(protocol: Protocol) -> None:
    transform = create_transform(
        input_size=(3, protocol.size_px, protocol.size_px),
        crop_pct=protocol.crop,
        crop_mode=protocol.crop_mode,
        interpolation=protocol.interpolation,
        mean=protocol.mean,
        std=protocol.std,
    )
    for name, data in PHOTOGRAPHS.items():
        with Image.open(BytesIO(data)) as image:
            expected = transform(image.convert("RGB"))
        found = normalise(crop(decode(data).rgb, protocol.geometry)[None], protocol)[0]
        assert torch.equal(found, expected), name


def test_every_protocol_of_the_catalogue_is_tried() -> None:
    assert {p.size_px for p in PROTOCOLS} == {224, 240, 260, 384}
    assert {p.crop for p in PROTOCOLS} == {0.875, 0.882, 0.89, 0.9, 0.95, 1.0}
