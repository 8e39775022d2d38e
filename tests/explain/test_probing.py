"""Each probe finds the cause of the network that has it, and stays silent on the other two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest

from repro.analysis.attribution import attribute, match_controls
from repro.datasets.boxes import Box
from repro.explain import probing
from repro.explain.doses import DOSES
from repro.explain.looking import Looking
from repro.explain.opened import OpenRun
from repro.explain.probing import probe
from repro.results.probes import AS_IT_IS, load_probe, load_probes
from tests.evaluation.test_evaluate import Watcher
from tests.explain.toys import BIG, LAYER, SMALL, TOYS, among, evaluate_toy, picture_for

N_ERRORS = 20

Run = tuple[OpenRun, Mapping[str, tuple[Box, ...]]]


def errors_of(run: OpenRun) -> list[str]:
    return sorted(image_id for image_id, row in run.rows.items() if row["rank"] > 0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One of each network, as many errors as right answers; the arrangement's errors are all of one kind."""
    found = {}
    for kind in TOYS:
        rng = np.random.default_rng(7)
        labels = [BIG if kind == "shape" or i % 2 else SMALL for i in range(N_ERRORS)]
        pictures = [picture_for(kind, label, right, rng) for right in (False, True) for label in labels]
        found[kind] = evaluate_toy(kind, tmp_path_factory.mktemp(kind), pictures)
        assert len(errors_of(found[kind][0])) == N_ERRORS
    return found


@pytest.mark.parametrize("kind", DOSES)
@pytest.mark.parametrize("cause", TOYS)
def test_a_probe_finds_its_own_cause_and_no_other(cause: str, kind: str, runs: dict[str, Run]) -> None:
    run, boxes = runs[cause]
    errors = errors_of(run)
    controls = match_controls(list(run.rows.values()), errors)
    rows = probe(run, [*errors, *controls], kind, Watcher(), boxes=boxes, layer=LAYER)
    gentle = [(dose.name, dose.dose) for dose in DOSES[kind] if dose.gentle]
    found = attribute(rows, errors, controls, gentle)
    assert not found.disagreeing
    assert set(found.focus) == ({"none"} if kind == "shape" else {"box"})
    share = len(found.driven) / len(errors)
    assert share >= 0.95 if cause == kind else share <= 0.05


def test_without_boxes_the_network_says_where_it_looks_and_never_where_the_truth_is(
    runs: dict[str, Run],
) -> None:
    """A probe that looked at the label would help errors more than their controls."""
    run, _ = runs["size"]
    other = {i: {**row, "label": SMALL + BIG - row["label"]} for i, row in run.rows.items()}
    image_ids = sorted(run.rows)[:8]
    told, blind = (
        probe(replace(one, folder=run.folder / str(i)), image_ids, "size", Watcher(), layer=LAYER).to_pylist()
        for i, one in enumerate((run, replace(run, rows=other)))
    )
    assert {row["focus"] for row in told} == {"heat map"}
    same = ("image_id", "intervention", "dose", "top1", "p_predicted")
    assert [[row[name] for name in same] for row in told] == [[row[name] for name in same] for row in blind]
    assert told != blind


def test_curves_begin_with_the_image_as_it_is_and_follow_the_doses(runs: dict[str, Run]) -> None:
    run, boxes = runs["size"]
    image_id = errors_of(run)[0]
    rows = probe(run, [image_id], "size", Watcher(), boxes=boxes, layer=LAYER).to_pylist()
    stored = run.rows[image_id]
    assert (rows[0]["intervention"], rows[0]["dose"], rows[0]["top1"]) == (AS_IT_IS, 0, stored["top5"][0])
    assert rows[0]["p_label"] == pytest.approx(stored["p_label"], abs=1e-5)
    assert [(row["intervention"], row["dose"]) for row in rows[1:]] == [
        (d.name, d.dose) for d in DOSES["size"]
    ]
    if stored["label"] == BIG:
        larger = [row["p_label"] for row in rows if row["intervention"] == "larger"]
        assert larger[0] > rows[0]["p_label"]


def test_answers_are_among_the_classes_of_the_test_set(runs: dict[str, Run]) -> None:
    """Images that look small: among classes without `SMALL` they were called big, and are so again."""
    whole, boxes = runs["size"]
    image_ids = [i for i, row in whole.rows.items() if row["label"] == BIG and row["top5"][0] == SMALL]
    run = among(whole, (BIG, 3, 4, 5, 6, 7))
    rows = probe(run, image_ids, "size", Watcher(), boxes=boxes, layer=LAYER).to_pylist()
    assert {row["top1"] for row in rows} == {BIG}
    assert min(row["p_label"] for row in rows) > 0.99
    of_all = probe(whole, image_ids, "size", Watcher(), boxes=boxes, layer=LAYER).to_pylist()
    assert [row["top1"] for row in of_all if row["intervention"] == AS_IT_IS] == [SMALL] * len(image_ids)


def test_what_is_there_is_not_probed_again_and_other_boxes_are_another_probe(runs: dict[str, Run]) -> None:
    run, boxes = runs["context"]
    image_ids = sorted(run.rows)[:4]
    first, second = Watcher(), Watcher()
    before = probe(run, image_ids[:2], "context", first, boxes=boxes, layer=LAYER)
    after = probe(run, image_ids, "context", second, boxes=boxes, layer=LAYER)
    assert second.n_kept_before >= 2
    assert after.slice(0, before.num_rows).to_pylist() == before.to_pylist()
    n_files = len(list(run.folder.glob("probes/context-*.parquet")))
    moved = {i: (Box(5, 5, 20, 20),) for i in boxes}
    assert probe(run, image_ids, "context", Watcher(), boxes=moved, layer=LAYER).num_rows == after.num_rows
    assert len(list(run.folder.glob("probes/context-*.parquet"))) == n_files + 1


def test_rows_by_another_version_of_a_library_are_another_probe(
    runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = Looking(runs["shape"][0], "shape")
    found = {probing._identity(looking)}
    for library in ("grad-cam", "opencv-python-headless", "scipy"):
        monkeypatch.setattr(
            probing, "version", lambda name, other=library: version(name) + "+" * (name == other)
        )
        found.add(probing._identity(looking))
    assert len(found) == 4


def test_of_two_probes_that_with_the_most_images_counts_and_the_newest_is_shown(runs: dict[str, Run]) -> None:
    run, boxes = runs["size"]
    ids = sorted(run.rows)
    many = probe(run, ids[:4], "size", Watcher(), boxes=boxes, layer=LAYER)
    few = probe(run, ids[:1], "size", Watcher(), layer=LAYER)
    counted = load_probes(run.folder)["size"]
    assert {"box"} == set(counted["focus"].to_pylist()) and counted.num_rows >= many.num_rows
    shown, other = (load_probe(run.folder, "size", image_id) for image_id in ids[:2])
    assert shown is not None and other is not None
    assert shown.rows.to_pylist() == few.to_pylist()
    assert set(other.rows["focus"].to_pylist()) == {"box"}
    assert load_probe(run.folder, "size", "nobody") is None
