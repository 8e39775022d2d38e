"""A run's predictions as the CSV that `repro import-predictions` takes: `repro export-predictions RUN`."""

from __future__ import annotations

import csv
from io import StringIO

import pyarrow as pa
import pyarrow.compute as pc

from repro.datasets.entries import VAL_IMAGE, image_stem
from repro.exceptions import DataRefused
from repro.exchange.prediction_files import CSV_COLUMNS
from repro.results.predictions import OK


def to_csv(rows: pa.Table) -> str:
    """`file_name,predicted_class,predicted_probability`, an image a line, in the rows' order.

    A probability has nine digits, which is all that its 32 bits hold. Names stand as they are: the file is
    for programs, and has to come back as it was.

    Raises:
        DataRefused: an image has no prediction.
    """
    unscored = rows.filter(pc.not_equal(rows["status"], OK))["image_id"].to_pylist()
    if unscored:
        raise DataRefused(
            f"{len(unscored):,} images have no prediction ({unscored[0]}, …); mend the run first"
        )
    # Of an image in a Parquet file the path is the file's: ImageNet's own name says more.
    names = [
        f"{image_id}.JPEG" if VAL_IMAGE.fullmatch(image_id) else path.rpartition("/")[2]
        for image_id, path in zip(rows["image_id"].to_pylist(), rows["path"].to_pylist(), strict=True)
    ]
    if len(set(map(image_stem, names))) < len(names):  # the ids are then the paths, too
        names = rows["path"].to_pylist()
    best = pc.list_element(rows["top5"], 0).to_pylist()
    has_p = rows["p_top5"].null_count == 0
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if has_p:
        writer.writerow(CSV_COLUMNS)
        p_best = pc.list_element(rows["p_top5"], 0).to_pylist()
        writer.writerows((name, c, f"{p:.9g}") for name, c, p in zip(names, best, p_best, strict=True))
    else:
        writer.writerow(CSV_COLUMNS[:2])
        writer.writerows(zip(names, best, strict=True))
    return file.getvalue()
