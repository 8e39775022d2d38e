"""The causes of errors (`causes/….parquet`): one row for each run and image whose best class is wrong.

| column             | what                                                                  |
|--------------------|-----------------------------------------------------------------------|
| run                | the run's id                                                          |
| image_id, path     | the image                                                             |
| label, predicted   | the true class and the best one                                       |
| p_predicted, p_label | their probabilities; null where the run does not tell               |
| real_labels        | what ReaL lists for the image; null where it does not know it         |
| overlap            | why the two classes overlap, in words; empty where they do not        |
| depth, distance    | of the two classes in the hierarchy                                   |
| n_together         | other images in which ReaL gives both                                 |
| n_models           | models that make the pair                                             |
| size_ratio, bins_apart | how far apart the sizes of the two are                            |
| factor             | ImageNet-X's top factor, where it is installed and annotates the image |
| one column a cause | whether its rule fires                                                |
| cause              | the first that fires                                                  |

A file's name is the digest of the runs, the depth and the version of the rules.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from repro.results.atomic import write_atomically
from repro.results.predictions import to_bytes
from repro.specs import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

FOLDER = "causes"

_TYPES = {
    "run": pa.string(),
    "image_id": pa.string(),
    "path": pa.string(),
    "label": pa.int16(),
    "predicted": pa.int16(),
    "p_predicted": pa.float32(),
    "p_label": pa.float32(),
    "real_labels": pa.list_(pa.int16()),
    "overlap": pa.string(),
    "depth": pa.int16(),
    "distance": pa.int16(),
    "n_together": pa.int32(),
    "n_models": pa.int32(),
    "size_ratio": pa.float64(),
    "bins_apart": pa.int16(),
    "factor": pa.string(),
    "cause": pa.string(),
}


def causes_path(folder: Path, runs: Mapping[str, str], depth: int, version: int, factors: bool) -> Path:
    """Where causes are kept in the folder of runs; `runs` maps ids to the SHA-256 of their predictions."""
    identity = {"runs": dict(runs), "depth": depth, "version": version, "factors": factors}
    return folder / FOLDER / f"{digest(identity)[:16]}.parquet"


def write_causes(path: Path, caused: pd.DataFrame) -> None:
    """Replaces what is there.

    Raises:
        StorageError: the disk does not take it.
    """
    fields = [pa.field(name, _TYPES.get(name, pa.bool_())) for name in caused.columns]
    write_atomically(path, to_bytes(pa.Table.from_pandas(caused, pa.schema(fields), preserve_index=False)))
