"""Parquet shards as the Hugging Face hub keeps them: `image: struct{bytes, path}`, `label: int`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from repro.catalogue.classes import index_by_wnid
from repro.datasets.address import Address
from repro.datasets.dataset import Dataset
from repro.datasets.entries import VAL_IMAGE
from repro.datasets.parquet_schema import (
    declared_classes,
    refuse_columns,
    refuse_declared_classes,
    refuse_fewer_classes,
)
from repro.datasets.shards import choose_split, find_shards, split_of
from repro.exceptions import DataRefused
from repro.specs import N_CLASSES, Sample

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_WNID_IN_NAME = re.compile(r"(?:^|[/_])(n\d{8})")


class ParquetShards(Dataset):
    """Only `image.bytes` is read for pixels; `image.path` is a label, never a file to open."""

    @classmethod
    def open(cls, root: Path) -> Self:
        """Lists one Parquet file, or a folder's shards (`find_shards`), by their small columns alone.

        Raises:
            DataRefused: a shard is missing or damaged, its classes are not ImageNet's, a row has no label.
        """
        if _is_folder(root):
            split = choose_split(find_shards(root))
            shards = {shard.relative_to(root).as_posix(): shard for shard in split}
        else:
            shards = {root.name: root}
        samples = [sample for container, shard in shards.items() for sample in _list_shard(shard, container)]
        with _opened(next(iter(shards.values()))) as file:
            if not declared_classes(file.schema_arrow):
                refuse_fewer_classes({sample.label for sample in samples}, root)
        return cls.from_samples(
            samples,
            root=root,
            kind="parquet shards",
            labels_from="label column",
        )

    def file_of(self, sample: Sample) -> Path:
        return self.root / sample.container if _is_folder(self.root) else self.root

    def read(self, sample: Sample) -> bytes:
        import pyarrow as pa

        shard = self.file_of(sample)
        try:
            starts = _load_starts(shard)
            group = bisect_right(starts, sample.position) - 1
            data: bytes | None = _load_row_group(shard, group)[sample.position - starts[group]].as_py()
        except pa.ArrowException as error:
            raise OSError(f"{shard} is damaged: {error}") from error
        if data is None:
            raise OSError(f"row {sample.position} of {shard.name} has no image bytes")
        return data


def _list_shard(shard: Path, container: str) -> list[Sample]:
    with _opened(shard) as file:
        schema = file.schema_arrow
        refuse_columns(schema, shard)
        refuse_declared_classes(declared_classes(schema), shard)
        _refuse_missing_bytes(file, shard)
        table = file.read(columns=["label", "image.path"], use_threads=False).flatten()
    labels = table["label"].to_pylist()
    names = table["image.path"].to_pylist() if "image.path" in table.column_names else [None] * len(labels)
    return [
        _sample(shard, container, row, label, name or "")
        for row, (label, name) in enumerate(zip(labels, names, strict=True))
    ]


def _sample(shard: Path, container: str, row: int, label: int | None, name: str) -> Sample:
    """A row's sample; `name` is its `image.path`, which may tell the id and the class."""
    if label == -1:
        raise DataRefused(f'split "{split_of(shard)}" has no labels (label -1 in row {row} of {shard})')
    if label is None or not 0 <= label < N_CLASSES:
        raise DataRefused(f"row {row} of {shard} has the label {label}, outside 0 … {N_CLASSES - 1}")
    wnid = _WNID_IN_NAME.search(name)
    if wnid and index_by_wnid().get(wnid[1], label) != label:
        raise DataRefused(f"row {row} of {shard} has the label {label}, but its image is called {name}")
    val_image = VAL_IMAGE.search(name)
    image_id = val_image[0] if val_image else f"{shard.stem}:{row}"
    return Sample(image_id, f"{container}:{row}", label, container, row)


def _refuse_missing_bytes(file: pq.ParquetFile, shard: Path) -> None:
    """Asks the statistics of each row group, which cost nothing; without them `read` finds out."""
    leaves = [file.schema.column(i).path for i in range(len(file.schema))]
    column = leaves.index("image.bytes")
    for group, start in enumerate(_starts(file)):
        statistics = file.metadata.row_group(group).column(column).statistics
        if statistics is not None and statistics.has_null_count and statistics.null_count:
            missing = _bytes_column(file, group).is_null().index(True).as_py()
            raise DataRefused(f"row {start + missing} of {shard} has no image bytes")


@cache  # asked for every image, and far away
def _is_folder(root: Path) -> bool:
    return root.is_dir()


def _source(shard: Path) -> Any:
    """What pyarrow reads it from."""
    return shard.open("rb") if isinstance(shard, Address) else shard


@contextmanager
def _opened(shard: Path) -> Iterator[pq.ParquetFile]:
    """A file open for listing, with checksums verified where it has them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(_source(shard), page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataRefused(f"{shard} is damaged, or no Parquet file: {str(error).splitlines()[0]}") from error


def _starts(file: pq.ParquetFile) -> list[int]:
    """The first row of each row group."""
    metadata = file.metadata
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    return list(accumulate(sizes, initial=0))[:-1]


def _bytes_column(file: pq.ParquetFile, group: int) -> pa.ChunkedArray:
    return file.read_row_group(group, columns=["image.bytes"], use_threads=False).flatten()["image.bytes"]


@cache
def _load_starts(shard: Path) -> list[int]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(_source(shard)) as file:
        return _starts(file)


@lru_cache(maxsize=1)
def _load_row_group(shard: Path, group: int) -> pa.ChunkedArray:
    """The encoded images of a row group; the last one stays in memory, once a process."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(_source(shard), page_checksum_verification=True) as file:
        return _bytes_column(file, group)
