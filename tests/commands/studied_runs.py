"""Finished runs on small real photographs, with hostile names, for `repro study` and `repro report`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from repro.catalogue.classes import load_classes
from repro.results import heat_maps, probes
from repro.results.kept import KeptRows
from repro.results.predictions import OK, SCHEMA
from repro.results.record import IMPORTED, RunRecord
from repro.results.store import RunFolder
from repro.specs import digest
from tests.analysis.records import run_of

TRUE, TAKEN = 898, 629
"""Water bottle and lipstick."""

PAYLOADS = (
    "<script>alert(1)<&script>",
    "![x](http:evil)",
    "=cmd()",
    "right\u202eleft",
    "<img src=x onerror=alert(1)>",
    "plain",
)


def photograph(root: Path) -> list[str]:
    """One JPEG of water bottles for each payload, with EXIF and a comment; gives their names."""
    folder = root / load_classes()[TRUE].wnid
    folder.mkdir(parents=True)
    for i, name in enumerate(PAYLOADS):
        exif = Image.Exif()
        exif[0x010E] = "SECRET PLACE"
        pixels = np.random.default_rng(i).integers(0, 255, (40, 60, 3), np.uint8)
        image = Image.fromarray(pixels).resize((600, 400))
        image.save(folder / f"{name}.JPEG", exif=exif, comment=b"SECRET COMMENT")
    return [f"{folder.name}/{name}.JPEG" for name in PAYLOADS]


def write_run(
    runs: Path,
    root: Path,
    model: str,
    wrong: Sequence[bool],
    *,
    base: str = "poolformer_s12",
    started: str = "2026-08-01T12:00:00+00:00",
    imported: bool = False,
    unread: Collection[str] = (),
    test_set: str = "",
) -> RunRecord:
    """A run of all photographs under `root`, those `wrong` taken for lipsticks, each a bit less sure."""
    files = sorted(root.glob("*/*.JPEG"), key=lambda path: path.stem)
    rows = []
    for i, (path, is_wrong) in enumerate(zip(files, wrong, strict=True)):
        best = TAKEN if is_wrong else TRUE
        rows.append(
            {
                "image_id": path.stem,
                "path": str(path.relative_to(root)),
                "sha256": None if imported or path.stem in unread else _sha256(path),
                "label": TRUE,
                "status": OK,
                "precision": "fp32",
                "top5": [best, *range(4)],
                "p_top5": [0.9 - 0.01 * i, 0.01, 0.01, 0.01, 0.01],
                "p_label": 0.05 if is_wrong else 0.9 - 0.01 * i,
                "rank": 1 if is_wrong else 0,
                "image_mode": "RGB",
            }
        )
    origin = IMPORTED if imported else "hub"
    record = run_of(
        base, len(files) - sum(wrong), n=len(files), origin=origin, started=started, test_set=test_set
    )
    fingerprint = digest([model, list(wrong)])
    record = replace(
        record,
        run_id=f"run-{fingerprint[:8]}",
        fingerprint=fingerprint,
        model=replace(record.model, name=model, label=model),
        dataset=replace(
            record.dataset,
            name="<b>photographs",
            root=str(root),
            digest=digest([[row["image_id"], row["sha256"], row["label"]] for row in rows]),
        ),
        arguments=(),
    )
    RunFolder(runs / record.run_id, fingerprint).finish(pa.Table.from_pylist(rows, SCHEMA), record)
    return record


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def keep_map(runs: Path, record: RunRecord, path: Path) -> None:
    """A contrast map of one image, strongest in its first cell."""
    row = {
        "image_id": path.stem,
        "sha256": _sha256(path),
        "label": TRUE,
        "predicted": TAKEN,
        "against": TRUE,
        "target": heat_maps.CONTRAST,
        "status": heat_maps.OK,
        "agrees": True,
        "width_px": 600,
        "height_px": 400,
        "side": 2,
        "map": [1.0, 0.0, 0.0, 0.0],
    }
    kept = KeptRows(runs / record.run_id / heat_maps.FOLDER, "gradcam-x", heat_maps.SCHEMA, "0" * 64)
    with kept.locked():
        kept.write(pa.Table.from_pylist([row], heat_maps.SCHEMA))


def keep_probe(runs: Path, record: RunRecord, turned: Sequence[Path], held: Path) -> None:
    """A probe of size: enlarged a little, the images `turned` become right; `held` was right and stays so."""
    rows = []
    for path in (*turned, held):
        before = TRUE if path == held else TAKEN
        sha256 = _sha256(path)
        image = {"image_id": path.stem, "sha256": sha256, "label": TRUE, "predicted": before, "focus": "map"}
        for name, dose, top1, p in ((probes.AS_IT_IS, 0.0, before, 0.05), ("larger", 1.41, TRUE, 0.75)):
            rows.append(
                {**image, "intervention": name, "dose": dose, "top1": top1, "p_label": p, "p_predicted": 0.2}
            )
    kept = KeptRows(runs / record.run_id / probes.FOLDER, "size", probes.SCHEMA, "0" * 64)
    with kept.locked():
        kept.write(pa.Table.from_pylist(rows, probes.SCHEMA))
