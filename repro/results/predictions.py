"""The rows of a run (`predictions.parquet`): one row an expected image, sorted by image id.

| column     | what                                                                        |
|------------|-----------------------------------------------------------------------------|
| image_id   | `ILSVRC2012_val_00000293`                                                   |
| path       | where the image lies, relative to the dataset's root                        |
| sha256     | of the image's bytes                                                        |
| label      | the true class, 0 … 999                                                     |
| status     | `ok`, or why there is no prediction: `unreadable: …`, `non-finite logits`   |
| precision  | of the values: `fp32`; `bf16`, `fp16` or `fp32-folded` where `exact-fast` kept its copy's |
| top5       | class indices, best first                                                   |
| p_top5     | their probabilities                                                         |
| p_label    | probability of the true class                                               |
| rank       | how many classes beat the true one (ties: the lower index first); top-k is `rank < k` |
| image_mode | the file's own colour mode before it became RGB (`RGB`, `L`, `CMYK`, …)       |

A row without a prediction has nulls from `precision` to `rank`. Imported rows leave null what they lack:
`rank` is null there where `top5`, which may be shorter than five, does not list the true class.
"""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from repro.exceptions import StorageError
from repro.specs import N_CLASSES

SCHEMA_VERSION = "1"

OK = "ok"
NON_FINITE = "non-finite logits"
UNREADABLE = "unreadable"

_CLASSES = ("label", "predicted", "against", "top1", "top5")
"""The columns that hold indices of classes."""

SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("label", pa.int16(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("precision", pa.string()),
        pa.field("top5", pa.list_(pa.int16())),
        pa.field("p_top5", pa.list_(pa.float32())),
        pa.field("p_label", pa.float32()),
        pa.field("rank", pa.int16()),
        pa.field("image_mode", pa.string()),
    ],
    metadata={"repro.schema": SCHEMA_VERSION},
)


def to_bytes(rows: pa.Table) -> bytes:
    """The file of `rows`, with a checksum on every page."""
    file = BytesIO()
    pq.write_table(rows, file, compression="zstd", write_page_checksum=True)
    return file.getvalue()


def read_predictions(path: Path, columns: list[str] | None = None, sha256: str | None = None) -> pa.Table:
    """The rows in `path`; every page's checksum is verified, and the file's SHA-256 where one is given.

    Raises:
        StorageError: the file is damaged, missing, or of another schema.
    """
    rows = read_checked(path, "results", columns, sha256)
    version = (rows.schema.metadata or {}).get(b"repro.schema", b"?").decode(errors="replace")
    if version != SCHEMA_VERSION:
        raise StorageError(f"{path} has schema {version}, this version reads {SCHEMA_VERSION}")
    return rows


def read_checked(
    path: Path, what: str, columns: list[str] | None = None, sha256: str | None = None
) -> pa.Table:
    """The rows in `path`, `what` in words; each page's checksum is verified, the file's SHA-256 if given.

    Raises:
        StorageError: the file is damaged or missing.
    """
    try:
        data = path.read_bytes()
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise StorageError(
                f"{what} damaged: {path} is not the file that was written (its SHA-256 differs)"
            )
        rows = pq.read_table(BytesIO(data), columns=columns, page_checksum_verification=True)
        _check_classes(rows)
        return rows
    except (OSError, ValueError, pa.ArrowException) as error:
        raise StorageError(f"{what} damaged: {path} ({str(error).partition(chr(10))[0]})") from error


def _check_classes(rows: pa.Table) -> None:
    """Raises ValueError if a class is none: a negative index would quietly be another one."""
    for name in _CLASSES:
        if name in rows.column_names:
            column = rows[name]
            indices = pc.list_flatten(column) if pa.types.is_list(column.type) else column
            ends = pc.min_max(indices).as_py()
            if ends["min"] is not None and not (ends["min"] >= 0 and ends["max"] < N_CLASSES):
                raise ValueError(f"{name} holds {ends['min']} to {ends['max']}, not 0 to {N_CLASSES - 1}")
