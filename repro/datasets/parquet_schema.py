"""Whether a Parquet file holds labelled images, and whether its classes are ImageNet's."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.catalogue.classes import class_name, index_by_wnid, load_classes
from repro.exceptions import DataRefused
from repro.specs import N_CLASSES

if TYPE_CHECKING:
    import pyarrow as pa


def refuse_columns(schema: pa.Schema, shard: Path, column: str = "image") -> None:
    """Refuses a file without bytes in `column` and a whole-number `label`, or whose paths are no text."""
    from pyarrow import types

    image = schema.field(column).type if column in schema.names else None
    if image is None or not types.is_struct(image) or image.get_field_index("bytes") < 0:
        raise DataRefused(
            f"{shard} has no column {column}: struct{{bytes, path}}; it has {', '.join(schema.names)}"
        )
    if (path := image.get_field_index("path")) >= 0 and not _is_text(image.field(path).type):
        raise DataRefused(f"{shard} has no column {column}.path of text, but of {image.field(path).type}")
    label = schema.field("label").type if "label" in schema.names else None
    if label is None or not types.is_integer(label):
        raise DataRefused(
            f"{shard} has no column of class indices called label (int64); its label is {label}"
        )


def _is_text(column: pa.DataType) -> bool:
    """Null, too: the type of a column in which no image has a path."""
    from pyarrow import types

    values = column.value_type if types.is_dictionary(column) else column
    kinds = (types.is_string, types.is_large_string, types.is_string_view, types.is_null)
    return any(kind(values) for kind in kinds)


def declared_classes(schema: pa.Schema) -> list[str]:
    """The names of the classes by index, where the hub's metadata states them."""
    text = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        names = json.loads(text)["info"]["features"]["label"]["names"]
    except (ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in names]


def refuse_declared_classes(names: Sequence[str], shard: Path) -> None:
    """Refuses classes that are not a thousand, or not in the order of ImageNet."""
    if names and len(names) != N_CLASSES:
        raise DataRefused(
            f"{shard}: {len(names):,} classes ({names[0]}, …), the models here have {N_CLASSES}"
        )
    # "tench, Tinca tinca": the hub lists synonyms; a name unknown here tells nothing about the order.
    index = {c.name.casefold(): c.index for c in load_classes()} | index_by_wnid()
    for i, name in enumerate(names):
        known = index.get(name.split(",")[0].strip().casefold(), i)
        if known != i:
            raise DataRefused(f'{shard}: class {i} is "{name}", but {class_name(i)} in the order of ImageNet')


def refuse_fewer_classes(labels: Collection[int], root: Path) -> None:
    """Refuses labels without declared names that look like those of another data set, CIFAR-10 say.

    A part of ImageNet would hardly have exactly its first k classes.
    """
    k = len(set(labels))
    if 1 < k < N_CLASSES and max(labels) == k - 1:
        raise DataRefused(
            f"{root}: {k} classes (labels 0 … {k - 1}, names not declared), the models here have {N_CLASSES}"
        )
