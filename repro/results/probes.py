"""The rows of probes (`probes/KIND-….parquet`): one for each image and dose, and one for it as it is.

| column       | what                                                                              |
|--------------|-----------------------------------------------------------------------------------|
| image_id     | `ILSVRC2012_val_00000293`                                                         |
| sha256       | of the image's bytes: those that were scored                                      |
| label        | the true class                                                                    |
| predicted    | the best class, as it was stored                                                  |
| intervention | what was done to the image; `as it is`                                            |
| dose         | how much of it, in the intervention's own unit; 0 for `as it is`                  |
| top1         | the best class then; null where a logit is not finite                             |
| p_label      | probability of the true class                                                     |
| p_predicted  | of the class predicted for the image as it is                                     |
| focus        | where the object is, by whom: `box`, `heat map`, `centre` (neither), `none` needed |
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa

from repro.exceptions import StorageError
from repro.results.predictions import read_checked

FOLDER = "probes"

AS_IT_IS: Final = "as it is"

SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("label", pa.int16(), nullable=False),
        pa.field("predicted", pa.int16(), nullable=False),
        pa.field("intervention", pa.string(), nullable=False),
        pa.field("dose", pa.float64(), nullable=False),
        pa.field("top1", pa.int16()),
        pa.field("p_label", pa.float32()),
        pa.field("p_predicted", pa.float32()),
        pa.field("focus", pa.string(), nullable=False),
    ]
)


def load_probes(folder: Path) -> dict[str, pa.Table]:
    """The rows of the probes kept beside the run in `folder`, by kind; of several of a kind, the newest.

    Raises:
        StorageError: a file is damaged.
    """
    newest: dict[str, Path] = {}
    for path in sorted((folder / FOLDER).glob("*-*.parquet"), key=lambda path: path.stat().st_mtime_ns):
        newest[path.name.partition("-")[0]] = path
    return {kind: _read(path) for kind, path in sorted(newest.items())}


def _read(path: Path) -> pa.Table:
    rows = read_checked(path, "probes")
    if rows.schema.names != SCHEMA.names:
        raise StorageError(f"probes damaged: {path} has other columns")
    return rows.cast(SCHEMA)
