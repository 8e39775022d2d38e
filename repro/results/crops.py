"""The crops of a dataset under one geometry, kept so that nothing is decoded twice (`runs/crops/…`).

    runs/crops/imagenet-val/224px-0.9-bicubic-center-1a2b3c4d/
      5e6f….crops      uint8, (n, 3, 224, 224), as numpy.memmap reads it
      5e6f….parquet    what the n crops are, written last; the name is the SHA-256 of this file

| column     | what                                                                                    |
|------------|-----------------------------------------------------------------------------------------|
| image_id   | `ILSVRC2012_val_00000293`                                                               |
| sha256     | of the image's bytes                                                                    |
| mode       | the file's own colour mode                                                              |
| status     | `ok`, or why the image cannot be decoded: its crop is black then                        |
| stamp      | path, size and times of the file the bytes came from; empty: it had only just been written |
| crop_sha256 | of the crop's bytes: verified each time the crop is read                               |
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from repro.exceptions import StorageError
from repro.results.atomic import replacing, storage_errors, write_atomically
from repro.results.predictions import read_checked, to_bytes

INDEX = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("mode", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("stamp", pa.string(), nullable=False),
        pa.field("crop_sha256", pa.string(), nullable=False),
    ]
)

_PLACE = [pa.field("block", pa.string()), pa.field("row", pa.int32())]
_ABANDONED_SECONDS = 3600
"""A file without its index that nobody has written to for so long is what a killed process left."""

Report = Callable[[str], None]
"""Is told, in words, what is damaged."""


@dataclass(frozen=True, slots=True)
class KeptCrop:
    """A crop in a block, and what is known of its image."""

    block: Path
    row: int
    sha256: str
    mode: str | None
    status: str
    stamp: str
    crop_sha256: str

    def read_into(self, crop: NDArray[np.uint8]) -> None:
        """Fills `crop`, which is contiguous, and verifies it.

        Read, not mapped: a page of a mapped file that the disk cannot give kills the process.

        Raises:
            StorageError: the crop is damaged, or no longer there.
        """
        try:
            with self.block.open("rb", buffering=0) as file:
                file.seek(self.row * crop.nbytes)
                n_bytes = file.readinto(crop.data)
        except OSError as error:
            raise StorageError(f"crops damaged: {self.block} ({error.strerror or error})") from error
        if n_bytes != crop.nbytes or hashlib.sha256(crop.data).hexdigest() != self.crop_sha256:
            raise StorageError(f"crops damaged: {self.block} (crop {self.row} is not what was written)")


class CropFolder:
    """The crops of one dataset under one geometry: blocks that are there whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._index = self._no_crops()

    def load(self, report: Report) -> None:
        """Learns which crops there are; a damaged index is set aside, and reported."""
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self._sweep()
        indices = []
        # The newest first: of two crops of an image, the first of which was damaged or of other bytes,
        # the second is found.
        for path in sorted(self.path.glob("*.parquet"), key=_written_at, reverse=True):
            try:
                index = read_checked(path, "crops", sha256=path.stem).cast(INDEX)
            except (StorageError, ValueError) as error:
                with storage_errors(path):
                    try:
                        path.replace(path.with_suffix(".corrupt"))
                    except FileNotFoundError:
                        continue  # another process of the launch set it aside
                report(f"{error}; {path.name} is set aside as .corrupt")
                continue
            n = index.num_rows
            place = [pa.repeat(path.stem, n), pa.array(np.arange(n, dtype=np.int32))]
            for field, column in zip(_PLACE, place, strict=True):
                index = index.append_column(field, column)
            indices.append(index)
        self._index = pa.concat_tables([self._no_crops(), *indices]).combine_chunks()

    def find(self, image_ids: Sequence[str]) -> NDArray[np.int64]:
        """For each image the number of its crop, -1 where there is none."""
        places = pc.index_in(pa.array(image_ids, pa.string()), value_set=self._index["image_id"])
        found: NDArray[np.int64] = places.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return found

    def crop(self, number: int) -> KeptCrop | None:
        """Crop `number`, or None where that is -1."""
        if number < 0:
            return None
        (values,) = self._index.slice(number, 1).to_pylist()
        block = self.path / f"{values.pop('block')}.crops"
        del values["image_id"]
        return KeptCrop(block=block, **values)

    def write(self, crops: Sequence[NDArray[np.uint8]], rows: Sequence[dict[str, Any]]) -> None:
        """Keeps crops, with what they are (rows of `INDEX`), as a block.

        Raises:
            StorageError: the disk does not take them.
        """
        index = to_bytes(pa.Table.from_pylist(list(rows), INDEX))
        block = self.path / f"{hashlib.sha256(index).hexdigest()}.crops"
        with replacing(block) as file:
            for crop in crops:
                file.write(crop.tobytes())
        write_atomically(block.with_suffix(".parquet"), index)

    def _sweep(self) -> None:
        """Removes what a killed process left, and nothing that another one may be writing; best effort."""
        unfinished = [*self.path.glob(".*.tmp"), *self.path.glob("*.crops")]
        for path in unfinished:
            with suppress(OSError):
                abandoned = time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
                if abandoned and not path.with_suffix(".parquet").exists():
                    path.unlink()

    @staticmethod
    def _no_crops() -> pa.Table:
        return pa.schema([*INDEX, *_PLACE]).empty_table()


def _written_at(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_mtime_ns, path.name
    except OSError:
        return 0, path.name
