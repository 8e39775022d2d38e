"""Results made to deceive: valid runs whose every text is a payload, and whose paths lead elsewhere."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from repro.exceptions import UsageError
from repro.results import heat_maps, probes
from repro.results.codings import Coding, append_coding
from repro.results.predictions import OK, SCHEMA, to_bytes
from repro.results.record import MacsCount, RunRecord, Summary
from repro.results.store import RunFolder
from repro.results.summary import count_correct
from tests.analysis.records import run_of
from tests.browser.payloads import PAYLOADS

TENCH, GOLDFISH = 0, 1
CLASS_FOLDER = "n01440764"

AT_ONCE = 18
"""Runs, each of as many images, that a page shows together: no table of theirs has to be scrolled."""

IMAGE_ID = "secret"
SECRET = "the-word-in-a-file-of-somebody-else"
SECRET_RGB = (12, 200, 77)


@dataclass(frozen=True)
class Batch:
    """Runs of the same images, each named by a payload, as are the images; `photographs` are in the data."""

    payloads: tuple[str, ...]
    run_ids: tuple[str, ...]
    photographs: tuple[str, ...]


@dataclass(frozen=True)
class Hostile:
    """The folder of runs, the data that the app is given, the batches, and what folders are called."""

    runs: Path
    data: Path
    batches: tuple[Batch, ...]
    folders: tuple[str, ...]


def write_hostile(folder: Path) -> Hostile:
    runs, data = folder / "runs", folder / "data"
    (data / CLASS_FOLDER).mkdir(parents=True)
    payloads = tuple(PAYLOADS.values())
    batches = [
        _write_batch(runs, data, number, payloads[start : start + AT_ONCE])
        for number, start in enumerate(range(0, len(payloads), AT_ONCE))
    ]
    folders = tuple(payload for payload in PAYLOADS.values() if _is_file_name(payload))
    for payload in folders:
        (runs / payload).mkdir()
        (runs / payload / "run.json").write_text(payload)
    _write_invalid(runs, " ".join(PAYLOADS.values()))
    return Hostile(runs, data, tuple(batches), folders)


def _write_batch(runs: Path, data: Path, number: int, payloads: tuple[str, ...]) -> Batch:
    sha256 = {payload: _write_photograph(data, payload) for payload in payloads if _is_file_name(payload)}
    run_ids = []
    for place, payload in enumerate(payloads):
        rows = [_row(payloads, i, sha256, failed=i == place) for i in range(len(payloads))]
        record = record_of(payload, f"run-{number}-{place:02d}", f"2026-08-{number + 1:02d}T{place:02d}:00")
        write_run(runs, record, rows)
        run_ids.append(record.run_id)
    first = runs / run_ids[0]
    write_maps(first, payloads)
    _write_probe(first, payloads, next(iter(sha256)))
    _write_codings(first, payloads)
    return Batch(payloads, tuple(run_ids), tuple(sha256))


def record_of(payload: str, run_id: str, started: str) -> RunRecord:
    """A record that says the payload wherever it may say anything."""
    plain = run_of("efficientnet_lite0", 0, n=1)
    said = dict.fromkeys(("name", "kind", "root", "partial", "labels", "verified", "test_set"), payload)
    weights = replace(plain.model.weights, location=payload, revision=payload, verified=payload)
    assert plain.complexity is not None and plain.protocol is not None and plain.numerics is not None
    return replace(
        plain,
        run_id=run_id,
        fingerprint=hashlib.sha256(run_id.encode()).hexdigest(),
        model=replace(
            plain.model,
            name=payload,
            label=payload,
            token_mixer=payload,
            timm_name=payload,
            weights=weights,
        ),
        protocol_name=payload,
        dataset=replace(plain.dataset, **said),
        numerics=replace(plain.numerics, device=payload, device_name=payload),
        complexity=replace(
            plain.complexity, timm_name=payload, macs={payload: MacsCount(1, payload, payload, {payload: 1})}
        ),
        environment={payload: payload},
        code={payload: payload},
        arguments=(payload, f"--labels={payload}"),
        started=f"{started} {payload}",
        image_modes={payload: 1},
    )


def write_run(runs: Path, record: RunRecord, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes the run as the project's own code does, with the counts of these rows."""
    table = pa.Table.from_pylist(list(rows), SCHEMA)
    scored = table.filter(pc.equal(table["status"], OK))
    correct = count_correct(scored, 1) or 0
    summary = Summary(len(rows), scored.num_rows, correct, count_correct(scored, 5))
    folder = RunFolder(runs / record.run_id, record.fingerprint)
    folder.finish(table, replace(record, summary=summary))


def row_of(image_id: str, path: str, sha256: str | None, status: str = OK) -> dict[str, object]:
    """A tench, taken for a goldfish; without a prediction where the status is another."""
    said = {
        "precision": "fp32",
        "top5": [GOLDFISH, 2, 3, 4, 5],
        "p_top5": [0.5, 0.1, 0.1, 0.1, 0.1],
        "p_label": 0.05,
        "rank": 5,
    }
    known = {"image_id": image_id, "path": path, "sha256": sha256, "label": TENCH, "status": status}
    return known | (said if status == OK else {}) | {"image_mode": path}


def _row(payloads: Sequence[str], i: int, sha256: Mapping[str, str], *, failed: bool) -> dict[str, object]:
    payload = payloads[i]
    return row_of(payload, payload, sha256.get(payload, "0" * 64), payload if failed else OK)


def _is_file_name(text: str) -> bool:
    return "/" not in text and "\0" not in text and len(text.encode()) < 250


def _write_photograph(data: Path, name: str) -> str:
    path = data / CLASS_FOLDER / f"{name}.png"
    level = len(list(path.parent.iterdir()))
    Image.new("RGB", (64, 48), (level, 2 * level, 255 - level)).save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_maps(run: Path, payloads: Sequence[str], side: int = 2) -> None:
    """Heat maps whose statuses are the payloads; only the first image has some that can be seen."""
    said = {
        "sha256": "0" * 64,
        "label": TENCH,
        "predicted": GOLDFISH,
        "against": TENCH,
        "agrees": True,
        "width_px": 64,
        "height_px": 48,
        "side": side,
        "map": [0.0, 0.2, 0.6, 1.0],
    }
    rows = [
        {"image_id": payload, "target": target, "status": payload if i else heat_maps.OK, **said}
        for i, payload in enumerate(payloads)
        for target in heat_maps.TARGETS
    ]
    _write_beside(run / heat_maps.FOLDER / "gradcam-hostile.parquet", rows, heat_maps.SCHEMA)


def _write_probe(run: Path, payloads: Sequence[str], image_id: str) -> None:
    said = {
        "image_id": image_id,
        "sha256": "0" * 64,
        "label": TENCH,
        "predicted": GOLDFISH,
        "top1": GOLDFISH,
        "p_label": 0.1,
        "p_predicted": 0.5,
        "focus": payloads[0],
    }
    named = [(probes.AS_IT_IS, 0.0), *((payload, 1.0) for payload in payloads)]
    rows = [{"intervention": name, "dose": dose, **said} for name, dose in named]
    _write_beside(run / probes.FOLDER / "size-hostile.parquet", rows, probes.SCHEMA)


def _write_beside(path: Path, rows: list[dict[str, object]], schema: pa.Schema) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(to_bytes(pa.Table.from_pylist(rows, schema)))


def readers(batch: Sequence[str]) -> list[str]:
    """The payloads that a reader may be called."""
    named = []
    for payload in batch:
        try:
            Coding(payload, "", TENCH, GOLDFISH, "other")
        except UsageError:
            continue
        named.append(payload)
    return named


def _write_codings(run: Path, payloads: Sequence[str]) -> None:
    """Each reader codes an image of his own, and two of them one more; the first has no answer."""
    named = readers(payloads)
    coded = [(reader, payloads[1 + i % (len(payloads) - 1)]) for i, reader in enumerate(named)]
    for reader, image_id in (*coded, (named[0], payloads[2]), (named[1], payloads[2])):
        append_coding(run, Coding(reader, image_id, TENCH, GOLDFISH, "other", f"note {reader}"))


def _write_invalid(runs: Path, reason: str) -> None:
    plain = record_of("plain", "run-invalid", "2026-07-01")
    write_run(runs, plain, [row_of("x", "x", None)])
    path = runs / plain.run_id / "run.json"
    record = RunRecord.from_json(path.read_text(), path)
    invalid = replace(record, summary=replace(record.summary, invalid=reason))
    path.write_text(invalid.to_json(), encoding="utf-8")


@dataclass(frozen=True)
class Elsewhere:
    """Runs that lead to what is not theirs; `honest` is one that knows which bytes it was made of."""

    runs: Path
    run_ids: tuple[str, ...]
    honest: str


def write_elsewhere(folder: Path) -> Elsewhere:
    """Runs that lead to folders and files of somebody else, whose names and images they have guessed."""
    runs, outside = folder / "runs", folder / "outside"
    secret = outside / CLASS_FOLDER / f"{IMAGE_ID}.png"
    secret.parent.mkdir(parents=True)
    Image.new("RGB", (64, 48), SECRET_RGB).save(secret)
    flat = folder / "flat"
    flat.mkdir()
    (flat / secret.name).write_bytes(secret.read_bytes())
    words = folder / "words.txt"
    words.write_text(f"{SECRET}:x:0\n" * 3)
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    roots = {
        "folder": str(outside),
        "file": str(words),
        "top": "/",
        "etc": "/etc",
        "passwd": "/etc/passwd",
        "device": "/dev/zero",
        "pipe": str(pipe),
        "up": "../../../../../etc",
        "home": "~",
        "share": "//evil.example/share",
        "share-of-Windows": "\\\\evil.example\\share",
        "file-URI": "file:///etc/passwd",
        "web": "http://evil.example/val.tar",
    }
    for name, root in roots.items():
        _write_leading(runs, name, root)
    _write_leading(runs, "labels", str(flat), arguments=("--labels", str(words)))
    known = hashlib.sha256(secret.read_bytes()).hexdigest()
    _write_leading(runs, "honest", str(outside), sha256=known)
    return Elsewhere(runs, tuple(f"run-{name}" for name in (*roots, "labels")), "run-honest")


def _write_leading(
    runs: Path, name: str, root: str, *, arguments: tuple[str, ...] = (), sha256: str | None = None
) -> None:
    plain = run_of("efficientnet_lite0", 0, n=1)
    record = replace(
        plain,
        run_id=f"run-{name}",
        fingerprint=hashlib.sha256(name.encode()).hexdigest(),
        dataset=replace(plain.dataset, root=root),
        arguments=arguments,
    )
    write_run(runs, record, [row_of(IMAGE_ID, f"../{CLASS_FOLDER}/{IMAGE_ID}.png", sha256)])
