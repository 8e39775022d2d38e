"""What the images of a dataset are, byte by byte (`runs/manifests/…parquet`): later runs verify against it.

| column    | what                                                    |
|-----------|---------------------------------------------------------|
| image_id  | `ILSVRC2012_val_00000293`                               |
| path      | where the image lies, relative to the dataset's root    |
| sha256    | of the image's bytes                                    |
| bytes     | how many they are                                       |
| width_px  | of the image as it is stored, EXIF orientation ignored  |
| height_px |                                                         |
| label     | the true class, 0 … 999                                 |
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from repro.exceptions import StorageError
from repro.results.atomic import write_atomically
from repro.results.predictions import read_checked, to_bytes
from repro.results.runs import file_name
from repro.specs import digest

SCHEMA_VERSION = "1"

NOT_VERIFIED = "not verified"
"""What a record says of images that no manifest vouches for."""

SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("width_px", pa.int32(), nullable=False),
        pa.field("height_px", pa.int32(), nullable=False),
        pa.field("label", pa.int16(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that was found whole: the file's name, and each image's SHA-256 by id."""

    name: str
    sha256: Mapping[str, str]

    def __str__(self) -> str:
        return f"manifest {self.name}"


def manifest_path(runs: Path, dataset_name: str, listing: str) -> Path:
    """Where the manifest of a dataset lies; `listing` is the digest of its samples."""
    return runs / "manifests" / f"{file_name(dataset_name)}-{listing[:8]}.parquet"


def write_manifest(path: Path, rows: pa.Table) -> None:
    """Writes `rows` (of `SCHEMA`), sorted by image id, with a digest over their contents.

    Raises:
        StorageError: the disk does not take them.
    """
    rows = rows.sort_by("image_id").combine_chunks()
    stamps = {"repro.manifest": SCHEMA_VERSION, "repro.contents": _contents(rows)}
    write_atomically(path, to_bytes(rows.replace_schema_metadata(stamps)))


def find_manifest(path: Path) -> Manifest | None:
    """The manifest in `path`, or None where nobody has made one.

    Raises:
        StorageError: it is damaged.
    """
    if not path.is_file():
        return None
    again = f"rm {shlex.quote(str(path))}, then repro doctor DATA"
    try:
        rows = read_checked(path, "manifest")
        stamps = rows.schema.metadata or {}
        if stamps.get(b"repro.manifest") != SCHEMA_VERSION.encode():
            raise StorageError(f"{path} is no manifest of schema {SCHEMA_VERSION}")
        if stamps.get(b"repro.contents") != _contents(rows).encode():
            raise StorageError(f"manifest damaged: {path} (its contents are not what was written)")
    except StorageError as error:
        raise StorageError(str(error), hint=again) from error
    return Manifest(
        path.name, dict(zip(*(rows[name].to_pylist() for name in ("image_id", "sha256")), strict=True))
    )


def changed_images(rows: pa.Table, manifest: Manifest | None) -> list[str]:
    """The ids of `rows` (image_id, sha256) whose bytes are not those of the manifest, sorted.

    An image without SHA-256 could not be read: whether it changed is not known.
    """
    if manifest is None:
        return []
    rows = rows.filter(pc.is_valid(rows["sha256"]))
    pairs = zip(rows["image_id"].to_pylist(), rows["sha256"].to_pylist(), strict=True)
    return sorted(image_id for image_id, sha256 in pairs if manifest.sha256.get(image_id) != sha256)


def repeated_images(rows: pa.Table) -> list[tuple[str, ...]]:
    """The groups of ids of `rows` (image_id, sha256) that have the same bytes, sorted."""
    counted = rows["sha256"].drop_null().value_counts()
    repeated = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    rows = rows.filter(pc.is_in(rows["sha256"], value_set=repeated))
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for image_id, sha256 in zip(rows["image_id"].to_pylist(), rows["sha256"].to_pylist(), strict=True):
        groups[sha256].append(image_id)
    return sorted(tuple(sorted(ids)) for ids in groups.values())


def _contents(rows: pa.Table) -> str:
    return digest(rows.to_pydict())
