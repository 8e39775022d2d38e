"""The rows of heat maps (`maps/METHOD-LAYER-….parquet`): three for each image, one a target.

| column            | what                                                                          |
|-------------------|-------------------------------------------------------------------------------|
| image_id          | `ILSVRC2012_val_00000293`                                                     |
| sha256            | of the image's bytes: those that were scored                                  |
| label             | the true class                                                                |
| predicted         | the best class, as it was stored                                              |
| against           | the class it is held against: the true one; of a right answer, the second best |
| target            | `true`, `predicted`, or `contrast` (logit of predicted minus that of against) |
| status            | `ok`, or why the map says nothing: `all zero`, `not finite`, `blind to the target` |
| agrees            | whether the best class, computed again, is the stored one                     |
| width_px          | of the image as it is stored                                                  |
| height_px         |                                                                               |
| side              | rows and columns of the map                                                   |
| map               | `side * side` values, row by row, never negative, of the method's own scale   |
| logit_label       | of the crop as it is                                                          |
| logit_predicted   |                                                                               |
| logit_against     |                                                                               |
| fall              | how far the target falls, in nats, once the map's strongest pixels are removed |
| fall_random       | the same with random maps                                                     |

The target is, for `fall`, the log-probability of the class; for `contrast`, the difference of two. A map
that is not finite is null; one that is not `ok` has no `fall`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from repro.exceptions import StorageError
from repro.results.kept import newest_first, read_kept

FOLDER = "maps"

TRUE: Final = "true"
PREDICTED: Final = "predicted"
CONTRAST: Final = "contrast"
TARGETS = (TRUE, PREDICTED, CONTRAST)

OK: Final = "ok"
ALL_ZERO: Final = "all zero"
NOT_FINITE: Final = "not finite"
BLIND: Final = "blind to the target"

SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("label", pa.int16(), nullable=False),
        pa.field("predicted", pa.int16(), nullable=False),
        pa.field("against", pa.int16(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("agrees", pa.bool_(), nullable=False),
        pa.field("width_px", pa.int32(), nullable=False),
        pa.field("height_px", pa.int32(), nullable=False),
        pa.field("side", pa.int16(), nullable=False),
        pa.field("map", pa.list_(pa.float32())),
        pa.field("logit_label", pa.float32()),
        pa.field("logit_predicted", pa.float32()),
        pa.field("logit_against", pa.float32()),
        pa.field("fall", pa.float32()),
        pa.field("fall_random", pa.float32()),
    ]
)


KEPT_SCHEMA = SCHEMA.append(pa.field("method", pa.string())).append(pa.field("layer", pa.string()))
"""With how a map was made, as its file's name says it."""


def load_maps(folder: Path, image_ids: Collection[str]) -> pa.Table:
    """The heat maps of these images that are kept beside the run in `folder`: of each image the newest.

    Columns are those of `KEPT_SCHEMA`.

    Raises:
        StorageError: a file is damaged.
    """
    found, missing = [KEPT_SCHEMA.empty_table()], set(image_ids)
    for path in newest_first(folder / FOLDER, "*"):
        if not missing:
            break
        rows = _read(path)
        found.append(rows.filter(pc.is_in(rows["image_id"], pa.array(sorted(missing), pa.string()))))
        missing -= set(found[-1]["image_id"].to_pylist())
    return pa.concat_tables(found)


def _read(path: Path) -> pa.Table:
    rows = read_kept(path, "heat maps", SCHEMA)
    good = rows.filter(pc.equal(rows["status"], OK))
    if not pc.all(pc.equal(pc.list_value_length(good["map"]), _area(good)), min_count=0).as_py():
        raise StorageError(f"heat maps damaged: {path} has maps of other sizes than it says")
    method, _, rest = path.stem.partition("-")
    made = (method, rest.rpartition("-")[0])
    columns = [pa.repeat(pa.scalar(text, pa.string()), len(rows)) for text in made]
    return pa.table([*rows.cast(SCHEMA).columns, *columns], schema=KEPT_SCHEMA)


def _area(rows: pa.Table) -> pa.ChunkedArray:
    side = rows["side"].cast(pa.int32())
    return pc.multiply(side, side)
