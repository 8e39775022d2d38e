"""Heat maps of a run: of the very crop that was scored, kept, and never drawn where they say nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from repro.datasets.boxes import Box
from repro.evaluation.preprocess import crop
from repro.exceptions import DataRefused, UsageError, WeightsRefused
from repro.explain.crop_window import crop_boxes
from repro.explain.explain import explain
from repro.explain.opened import OpenRun, open_run
from repro.results.heat_maps import CONTRAST, OK, TARGETS, TRUE, load_maps
from tests.evaluation.test_evaluate import Watcher
from tests.explain.toys import BIG, LAYER, Picture, among, evaluate_toy, picture_for

N = 6


def pictures() -> list[Picture]:
    """Big things that look small; each in a corner of its own, but for the last two, which are right."""
    rng = np.random.default_rng(1)
    found = [picture_for("size", BIG, i > 3, rng) for i in range(N)]
    shifts = [((-12, 12)[i // 2 % 2], (-12, 12)[i % 2]) for i in range(N)]
    moved = (np.roll(p.pixels, shift, (0, 1)) for p, shift in zip(found, shifts, strict=True))
    return [Picture(pixels, p.label, p.box) for pixels, p in zip(moved, found, strict=True)]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run and its photographs."""
    folder = tmp_path_factory.mktemp("evaluated")
    run, _ = evaluate_toy("size", folder, pictures())
    assert sorted(row["rank"] > 0 for row in run.rows.values()) == [False] * 2 + [True] * 4
    return folder


@pytest.fixture
def copied(evaluated: Path, tmp_path: Path) -> Callable[[], OpenRun]:
    """Opens a copy of the run and its photographs, which a test may spoil before."""
    shutil.copytree(evaluated, tmp_path, dirs_exist_ok=True)
    (run,) = [path.parent for path in (tmp_path / "runs").glob("*/run.json")]
    return lambda: open_run(run, data=tmp_path / "photos", device="cpu", batch_size=4)


def compute(run: OpenRun, image_ids: list[str] | None = None, watcher: Watcher | None = None) -> pa.Table:
    return explain(run, image_ids or sorted(run.rows), "gradcam", LAYER, watcher or Watcher())


def test_a_network_agrees_with_its_answer_among_the_classes_of_the_test_set(
    copied: Callable[[], OpenRun],
) -> None:
    run = among(copied(), (BIG, 3, 4, 5, 6, 7))
    assert set(compute(run)["agrees"].to_pylist()) == {True}


def test_a_map_peaks_on_the_thing_in_the_crop_that_was_scored(copied: Callable[[], OpenRun]) -> None:
    """Turned, mirrored or uncropped images would have their peaks elsewhere."""
    run = copied()
    geometry = run.record.known_protocol.geometry
    rows = compute(run).to_pylist()
    assert len(rows) == N * len(TARGETS)
    for row in rows:
        assert row["agrees"]
        assert row["sha256"] == run.rows[row["image_id"]]["sha256"]
        path = run.dataset.root / run.samples[row["image_id"]].path
        seen = crop(Image.open(path).convert("RGB"), geometry).float()
        redness = (seen[0] - seen[1:].amax(dim=0)) / 255
        if row["target"] == TRUE:  # the class that redness speaks for
            assert row["status"] == OK
            peak = divmod(int(np.argmax(row["map"])), row["side"])
            around = redness[max(peak[0] - 1, 0) : peak[0] + 2, max(peak[1] - 1, 0) : peak[1] + 2]
            assert around.max() > 0.3, (row["image_id"], row["target"], peak)
    assert {row["status"] for row in rows if row["target"] == CONTRAST} == {OK}


def test_classes_logits_and_sizes_are_those_of_the_row(copied: Callable[[], OpenRun]) -> None:
    run = copied()
    for row in compute(run).to_pylist():
        stored = run.rows[row["image_id"]]
        assert (row["label"], row["predicted"]) == (stored["label"], stored["top5"][0])
        assert row["against"] == (stored["label"] if stored["rank"] else stored["top5"][1])
        assert (row["width_px"], row["height_px"]) == (64, 64)
        assert row["logit_predicted"] > row["logit_against"]
        assert row["logit_label"] in (row["logit_predicted"], row["logit_against"])


def test_what_is_there_is_not_computed_again(copied: Callable[[], OpenRun]) -> None:
    run = copied()
    ids = sorted(run.rows)
    with pytest.raises(KeyboardInterrupt):
        compute(run, ids[:4], Watcher(stop_after=1))
    watcher = Watcher()
    resumed = compute(run, ids, watcher)
    assert (watcher.n_kept_before, watcher.n_scored) == (4, 2)
    (path,) = run.folder.glob("maps/*.parquet")
    assert path.name.startswith("gradcam-features-")
    path.unlink()
    assert compute(run, ids).to_pylist() == resumed.to_pylist()
    again = Watcher()
    assert compute(run, ids[1:2], again).num_rows == len(TARGETS)
    assert again.n_scored == 0


def test_a_damaged_file_is_set_aside_and_computed_again(copied: Callable[[], OpenRun]) -> None:
    run = copied()
    before = compute(run)
    (path,) = run.folder.glob("maps/*.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    watcher = Watcher()
    assert compute(run, watcher=watcher).to_pylist() == before.to_pylist()
    assert watcher.damaged_paths == [path]
    assert path.with_suffix(".corrupt").exists()


def test_another_method_or_layer_has_a_file_of_its_own(copied: Callable[[], OpenRun]) -> None:
    run = copied()
    for method in ("gradcam", "hirescam"):
        explain(run, sorted(run.rows)[:1], method, LAYER, Watcher())
    assert len(list(run.folder.glob("maps/*.parquet"))) == 2
    assert pq.read_schema(next(run.folder.glob("maps/*.parquet"))).metadata[b"repro.identity"]


def test_maps_of_a_few_images_by_another_method_do_not_hide_the_others(copied: Callable[[], OpenRun]) -> None:
    run = copied()
    ids = sorted(run.rows)
    gradcam = explain(run, ids, "gradcam", LAYER, Watcher())
    hirescam = explain(run, ids[:1], "hirescam", LAYER, Watcher())

    def shown() -> list[dict[str, object]]:
        return load_maps(run.folder, ids).sort_by("image_id").to_pylist()

    def by(method: str, rows: pa.Table) -> list[dict[str, object]]:
        return [{**row, "method": method, "layer": LAYER} for row in rows.to_pylist()]

    of_others = [row for row in by("gradcam", gradcam) if row["image_id"] != ids[0]]
    assert shown() == by("hirescam", hirescam) + of_others
    explain(run, ids[:1], "gradcam", LAYER, Watcher())  # nothing is missing, and what is asked for is shown
    assert shown() == by("gradcam", gradcam)


def test_images_that_moved_have_the_labels_of_their_new_place(
    copied: Callable[[], OpenRun], tmp_path: Path
) -> None:
    """Evaluated in one folder with `--labels`; now they lie in folders of classes, and the csv is gone."""
    run = copied()
    arguments = (*run.record.arguments, "--labels", str(tmp_path / "gone.csv"))
    (run.folder / "run.json").write_text(replace(run.record, arguments=arguments).to_json())
    assert open_run(run.folder, data=tmp_path / "photos", device="cpu").samples.keys() == run.samples.keys()
    with pytest.raises(UsageError):
        open_run(run.folder, device="cpu")


def test_another_image_than_the_one_scored_is_refused(copied: Callable[[], OpenRun], tmp_path: Path) -> None:
    path = next((tmp_path / "photos").glob("*/thing_002.png"))
    Image.open(path).rotate(90).save(path)
    run = copied()
    with pytest.raises(DataRefused, match=r"thing_002 .* is not the one that was scored: sha256 differs"):
        compute(run)
    path.write_bytes(b"")
    with pytest.raises(DataRefused, match="thing_002"):
        compute(run)


def test_other_weights_than_the_runs_are_refused(copied: Callable[[], OpenRun], evaluated: Path) -> None:
    path = evaluated / "size.safetensors"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-4] + b"\0\0\0\1")
        with pytest.raises(WeightsRefused, match="are not those of"):
            copied()
    finally:
        path.write_bytes(content)


def test_another_answer_than_the_stored_one_is_said(copied: Callable[[], OpenRun]) -> None:
    run = copied()
    with torch.no_grad():
        run.network.features.weight.zero_()  # nothing is red any more
    assert not any(row["agrees"] for row in compute(run).to_pylist())


def test_a_map_that_matters_makes_its_target_fall_further(copied: Callable[[], OpenRun]) -> None:
    rows = [row for row in compute(copied()).to_pylist() if row["target"] == CONTRAST]
    for row in rows:
        if row["predicted"] == BIG:  # without the red there is nothing big
            assert row["fall"] > row["fall_random"]


def test_images_without_a_prediction_are_told(copied: Callable[[], OpenRun]) -> None:
    with pytest.raises(UsageError, match="no prediction for image 'thing_999'"):
        compute(copied(), ["thing_999"])


def test_a_box_of_another_size_of_image_is_refused(copied: Callable[[], OpenRun]) -> None:
    geometry = copied().record.protocol.geometry
    with pytest.raises(DataRefused, match="annotated in another size"):
        crop_boxes({"a": (Box(0, 0, 65, 10),)}, {"a": (64, 64)}, geometry)
