"""What reading every image of a dataset tells, by as many processes as there are cores."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from io import BytesIO
from multiprocessing import get_context

from PIL import ExifTags, Image

from repro.datasets import Dataset
from repro.datasets.decode import FORMATS, UnreadableImage, decode
from repro.exceptions import ProcessLost
from repro.specs import Sample, digest

CHUNK_IMAGES = 64
"""What a process reads before it reports; a dataset no larger is read by this process alone."""

UPRIGHT = 1


@dataclass(frozen=True, slots=True)
class ScannedImage:
    """What an image is; `unreadable` says why it has no pixels, and then no more than its bytes is known.

    `orientation` is EXIF's (1 is upright), `quantization` the digest of a JPEG's tables, which its
    quality decides.
    """

    sample: Sample
    unreadable: str = ""
    sha256: str = ""
    n_bytes: int = 0
    width_px: int = 0
    height_px: int = 0
    format: str = ""
    mode: str = ""
    orientation: int = UPRIGHT
    quantization: str = ""


def scan_images(dataset: Dataset) -> Iterator[list[ScannedImage]]:
    """Reads and decodes every image, and reports them by the chunk, in the dataset's order.

    Raises:
        ProcessLost: a process that reads was killed.
    """
    chunks = [dataset.samples[i : i + CHUNK_IMAGES] for i in range(0, len(dataset.samples), CHUNK_IMAGES)]
    if len(chunks) == 1:
        yield [scan_image(dataset, sample) for sample in dataset.samples]
        return
    # Not forked: the bar of progress has a thread of its own. Each is sent the samples of its chunks.
    sent = (replace(dataset, samples=()),)
    with ProcessPoolExecutor(min(_cores(), len(chunks)), get_context("spawn"), _begin_process, sent) as pool:
        try:
            yield from pool.map(_scan_chunk, chunks)
        except BrokenProcessPool as error:
            raise ProcessLost(
                "a process that reads images is lost, probably for want of memory",
                hint="the same command, with more memory free",
            ) from error


def scan_image(dataset: Dataset, sample: Sample) -> ScannedImage:
    """What one image is."""
    sha256, n_bytes = "", 0
    try:
        data = dataset.read(sample)
        sha256, n_bytes = hashlib.sha256(data).hexdigest(), len(data)
        decoded = decode(data)
    except (OSError, UnreadableImage) as error:
        return ScannedImage(sample, str(error), sha256, n_bytes)
    form, orientation, quantization = _read_header(data)
    return ScannedImage(
        sample=sample,
        sha256=sha256,
        n_bytes=n_bytes,
        width_px=decoded.rgb.width,
        height_px=decoded.rgb.height,
        format=form,
        mode=decoded.mode,
        orientation=orientation,
        quantization=quantization,
    )


def _read_header(data: bytes) -> tuple[str, int, str]:
    """Format, EXIF orientation and digest of the quantization tables of an image that can be decoded."""
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        tables: object = getattr(image, "quantization", None)
        try:
            orientation = int(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT))
        except Exception:  # damaged EXIF makes Pillow raise whatever comes; the pixels do not depend on it
            orientation = UPRIGHT
        return str(image.format), orientation, digest(tables) if tables else ""


_dataset: Dataset


def _begin_process(dataset: Dataset) -> None:
    """Keeps the dataset for all the chunks of this process, and leaves interrupts to the parent."""
    global _dataset  # noqa: PLW0603  # what a process of a pool knows can lie nowhere else
    _dataset = dataset
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _scan_chunk(samples: tuple[Sample, ...]) -> list[ScannedImage]:
    return [scan_image(_dataset, sample) for sample in samples]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
