"""The arg-max over a test set's own classes, on painted images that confuse the network in known ways.

An image in the folder of one of ImageNet-A's classes is painted as a class that the set does not have:
among all 1000 that one is predicted, among the set's 200 the one whose colours are nearest.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from repro.catalogue.classes import load_classes
from repro.catalogue.test_sets import find_test_set
from repro.evaluation.evaluate import evaluate
from repro.evaluation.plan import Request, plan_evaluation
from repro.evaluation.sweep import sweep
from repro.evaluation.sweep_plan import SweepPlan, SweepRequest
from repro.explain.opened import open_run
from repro.results.record import RunRecord
from repro.results.store import read_rows
from repro.results.sweeps import OWN
from tests.evaluation.test_evaluate import Watcher
from tests.oracle import NAME, PALETTE, paint, save_weights

A = find_test_set("imagenet-a").classes


def distances(painted: int) -> np.ndarray:
    """Of every class's colours from those of the painted one: the oracle's logits are -20 times as much."""
    colours = np.array(PALETTE)
    digits = np.array([[c // 100, c // 10 % 10, c % 10] for c in range(1000)])
    return ((colours[digits] - colours[digits[painted]]) ** 2).sum(axis=(1, 2))


def clear_pairs(n: int, place: int) -> list[tuple[int, int]]:
    """Pairs (painted, true): the painted class is not in A, the true one is the `place`-th nearest in A,
    clearly nearer or farther than its neighbours in that order."""
    found = []
    for painted in sorted(set(range(1000)) - set(A)):
        near = distances(painted)
        order = sorted(A, key=lambda c: near[c])
        edges = [near[c] for c in order[max(place - 1, 0) : place + 2]]
        if min(np.diff(edges)) > 0.2:
            found.append((painted, order[place]))
    assert len(found) >= n, len(found)
    return found[:: len(found) // n][:n]


NEAREST = clear_pairs(8, place=0)
SECOND = clear_pairs(4, place=1)
CONFUSED = [*NEAREST, *SECOND]


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    """Eight images that are right among A's classes alone, four wrong there too, four plainly right."""
    for i, (painted, true) in enumerate([*CONFUSED, *((c, c) for c in A[::60])]):
        folder = tmp_path / "photos" / load_classes()[true].wnid
        folder.mkdir(parents=True, exist_ok=True)
        paint(painted, 60 + 2 * i).save(folder / f"{i:02d}_{painted:03d}.png")
    return Request(
        models=[NAME],
        runs=tmp_path / "runs",
        data=tmp_path / "photos",
        weights={NAME: save_weights(tmp_path / "oracle.safetensors")},
        device="cpu",
        batch_size=8,
        workers=0,
    )


def run(request: Request) -> tuple[RunRecord, dict[int, dict[str, object]]]:
    """The record, and the rows in the order of the painted images."""
    (record,) = evaluate(plan_evaluation(request), Watcher())
    rows = read_rows(request.runs / record.run_id, record).to_pylist()
    return record, {int(str(row["image_id"])[:2]): row for row in rows}


def test_the_argmax_is_over_the_sets_own_classes(request_: Request) -> None:
    record, rows = run(replace(request_, test_set="imagenet-a"))
    assert (record.summary.n, record.summary.top1_correct) == (16, 12)
    assert all(set(row["top5"]) <= set(A) for row in rows.values())
    for i, (painted, true) in enumerate(CONFUSED):
        near = distances(painted)
        assert rows[i]["label"] == true
        assert rows[i]["rank"] == sum(near[c] < near[true] for c in A) == (i >= len(NEAREST))
        assert rows[i]["top5"][0] == min(A, key=lambda c: near[c])
        # The crop's blurred edges move a logit by some hundredths; among all classes p would be below 0.4.
        weights = np.exp(-20 * near[list(A)])
        assert rows[i]["p_label"] == pytest.approx(np.exp(-20 * near[true]) / weights.sum(), abs=0.05)
    assert sum(rows[0]["p_top5"]) <= 1 + 1e-6


def test_among_all_classes_the_painted_one_is_predicted(request_: Request) -> None:
    record, rows = run(request_)
    assert (record.summary.n, record.summary.top1_correct) == (16, 4)
    for i, (painted, true) in enumerate(CONFUSED):
        near = distances(painted)
        assert rows[i]["top5"][0] == painted
        assert rows[i]["rank"] >= sum(near[c] < near[true] - 0.1 for c in range(1000)) > 0


def test_the_classes_are_part_of_what_a_run_is(request_: Request) -> None:
    restricted, _ = run(replace(request_, test_set="imagenet-a"))
    plain, _ = run(request_)
    assert restricted.fingerprint != plain.fingerprint
    assert (restricted.dataset.name, restricted.dataset.test_set) == ("imagenet-a", "imagenet-a")
    assert (restricted.dataset.classes, restricted.dataset.n_expected) == (A, 7500)
    assert restricted.dataset.partial.startswith("16 of 7,500 images, ")
    assert (plain.dataset.test_set, plain.dataset.classes) == ("", ())
    assert RunRecord.from_json(restricted.to_json(), Path("run.json")) == restricted


def test_a_run_of_a_test_set_is_opened_and_tried_again_over_its_own_classes(request_: Request) -> None:
    """Its name alone, given once, says which classes those are: the folder does not."""
    record, rows = run(replace(request_, test_set="imagenet-a"))
    folder = request_.runs / record.run_id
    assert open_run(folder).dataset.test_set == "imagenet-a"
    found = sweep(SweepPlan(SweepRequest(folder, only=["channels BGR"])), Watcher())
    own = dict(zip(found.rows["image_id"].to_pylist(), found.rows[OWN].to_pylist(), strict=True))
    assert own == {row["image_id"]: row["top5"][0] for row in rows.values()}


def test_another_name_for_the_same_classes_is_the_same_fingerprint_in_another_folder(
    request_: Request,
) -> None:
    """A set over all 1000 classes is scored as ever, whatever it is called."""
    plain, rows = run(request_)
    sketch, same_rows = run(replace(request_, test_set="imagenet-sketch"))
    assert sketch.fingerprint == plain.fingerprint
    assert sketch.run_id != plain.run_id
    assert same_rows == rows


def test_images_that_are_there_twice_are_a_fault_of_ours_or_the_publishers(request_: Request) -> None:
    assert request_.data is not None
    first = sorted(request_.data.rglob("*.png"))[0]
    first.with_name("99_again.png").write_bytes(first.read_bytes())
    record, _ = run(request_)
    assert "duplicate content" in record.summary.invalid
    record, _ = run(replace(request_, test_set="imagenet-a"))
    assert record.status == "complete"
