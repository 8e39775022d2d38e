"""Rows that are kept are not passed off as those of other images, nor of another request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from typer.testing import CliRunner

from repro.commands import app
from repro.datasets.class_folders import ClassFolders
from repro.evaluation.plan import Request, plan_evaluation
from repro.evaluation.standing import Standing
from repro.exceptions import DataRefused, InvalidRun
from repro.results.manifest import NOT_VERIFIED
from repro.results.runs import read_record
from repro.specs import Sample
from tests.evaluation.test_evaluate import Watcher, request_, run
from tests.oracle import paint_folders

__all__ = ["request_"]


def encode_anew(folder: Path, n: int | None = None) -> None:
    """The same names, other bytes, as of a set that was resized beforehand."""
    for path in sorted(folder.rglob("*.JPEG"))[:n]:
        with Image.open(path) as image:
            image.convert("RGB").save(path, "JPEG", quality=40)


def test_a_whole_run_is_not_that_of_another_folder_with_the_same_names(request_: Request) -> None:
    assert request_.data is not None
    run(request_)
    encode_anew(request_.data)
    with pytest.raises(DataRefused, match=r"is not what was scored before: image .* has other bytes"):
        run(request_)


def test_a_stopped_run_does_not_go_on_with_other_images(tmp_path: Path, request_: Request) -> None:
    data = paint_folders(tmp_path / "many", range(0, 1000, 2))
    request = replace(request_, batch_size=256, data=data)
    with pytest.raises(KeyboardInterrupt):
        run(request, Watcher(stop_after=1))
    encode_anew(data)
    with pytest.raises(DataRefused, match="has other bytes"):
        run(request)


def test_a_manifest_made_later_vouches_for_a_whole_run(request_: Request) -> None:
    first = run(request_)
    assert first.dataset.verified == NOT_VERIFIED
    examined = CliRunner().invoke(app, ["doctor", str(request_.data), "--runs", str(request_.runs)])
    assert examined.exit_code == 0, examined.output
    again = Watcher()
    vouched = run(request_, again)
    assert again.n_scored == 0
    assert vouched.dataset.verified.endswith(".parquet")
    assert read_record(request_.runs / first.run_id / "run.json") == vouched


def test_a_manifest_of_other_images_does_not(request_: Request) -> None:
    """The few that are read may be the ones that did not change."""
    assert request_.data is not None
    run(request_)
    victim = sorted(request_.data.rglob("*.JPEG"))[0]
    whole = victim.read_bytes()
    encode_anew(request_.data, 1)
    examined = CliRunner().invoke(app, ["doctor", str(request_.data), "--runs", str(request_.runs)])
    assert examined.exit_code == 0, examined.output
    victim.write_bytes(whole)
    with pytest.raises(DataRefused, match="scored 1 images that are not those of the manifest"):
        run(request_)


def test_what_was_accepted_once_is_not_accepted_for_ever(request_: Request) -> None:
    assert request_.data is not None
    victim = sorted(request_.data.rglob("*.JPEG"))[7]
    victim.write_bytes(victim.read_bytes()[:-50])
    accepted = replace(request_, allow_unreadable=True)
    first = run(accepted)
    assert run(accepted) == first
    with pytest.raises(InvalidRun, match="was made with --allow-unreadable, and lacks 1 of 40 images"):
        run(request_)


def test_an_image_that_cannot_be_read_any_more_is_accepted_beside_a_manifest(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it changed is not known: it is told as unreadable, and as that alone."""
    examined = CliRunner().invoke(app, ["doctor", str(request_.data), "--runs", str(request_.runs)])
    assert examined.exit_code == 0, examined.output
    read = ClassFolders.read

    def failing(self: ClassFolders, sample: Sample) -> bytes:
        if sample.image_id == "003_0":
            raise OSError("Input/output error")
        return read(self, sample)

    monkeypatch.setattr(ClassFolders, "read", failing)
    assert run(request_).summary.invalid == "1 image unreadable (003_0)"
    accepted = run(replace(request_, allow_unreadable=True))
    assert (accepted.status, accepted.summary.n_scored) == ("complete", 39)


def test_two_files_of_no_bytes_are_not_the_same_image_twice(request_: Request) -> None:
    assert request_.data is not None
    for victim in sorted(request_.data.rglob("*.JPEG"))[:2]:
        victim.write_bytes(b"")
    record = run(replace(request_, allow_unreadable=True))
    assert (record.status, record.summary.n_scored) == ("complete", 38)


def test_a_kept_shard_of_which_nothing_was_scored_says_nothing_of_the_images(request_: Request) -> None:
    rows = pa.table({"image_id": ["a"], "sha256": ["0" * 64], "status": ["non-finite logits"]})
    Standing(plan_evaluation(request_)).recognise_shard(rows, request_.runs)
