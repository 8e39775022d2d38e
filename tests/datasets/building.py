"""Small real datasets for the tests: images, folders, archives and shards made on the spot."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from repro.catalogue.classes import load_classes
from repro.datasets import Dataset, open_dataset
from repro.exceptions import DataRefused

WNIDS = [c.wnid for c in load_classes()]


def encode(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def jpeg(shade: int = 0) -> bytes:
    """A small image whose bytes differ from those of another shade."""
    return encode(Image.new("RGB", (8, 8), (shade % 256, 255 - shade % 256, shade // 256)))


def val_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def write_files(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def class_files(classes: Iterable[int], per_class: int = 2) -> dict[str, bytes]:
    """`{"n01440764/ILSVRC2012_val_00000001.JPEG": …}`, numbered from 1."""
    names = [(c, i) for c in classes for i in range(per_class)]
    return {f"{WNIDS[c]}/{val_name(n)}": jpeg(n) for n, (c, _) in enumerate(names, start=1)}


def write_tar(path: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_shard(
    path: Path,
    rows: Sequence[tuple[bytes | None, str | None, Any]],
    class_names: Sequence[str] = (),
    label_type: pa.DataType | None = None,
    **options: Any,
) -> Path:
    """A shard as the hub writes it; `rows` are image bytes, image path and label."""
    images = [{"bytes": data, "path": name} for data, name, _ in rows]
    table = pa.table(
        {
            "image": pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
            "label": pa.array([label for _, _, label in rows], label_type or pa.int64()),
        }
    )
    if class_names:
        features = {"label": {"names": list(class_names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, **options)
    return path


def refusal(path: Path, labels: Path | None = None) -> str:
    """The one line with which the dataset is refused."""
    with pytest.raises(DataRefused) as caught:
        open_dataset(path, labels)
    message = str(caught.value)
    assert "\n" not in message
    return message


def labels_by_id(dataset: Dataset) -> dict[str, int]:
    return {sample.image_id: sample.label for sample in dataset.samples}
