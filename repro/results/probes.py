"""The rows of probes (`probes/KIND-….parquet`): one for each image and dose, and one for it as it is.

`repro probe` writes errors there with their matched controls. Single images that somebody looked at in the
browser are kept apart, in `probes/single/`: no controls stand beside them, so nothing is counted of them.

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

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from repro.results.kept import newest_first, read_kept

FOLDER = "probes"
SINGLE_FOLDER = f"{FOLDER}/single"

AS_IT_IS: Final = "as it is"

BOX: Final = "box"

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


LAYER = "layer"
"""What a file tells besides its rows: the layer of the heat map that said where objects are."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One image's rows of one kind of probe, and the heat map's layer; None: that of the family."""

    rows: pa.Table
    layer: str | None


def load_probes(folder: Path) -> dict[str, pa.Table]:
    """The rows that `repro probe` kept beside the run in `folder`, by kind.

    Of several files of a kind (with boxes, of another layer) that of the most images, of equals the newest.

    Raises:
        StorageError: a file is damaged.
    """
    largest: dict[str, pa.Table] = {}
    for path in newest_first(folder / FOLDER, "*"):
        kind, rows = path.name.partition("-")[0], read_kept(path, "probes", SCHEMA).cast(SCHEMA)
        if kind not in largest or rows.num_rows > largest[kind].num_rows:
            largest[kind] = rows
    return dict(sorted(largest.items()))


def load_probe(folder: Path, kind: str, image_id: str) -> Probe | None:
    """The rows of one image, from the newest file that has it; None if it was not probed.

    Raises:
        StorageError: a file is damaged.
    """
    for path in newest_first(folder / FOLDER, kind) + newest_first(folder / SINGLE_FOLDER, kind):
        rows = read_kept(path, "probes", SCHEMA)
        layer = (rows.schema.metadata or {}).get(LAYER.encode(), b"").decode()
        found = rows.cast(SCHEMA).filter(pc.equal(rows["image_id"], image_id))
        if pc.any(pc.equal(found["intervention"], AS_IT_IS), min_count=0).as_py():
            return Probe(found, layer or None)
    return None
