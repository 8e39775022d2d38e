"""Jobs on real runs, in a thread of their own: kept like those of the command line, two networks at most."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repro.evaluation.scoring import Unwatched
from repro.exceptions import DataRefused
from repro.explain.explain import explain
from repro.explain.jobs import State, Worker
from repro.explain.opened import OpenRun, open_run
from repro.explain.performing import A_FEW, OPEN_RUNS, Performer
from repro.explain.probing import pictures, probe
from repro.explain.wanted import HeatMapsWanted, PicturesWanted, ProbeWanted, SizeWanted, Wanted
from repro.results.heat_maps import TARGETS
from repro.results.probes import AS_IT_IS, load_probe, load_probes
from tests.evaluation.test_evaluate import Watcher
from tests.explain.toys import BIG, LAYER, evaluate_toy, picture_for

N = A_FEW + 2


def evaluated(folder: Path, kind: str = "size") -> OpenRun:
    """Opened on the device that a job takes, since what is kept is kept for each."""
    rng = np.random.default_rng(11)
    run, _ = evaluate_toy(kind, folder, [picture_for(kind, BIG, i > 2, rng) for i in range(N)])
    return open_run(run.folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> OpenRun:
    return evaluated(tmp_path_factory.mktemp("run"))


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(patience_s=600)  # the tests ask after one job at a time, the last one late
    yield worker
    worker.close()


def test_the_four_things_wanted_are_those_of_the_functions(run: OpenRun, worker: Worker) -> None:
    ids = tuple(sorted(run.rows))
    maps = worker.submit(HeatMapsWanted(run.folder, ids, layer=LAYER))
    curve = worker.submit(ProbeWanted(run.folder, ids[:1], "size", layer=LAYER))
    shown = worker.submit(PicturesWanted(run.folder, ids[0], "size", layer=LAYER))
    seen = worker.submit(SizeWanted(run.folder, ids[0], 1, layer=LAYER))
    states = {job.wait().state for job in (maps, curve, shown, seen)}
    assert states == {State.DONE}, [job.progress() for job in (maps, curve, shown, seen)]
    assert (maps.progress().done, maps.progress().total) == (N, N)
    assert maps.result.num_rows == N * len(TARGETS)
    again = Watcher()
    assert explain(run, ids, "gradcam", LAYER, again).to_pylist() == maps.result.to_pylist()
    asked = probe(run, ids[:1], "size", again, layer=LAYER, single=True)
    assert asked.to_pylist() == curve.result.to_pylist()
    assert again.n_scored == 0  # all is kept, under the same identity
    for (dose, crop), (expected, pixels) in zip(
        shown.result, pictures(run, ids[0], "size", layer=LAYER), strict=True
    ):
        assert dose == expected and (crop == pixels).all()
    assert seen.result.intervention == AS_IT_IS
    assert seen.result.top5[0][0] == run.rows[ids[0]]["top5"][0]


def test_an_image_that_somebody_looked_at_is_shown_and_not_counted(run: OpenRun, worker: Worker) -> None:
    """A right answer picked by hand is no control: it was not matched with an error."""
    ids = sorted(run.rows)
    assert worker.submit(ProbeWanted(run.folder, (ids[-1],), "size", layer=LAYER)).wait().state is State.DONE
    probe(run, ids[:2], "size", Unwatched(), layer=LAYER)
    assert set(load_probes(run.folder)["size"]["image_id"].to_pylist()) == set(ids[:2])
    kept = load_probe(run.folder, "size", ids[-1])
    assert kept is not None and set(kept.rows["image_id"].to_pylist()) == {ids[-1]}
    assert kept.layer == LAYER


def test_images_that_are_refused_do_not_keep_the_others_from_being_done(
    tmp_path: Path, worker: Worker
) -> None:
    run = evaluated(tmp_path)
    ids = tuple(sorted(run.rows))
    for bad in (ids[1], ids[-1]):
        (path,) = (tmp_path / "photos").glob(f"*/{bad}.png")
        path.rename(path.with_suffix(".away"))
        Image.new("RGB", (64, 64)).save(path)
    wanted = HeatMapsWanted(run.folder, ids, layer=LAYER)
    progress = worker.submit(wanted).wait()
    assert progress.state == State.FAILED and progress.done == N
    assert f"image {ids[1]} in" in progress.message and progress.message.endswith("(and 1 more)")
    watcher = Watcher()
    explain(run, [i for i in ids if i not in (ids[1], ids[-1])], "gradcam", LAYER, watcher)
    assert watcher.n_scored == 0
    for path in (tmp_path / "photos").glob("*/*.away"):
        path.replace(path.with_suffix(".png"))
    assert worker.submit(wanted, again=True).wait().state == State.DONE


def test_an_image_that_came_later_is_found_by_the_next_try(tmp_path: Path, worker: Worker) -> None:
    run = evaluated(tmp_path)
    first = min(run.rows)
    (path,) = (tmp_path / "photos").glob(f"*/{first}.png")
    path.rename(tmp_path / "away")
    wanted = SizeWanted(run.folder, first, 2, layer=LAYER)
    assert f"{first} is no longer in" in worker.submit(wanted).wait().message
    (tmp_path / "away").rename(path)
    assert worker.submit(wanted, again=True).wait().state == State.DONE


def test_what_a_job_wants_may_not_be_there(run: OpenRun, tmp_path: Path, worker: Worker) -> None:
    wanted: dict[str, Wanted] = {
        "run.json": HeatMapsWanted(tmp_path, ("a",)),
        "no prediction for image 'nobody'": HeatMapsWanted(run.folder, ("nobody",), layer=LAYER),
        "unknown kind of probe 'colour'": ProbeWanted(run.folder, ("thing_000",), "colour"),
        "no image is wanted": HeatMapsWanted(run.folder, ()),
        "no heat-map layer is known": SizeWanted(run.folder, "thing_000", 2),
        "is not between": SizeWanted(run.folder, "thing_000", 5, layer=LAYER),
    }
    for message, one in wanted.items():
        progress = worker.submit(one).wait()
        assert progress.state == State.FAILED and message in progress.message


def test_two_networks_are_open_at_most(tmp_path: Path, run: OpenRun) -> None:
    """Also where a failed job, whose traceback led to one, is still remembered."""
    folders = [run.folder, *(evaluated(tmp_path / kind, kind).folder for kind in ("context", "shape"))]
    assert len(folders) > OPEN_RUNS
    performer = Performer()
    worker = Worker(performer)
    networks, jobs = [], []
    for folder in folders:
        for factor in (0.5, 1.5):
            jobs.append(worker.submit(SizeWanted(folder, "thing_000", factor, layer=LAYER)))
            assert jobs[-1].wait().state == State.DONE
        jobs.append(worker.submit(HeatMapsWanted(folder, ("nobody",), layer=LAYER)))
        assert jobs[-1].wait().state == State.FAILED
        (*_, last) = performer._opened.values()
        networks.append(weakref.ref(last.run.network))
        del last
    gc.collect()
    assert [reference() is not None for reference in networks] == [False, True, True]
    worker.close()


def test_a_run_is_opened_once_and_again_if_its_record_changes(run: OpenRun) -> None:
    performer = Performer()
    wanted = SizeWanted(run.folder, "thing_000", 2, layer=LAYER)
    opened = performer._open(wanted)
    assert performer._open(SizeWanted(run.folder, "thing_001", 3, layer=LAYER)) is opened
    (run.folder / "run.json").write_bytes((run.folder / "run.json").read_bytes())
    assert performer._open(wanted) is not opened
    assert len(performer._opened) == 1


class Stopped(Exception):
    pass


class Impatient(Watcher):
    """Stops as soon as a batch is done, whatever is kept by then."""

    def scored(self, n: int) -> None:
        super().scored(n)
        raise Stopped


def test_who_stops_after_a_batch_keeps_it(tmp_path: Path) -> None:
    """A file is written every 64 images; a batch is 2 here."""
    folder = evaluated(tmp_path).folder
    run = open_run(folder, device="cpu", batch_size=2)
    ids = sorted(run.rows)
    impatient = Impatient()
    with pytest.raises(Stopped):
        probe(run, ids, "size", impatient, layer=LAYER)
    assert impatient.n_kept == 2
    watcher = Watcher()
    rows = probe(run, ids, "size", watcher, layer=LAYER)
    assert (watcher.n_kept_before, watcher.n_scored) == (2, N - 2)
    assert set(rows["image_id"].to_pylist()) == set(ids)


def test_an_image_that_is_refused_costs_no_batch_before_it(tmp_path: Path) -> None:
    folder = evaluated(tmp_path).folder
    run = open_run(folder, device="cpu", batch_size=2)
    ids = sorted(run.rows)
    (path,) = (tmp_path / "photos").glob(f"*/{ids[3]}.png")
    path.unlink()
    with pytest.raises(DataRefused, match=ids[3]):
        probe(run, ids, "size", Watcher(), layer=LAYER)
    watcher = Watcher()
    probe(run, ids[:2], "size", watcher, layer=LAYER)
    assert (watcher.n_kept_before, watcher.n_scored) == (2, 0)
