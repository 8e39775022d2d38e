"""What the examination of a dataset finds, check by check, with a verdict: ok, note or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from repro.catalogue.classes import class_name
from repro.datasets import Dataset
from repro.datasets.dataset import IMAGENET_VAL, VAL_IMAGES, VAL_IMAGES_PER_CLASS
from repro.datasets.entries import first_few
from repro.doctor.label_order import LabelOrder
from repro.doctor.scan import UPRIGHT, ScannedImage
from repro.results.manifest import Manifest
from repro.results.summary import describe_images, describe_repeated
from repro.specs import N_CLASSES

Verdict = Literal["ok", "note", "refused"]

RESIZED_PX = 256
"""The short side of the copies of ImageNet that were made smaller to save room."""

MIN_IMAGES_OF_A_COPY = 20
"""Fewer images may well be alike by chance."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `refused` means that no number measured on these images can be believed."""

    check: str
    verdict: Verdict
    text: str


def count_finding(dataset: Dataset) -> Finding:
    """Images and classes, against those of its test set: ImageNet val has 50 of each of 1000 classes."""
    n = len(dataset.samples)
    per_class = Counter(sample.label for sample in dataset.samples)
    if dataset.test_set and not dataset.partial:
        return Finding("images", "ok", f"{n:,} images of {len(per_class):,} classes, as {dataset.name} has")
    if not dataset.partial:
        text = f"{n:,} images, {VAL_IMAGES_PER_CLASS} of each of {len(per_class):,} classes"
        return Finding("images", "ok", text)
    if dataset.name == IMAGENET_VAL and n == VAL_IMAGES:
        wrong = [
            f"{class_name(label)} {per_class[label]}"
            for label in range(N_CLASSES)
            if per_class[label] != VAL_IMAGES_PER_CLASS
        ]
        text = f"{n:,} images, but not {VAL_IMAGES_PER_CLASS} of each class: {first_few(wrong)}"
        return Finding("images", "refused", text)
    return Finding("images", "note", f"PARTIAL: {dataset.partial}; not comparable with published figures")


def foreign_finding(dataset: Dataset) -> Finding:
    if not dataset.ignored:
        return Finding("foreign files", "ok", "none")
    return Finding("foreign files", "note", f"ignored {dataset.ignored:,} entries that are no images")


def decoding_finding(images: Sequence[ScannedImage]) -> Finding:
    """Every image that cannot be decoded, with the reason."""
    bad = [f"{image.sample.path}: {image.unreadable}" for image in images if image.unreadable]
    if not bad:
        return Finding("decoding", "ok", f"all {len(images):,} images decoded whole")
    return Finding("decoding", "refused", f"{len(bad):,} unreadable: {first_few(bad)}")


def content_finding(repeated: Sequence[tuple[str, ...]], dataset: Dataset) -> Finding:
    """Images with the same bytes: only a published set may have such, as nobody here can mend it."""
    if not repeated:
        return Finding("content", "ok", "no two images have the same bytes")
    return Finding("content", "note" if dataset.published else "refused", describe_repeated(repeated))


def manifest_finding(changed: Sequence[str], known: Manifest | None, n_unread: int) -> Finding:
    """What changed since the manifest; of images without pixels that is not asked."""
    if known is None:
        return Finding("manifest", "note", "none until now: what changed before cannot be told")
    if not changed:
        which = "every image that is readable" if n_unread else "every image"
        return Finding("manifest", "ok", f"{which} is as in {known.name}")
    text = describe_images(f"changed since the manifest {known.name}", changed)
    return Finding("manifest", "refused", text)


def order_finding(order: LabelOrder) -> Finding:
    if order.unchecked:
        return Finding("labels", "note", f"order not checkable: {order.unchecked}")
    if order.wrong:
        return Finding("labels", "refused", order.wrong)
    share = f"{100 * order.n_agree / order.n_checked:.1f} %"
    return Finding("labels", "ok", f"order right: {share} of {order.n_checked:,} images agree with ReaL")


def mode_findings(images: Sequence[ScannedImage]) -> Iterator[Finding]:
    """Colour modes, and images that are stored on their side."""
    readable = [image for image in images if not image.unreadable]
    modes = Counter(image.mode for image in readable)
    told = ", ".join(
        f"{mode} {n:,}" for mode, n in sorted(modes.items(), key=lambda item: (-item[1], item[0]))
    )
    yield Finding("colour modes", "ok", told or "none")
    turned = sum(image.orientation != UPRIGHT for image in readable)
    if turned:
        text = f"{turned:,} images with an EXIF orientation, which is not applied, as in timm and the papers"
        yield Finding("orientation", "note", text)
    else:
        yield Finding("orientation", "ok", "no image has an EXIF orientation")


def copy_finding(images: Sequence[ScannedImage]) -> Finding:
    """Signs that these are not the files that were published but copies, made smaller or encoded again."""
    readable = [image for image in images if not image.unreadable]
    signs = list(_signs_of_a_copy(readable)) if len(readable) >= MIN_IMAGES_OF_A_COPY else []
    if signs:
        return Finding("originals", "note", "; ".join(signs))
    return Finding("originals", "ok", "no sign of resizing or re-encoding")


def _signs_of_a_copy(images: Sequence[ScannedImage]) -> Iterator[str]:
    n = len(images)
    sizes = Counter((image.width_px, image.height_px) for image in images)
    resized = sum(k for size, k in sizes.items() if min(size) == RESIZED_PX)
    if resized > n / 2:
        yield f"looks pre-resized: the short side of {100 * resized / n:.0f} % is exactly {RESIZED_PX} px"
    elif len(sizes) == 1:
        (width, height), _ = sizes.popitem()
        yield f"looks pre-resized: every image has {width} x {height} px"
    tables = Counter(image.quantization for image in images if image.format == "JPEG")
    if len(tables) == 1 and tables.total() >= MIN_IMAGES_OF_A_COPY:
        yield "looks re-encoded: every JPEG has the same quantization tables"
    if others := sum(image.format != "JPEG" for image in images):
        yield f"{others:,} PNGs, where ImageNet has JPEGs"
