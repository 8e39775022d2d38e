"""Images to train on, of any classes: `train/` and `val/` with a folder a class, or Parquet shards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from PIL import Image

from repro.datasets.address import as_address
from repro.datasets.decode import decode
from repro.datasets.entries import first_few
from repro.datasets.files import scan
from repro.datasets.parquet_schema import declared_classes, refuse_columns
from repro.datasets.shards import choose_split, find_shards, split_of
from repro.exceptions import DataRefused, UsageError
from repro.specs import digest

if TYPE_CHECKING:
    import pyarrow as pa

TRAIN = ("train",)
HELD_OUT = ("validation", "val", "test")
"""What the splits may be called; of those held out the first that is there is taken."""

MOST_BYTES = 4 * 2**30
"""How much Parquet is held in memory, since training reads at random."""

KEPT_BYTES = 2**28
"""What a split may take in memory, all of it decoded, for its images to be decoded in one epoch alone."""

BYTES_A_PIXEL = 4
"""Of Pillow's RGB."""


@dataclass(frozen=True)
class TrainingImages(ABC):
    """One split: `labels` are indices of `classes`, one an image."""

    root: Path
    classes: tuple[str, ...]
    labels: tuple[int, ...]

    @abstractmethod
    def read(self, index: int) -> bytes:
        """The encoded bytes of an image.

        Raises:
            OSError: they cannot be read.
        """

    def decoded(self, index: int) -> Image.Image:
        """An image in RGB, not to be changed; where the split is small this process keeps it.

        Raises:
            OSError, UnreadableImage: it cannot be read, or decoded.
        """
        if (kept := self._kept.get(index)) is not None:
            return kept
        image = decode(self.read(index)).rgb
        if image.width * image.height * BYTES_A_PIXEL * len(self) <= KEPT_BYTES:
            self._kept[index] = image
        return image

    @cached_property
    def _kept(self) -> dict[int, Image.Image]:
        return {}

    @property
    @abstractmethod
    def listing(self) -> str:
        """The digest of what decides which image is the n-th; of a million it takes a quarter of a second."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ClassFolderImages(TrainingImages):
    """`paths` are relative to `root`; classes are its folders, in the order of their names."""

    paths: tuple[str, ...]

    @classmethod
    def open(cls, root: Path) -> Self:
        classes = scan(root).folders
        found = [(name, image.name) for name in classes for image in scan(root / name).images]
        index = {name: label for label, name in enumerate(classes)}
        return cls(
            root,
            tuple(classes),
            tuple(index[name] for name, _ in found),
            tuple(f"{name}/{image}" for name, image in found),
        )

    def read(self, index: int) -> bytes:
        return (self.root / self.paths[index]).read_bytes()

    @cached_property
    def listing(self) -> str:
        return digest([self.classes, self.paths])


@dataclass(frozen=True)
class ParquetImages(TrainingImages):
    """Rows of `shards` in their order; the encoded images are held in memory, once a process."""

    shards: tuple[Path, ...]

    @classmethod
    def open(cls, root: Path, shards: Sequence[Path]) -> Self:
        import pyarrow.parquet as pq

        labels: list[int] = []
        for shard in shards:
            schema = pq.read_schema(shard)
            refuse_columns(schema, shard, _image_column(schema))
            labels += pq.read_table(shard, columns=["label"])["label"].to_pylist()
        n_bytes = sum(shard.stat().st_size for shard in shards)
        if n_bytes > MOST_BYTES:
            raise DataRefused(
                f"{root}: {n_bytes / 2**30:.0f} GiB of Parquet; training reads at random, and holds at most "
                f"{MOST_BYTES / 2**30:.0f} GiB in memory: unpack it into class folders"
            )
        if not labels or any(label is None or label < 0 for label in labels):
            raise DataRefused(f"{root}: a row of {first_few([s.name for s in shards])} has no label")
        names = declared_classes(schema) or [str(label) for label in range(max(labels) + 1)]
        if max(labels) >= len(names):
            raise DataRefused(f"{root}: label {max(labels)}, but {len(names)} classes are declared")
        return cls(root, tuple(names), tuple(labels), tuple(shards))

    def read(self, index: int) -> bytes:
        data: bytes | None = self._bytes[index].as_py()
        if data is None:
            raise OSError(f"row {index} of {self.root} has no image bytes")
        return data

    @cached_property
    def _bytes(self) -> pa.ChunkedArray:
        import pyarrow as pa
        import pyarrow.parquet as pq

        chunks: list[pa.Array] = []
        for shard in self.shards:
            with pq.ParquetFile(shard, page_checksum_verification=True) as file:
                column = f"{_image_column(file.schema_arrow)}.bytes"
                chunks += file.read(columns=[column]).flatten()[column].chunks
        return pa.chunked_array(chunks)

    @cached_property
    def listing(self) -> str:
        return digest([self.classes, self.labels, [(s.name, s.stat().st_size) for s in self.shards]])


def _image_column(schema: pa.Schema) -> str:
    """`img` is what the hub's copy of CIFAR-10 calls it."""
    return "img" if "img" in schema.names and "image" not in schema.names else "image"


def open_training_images(root: Path) -> tuple[TrainingImages, TrainingImages]:
    """The images to train on, and those held out.

    Raises:
        UsageError: there is no such folder.
        DataRefused: a split is missing, its classes are not the other's, or a class has no images.
    """
    if not root.is_dir():
        if address := as_address(root):
            raise UsageError(
                f"{address}: training reads at random, from a folder of this machine",
                hint="bring it here, or mount what holds it",
            )
        raise UsageError(f"no such folder: {root}")
    shards = find_shards(root)
    try:
        train, held_out = _open_parquet(root, shards) if shards else _open_folders(root)
    except OSError as error:
        raise DataRefused(f"cannot read {error.filename or root}: {error.strerror or error}") from error
    except ValueError as error:  # pyarrow's of a damaged file
        raise DataRefused(f"a Parquet file in {root} is damaged: {error}", hint="fetch it again") from error
    if train.classes != held_out.classes:
        other = sorted(set(train.classes) ^ set(held_out.classes)) or list(train.classes)
        raise DataRefused(f"{root}: classes of one split alone, or in another order: {first_few(other)}")
    for split in (train, held_out):
        if empty := sorted(set(range(len(split.classes))) - set(split.labels)):
            raise DataRefused(f"{split.root}: no image of class {split.classes[empty[0]]}")
    return train, held_out


def _open_folders(root: Path) -> tuple[TrainingImages, TrainingImages]:
    train, held_out = (_find(root, names) for names in (TRAIN, HELD_OUT))
    return ClassFolderImages.open(train), ClassFolderImages.open(held_out)


def _find(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    found = first_few(sorted(entry.name for entry in root.iterdir())) or "nothing"
    raise DataRefused(
        f"{root} holds {found}; needs train/ and val/ with a folder a class, or train-*.parquet and test-*"
    )


def _open_parquet(root: Path, shards: Sequence[Path]) -> tuple[TrainingImages, TrainingImages]:
    by_split: dict[str, list[Path]] = defaultdict(list)
    for shard in shards:
        by_split[split_of(shard)].append(shard)
    opened = []
    for names in (TRAIN, HELD_OUT):
        name = next((name for name in names if name in by_split), None)
        if name is None:
            raise DataRefused(f"{root} has splits {first_few(sorted(by_split))}; needs {' or '.join(names)}")
        opened.append(ParquetImages.open(root, choose_split(by_split[name])))
    return opened[0], opened[1]
