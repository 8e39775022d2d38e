"""The crop cache: the same bytes as without it, whatever became of the images and of the cache since."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from repro.datasets import open_dataset
from repro.datasets.files import ImageFiles
from repro.evaluation import crop_reader
from repro.evaluation.crop_cache import CropCache, folder_name
from repro.evaluation.evaluate import evaluate
from repro.evaluation.plan import Request, plan_evaluation
from repro.evaluation.preprocess import crop
from repro.evaluation.shards import cut_batches, plan_shards
from repro.exceptions import StorageError
from repro.results import crops
from repro.results.record import RunRecord
from repro.results.store import read_rows
from repro.specs import Geometry, Sample
from tests.evaluation import test_evaluate
from tests.oracle import NAME, SIZE_PX, paint_folders, save_weights

GEOMETRY = Geometry(SIZE_PX, 0.875, "bicubic")


class Watcher(test_evaluate.Watcher):
    def __init__(self) -> None:
        super().__init__()
        self.reasons: list[str] = []

    def cached(self, total: int, missing: int, n_bytes: int, folder: Path) -> None:
        self.missing, self.n_bytes = missing, n_bytes

    def remade(self, reason: str) -> None:
        self.reasons.append(reason)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    """Forty images in batches of four; their files may vouch for them although they are new."""
    monkeypatch.setattr(crop_reader, "SETTLED_SECONDS", 0)
    return Request(
        models=[NAME],
        runs=tmp_path / "runs",
        data=paint_folders(tmp_path / "photos", range(3, 1000, 50), per_class=2),
        weights={NAME: save_weights(tmp_path / "oracle.safetensors")},
        device="cpu",
        batch_size=4,
        workers=0,
    )


@pytest.fixture
def prepared(asked: Request, tmp_path: Path) -> Request:
    return replace(asked, crops=tmp_path / "crops")


def photographs(request: Request) -> list[Path]:
    assert request.data is not None
    return sorted(request.data.rglob("*.JPEG"))


def blocks(request: Request) -> list[Path]:
    assert request.crops is not None
    return sorted(request.crops.rglob("*.crops"))


def run(request: Request, watcher: Watcher | None = None) -> tuple[bytes, RunRecord]:
    """The bytes of the rows of an evaluation, which begins anew."""
    shutil.rmtree(request.runs, ignore_errors=True)
    (record,) = evaluate(plan_evaluation(request), watcher or Watcher())
    return (request.runs / record.run_id / "predictions.parquet").read_bytes(), record


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images whose files are read from now on by this process."""
    seen = []
    read = ImageFiles.read

    def counted(self: ImageFiles, sample: Sample) -> bytes:
        seen.append(sample.image_id)
        return read(self, sample)

    monkeypatch.setattr(ImageFiles, "read", counted)
    return seen


def test_the_rows_are_those_of_an_evaluation_without_it(
    asked: Request, prepared: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = photographs(asked)[7].read_bytes()
    photographs(asked)[7].write_bytes(whole[:-50])
    Image.new("L", (90, 60), 77).save(photographs(asked)[8])
    asked, prepared = (replace(request, allow_unreadable=True) for request in (asked, prepared))
    plain, record = run(asked)
    assert record.summary.n_scored == 39
    cold, first = run(prepared)
    seen = reads(monkeypatch)
    warm, second = run(prepared)
    assert plain == cold == warm
    assert not seen
    assert (first.n_cached, second.n_cached) == (0, 40)
    assert first.fingerprint == second.fingerprint == record.fingerprint


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_processes_change_nothing(asked: Request, prepared: Request, workers: int) -> None:
    plain, _ = run(asked)
    request = replace(prepared, workers=workers)
    assert (run(request)[0], run(request)[0]) == (plain, plain)
    assert run(request)[1].n_cached == 40


def test_batches_and_samples_of_another_size_find_the_crops(prepared: Request) -> None:
    run(replace(prepared, limit=10))
    watcher = Watcher()
    _, record = run(replace(prepared, batch_size=7), watcher)
    assert (watcher.missing, record.n_cached) == (30, 10)
    assert watcher.n_bytes == 30 * 3 * SIZE_PX**2
    assert run(replace(prepared, limit=25))[1].n_cached == 25


def test_a_block_is_what_numpy_maps(prepared: Request) -> None:
    run(replace(prepared, batch_size=256))
    (block,) = blocks(prepared)
    kept = np.memmap(block, np.uint8).reshape(-1, 3, SIZE_PX, SIZE_PX)
    expected = [
        crop(Image.open(path).convert("RGB"), GEOMETRY).numpy().tobytes() for path in photographs(prepared)
    ]
    assert sorted(one.tobytes() for one in kept) == sorted(expected)


def test_a_changed_image_is_read_again(prepared: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    run(prepared)
    victim, other = photographs(prepared)[3], photographs(prepared)[30]
    times = victim.stat()
    victim.write_bytes(other.read_bytes())
    os.utime(victim, ns=(times.st_atime_ns, times.st_mtime_ns))  # the date is that of before
    seen = reads(monkeypatch)
    _, record = run(prepared)
    assert seen == [victim.stem]
    rows = {row["image_id"]: row for row in read_rows(prepared.runs / record.run_id, record).to_pylist()}
    assert rows[victim.stem]["sha256"] == rows[other.stem]["sha256"]
    assert rows[victim.stem]["top5"] == rows[other.stem]["top5"]
    assert run(prepared)[1].n_cached == 40  # its newer crop is the one that is found


def test_a_damaged_image_is_named(prepared: Request) -> None:
    run(prepared)
    victim = photographs(prepared)[3]
    victim.write_bytes(victim.read_bytes()[:-50])
    _, record = run(prepared)
    assert record.status == "invalid"
    assert victim.stem in record.summary.invalid
    shutil.rmtree(prepared.runs)
    plan = plan_evaluation(prepared)
    victim.unlink()
    (record,) = evaluate(plan, Watcher())
    assert victim.stem in record.summary.invalid


def test_a_file_that_was_only_touched_is_read_but_not_decoded(
    prepared: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _ = run(prepared)
    touched = photographs(prepared)[3]
    touched.touch()
    seen = reads(monkeypatch)
    again, record = run(prepared)
    assert (seen, record.n_cached, again) == ([touched.stem], 40, plain)


def test_a_file_that_has_just_been_written_does_not_vouch_for_itself(
    prepared: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crop_reader, "SETTLED_SECONDS", 1000)
    run(prepared)
    seen = reads(monkeypatch)
    _, record = run(prepared)
    assert (len(seen), record.n_cached) == (40, 40)


def test_hashing_finds_what_size_and_times_do_not_tell(
    prepared: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bit that the disk turned: no time changes."""
    run(prepared)
    rotten = photographs(prepared)[3].stem
    read = ImageFiles.read
    monkeypatch.setattr(
        ImageFiles, "read", lambda self, s: read(self, s)[:-50] if s.image_id == rotten else read(self, s)
    )
    assert run(prepared)[1].status == "complete"
    assert rotten in run(replace(prepared, hash_images=True))[1].summary.invalid


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("suffix", [".crops", ".parquet"])
@pytest.mark.parametrize("fault", [flip_a_bit, cut, Path.unlink])
def test_what_is_damaged_in_the_cache_is_told_and_made_anew(
    prepared: Request, fault: Callable[[Path], None], suffix: str
) -> None:
    plain, _ = run(prepared)
    victim = blocks(prepared)[0]
    fault(victim.with_suffix(suffix))
    watcher = Watcher()
    again, record = run(prepared, watcher)
    assert again == plain
    assert record.n_cached == (39 if suffix == ".crops" and fault is not Path.unlink else 0)
    told = [reason for reason in watcher.reasons if victim.stem in reason]
    assert len(told) == len(watcher.reasons) == (0 if fault is Path.unlink and suffix == ".parquet" else 1)
    mended, record = run(prepared)
    assert (mended, record.n_cached) == (plain, 40)


def test_a_killed_process_leaves_no_half_block(asked: Request, prepared: Request, tmp_path: Path) -> None:
    """Killed in the middle of a block's file, and between it and its index."""
    plain, _ = run(asked)
    assert prepared.crops is not None
    for fatal in (_die_within_a_block, _die_before_the_index):
        process = get_context("fork").Process(target=fatal, args=(asked.data, prepared.crops))
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
        assert [path for path in prepared.crops.rglob("*") if path.is_file()]
        again, record = run(prepared)
        assert (again, record.n_cached) == (plain, 0)
        shutil.rmtree(prepared.crops)


def _die_within_a_block(data: Path, folder: Path) -> None:
    replacing = crops.replacing

    @contextmanager
    def torn(path: Path) -> Iterator[SimpleNamespace]:
        with replacing(path) as file:

            def write(crop: bytes) -> None:
                file.write(crop)
                file.flush()
                os.kill(os.getpid(), signal.SIGKILL)

            yield SimpleNamespace(write=write)

    crops.replacing = torn
    crop_all(data, folder)


def _die_before_the_index(data: Path, folder: Path) -> None:
    crops.write_atomically = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    crop_all(data, folder)


def crop_all(data: Path, folder: Path) -> None:
    dataset = open_dataset(data)
    cache = CropCache(folder, dataset, frozenset([GEOMETRY]), Watcher())
    image_ids = [sample.image_id for sample in dataset.samples]
    list(cache.load(cut_batches(plan_shards(dataset.samples, 4), 4), image_ids, workers=0, hash_all=False))


def test_what_a_kill_left_is_removed_later(prepared: Request) -> None:
    run(prepared)
    folder = blocks(prepared)[0].parent
    left = [folder / ".0.tmp", folder / "00.crops", folder / ".1.tmp"]
    for path in left:
        path.write_bytes(b"half")
    for path in left[:2]:
        os.utime(path, (0, 0))
    run(prepared)
    assert [path.exists() for path in left] == [False, False, True]  # the last may be another process's


def test_other_geometries_are_added(asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is there, the other not: one pass fills it, from images that are read but not cropped twice."""
    dataset = open_dataset(asked.data)
    batches = list(cut_batches(plan_shards(dataset.samples, 8), 8))
    image_ids = [sample.image_id for sample in dataset.samples]
    larger = Geometry(64, 0.9, "bilinear", "squash")
    assert folder_name(larger) != folder_name(GEOMETRY)

    def load(*geometries: Geometry) -> list[dict[Geometry, bytes]]:
        cache = CropCache(tmp_path / "crops", dataset, frozenset(geometries), Watcher())
        return [
            {g: crops.numpy().tobytes() for g, crops in batch.crops.items()}
            for batch in cache.load(batches, image_ids, workers=0, hash_all=False)
        ]

    alone = load(GEOMETRY)
    made = []
    monkeypatch.setattr(crop_reader, "crop", lambda image, g: made.append(g) or crop(image, g))
    both = load(GEOMETRY, larger)
    assert set(made) == {larger}
    assert [batch[GEOMETRY] for batch in both] == [batch[GEOMETRY] for batch in alone]
    seen = reads(monkeypatch)
    assert load(GEOMETRY, larger) == both
    assert not seen


def test_too_little_room_is_told_before_anything_is_written(
    prepared: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(prepared.runs.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(StorageError, match="the crops still to be kept take") as caught:
        run(prepared)
    assert "--cache" in caught.value.hint
    assert not blocks(prepared)
