"""`repro verify` on painted images, with two networks of which it is known where the second errs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from repro.analysis.sequential import Region, decide, sum_interval
from repro.catalogue.test_sets import find_test_set
from repro.commands import app
from repro.datasets import open_dataset
from repro.datasets.sampling import in_random_order
from repro.evaluation.evidence import Evidence
from repro.evaluation.plan import Request, plan_evaluation
from repro.evaluation.random_pass import score_until
from repro.results.runs import list_runs
from repro.results.verifications import find_verification
from tests.evaluation.test_evaluate import Watcher
from tests.oracle import FORGETFUL, NAME, paint_folders, save_weights

N, N_FORGOTTEN = 700, 28
CLAIM = f"{NAME} > {FORGETFUL}"

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_folders(tmp_path_factory.mktemp("photos") / "val", range(N))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    return {
        NAME: save_weights(folder / "oracle.safetensors"),
        FORGETFUL: save_weights(folder / "forgetful.safetensors", N_FORGOTTEN),
    }


@pytest.fixture
def invoke(tmp_path: Path, photos: Path, weights: dict[str, Path]) -> Invoke:
    """A verb with what both networks need; a later option wins."""

    def call(*arguments: str | Path, models: Sequence[str] = (NAME, FORGETFUL)) -> Result:
        options = ["--data", photos, "--runs", tmp_path / "runs", "--workers", "0", "--batch-size", "64"]
        options += [word for name in models for word in ("--weights", f"{name}={weights[name]}")]
        return CliRunner().invoke(app, [str(word) for word in (arguments[0], *options, *arguments[1:])])

    return call


def decision_in(runs: Path) -> dict[str, Any]:
    (path,) = runs.glob("verifications/*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def what_was_decided(runs: Path) -> dict[str, Any]:
    told = ("key", "decision", "n_used", "pairs", "dataset", "models", "seed", "alpha")
    return {name: value for name, value in decision_in(runs).items() if name in told}


def known_differences(photos: Path, seed: int = 0) -> np.ndarray:
    order = in_random_order(open_dataset(photos).samples, seed)
    return np.array([int(sample.label < N_FORGOTTEN) for sample in order])


def test_what_is_known_is_decided_early(
    invoke: Invoke, tmp_path: Path, photos: Path, weights: dict[str, Path]
) -> None:
    result = invoke("verify", CLAIM)
    assert result.exit_code == 0, result.output
    found = decision_in(tmp_path / "runs")
    x = known_differences(photos)
    stop = decide(x, N, Region(0, 0), 0.05)
    assert stop is not None and 256 < stop.n_used < 512  # the second shard, or nothing of this is a test
    assert (found["decision"], found["n_used"], found["n_evaluated"]) == ("holds", stop.n_used, 512)
    low, high = sum_interval(x[: stop.n_used], N, 0.05)
    (pair,) = found["pairs"]
    assert (pair["low"], pair["high"]) == (low / N, high / N)
    assert low <= N_FORGOTTEN <= high
    assert f"{stop.n_used} of 700 decide it (512 scored), in the order of seed 0" in result.stdout
    assert "the ordering holds" in result.stdout
    assert "it is about these 700 images only" in result.stdout
    assert "256 of at most 700 images: difference " in result.stderr
    weighed = " ".join(f"--weights {name}={path}" for name, path in weights.items())
    whole = f"--data {photos} {weighed} --runs {tmp_path / 'runs'}"
    assert result.stderr.splitlines()[-1] == f"next: repro eval --models {NAME},{FORGETFUL} {whole}"


def test_a_part_of_a_test_set_is_decided_over_its_classes(invoke: Invoke, tmp_path: Path) -> None:
    photos = paint_folders(tmp_path / "part", find_test_set("imagenet-a").classes)
    options = ("verify", CLAIM, "--data", photos)
    plain = invoke(*options)
    assert plain.exit_code == 0, plain.output
    assert "--test-set imagenet-a takes the arg-max over them" in plain.stderr
    result = invoke(*options, "--test-set", "imagenet-a")
    assert result.exit_code == 0, result.output
    assert "arg-max over its 200" in result.stderr
    assert " --test-set imagenet-a " in result.stderr.splitlines()[-1]
    a = find_test_set("imagenet-a").classes
    found = {}
    for path in tmp_path.glob("runs/verifications/*.json"):
        record = find_verification(path, json.loads(path.read_text())["key"])
        assert record is not None
        found[record.dataset.name] = (record.dataset.test_set, record.dataset.classes)
    assert found == {"imagenet-a": ("imagenet-a", a), "part": ("", ())}


def test_it_is_no_run(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("verify", CLAIM).exit_code == 0
    assert not list(tmp_path.glob("**/run.json"))
    assert not list_runs(tmp_path / "runs")
    assert "no runs in" in CliRunner().invoke(app, ["runs", "--runs", str(tmp_path / "runs")]).stderr


def test_the_other_way_round_it_is_refuted(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("verify", f"{FORGETFUL} > {NAME}")
    assert result.exit_code == 0, result.output
    assert "the ordering is refuted" in result.stdout
    assert decision_in(tmp_path / "runs")["decision"] == "refuted"


def test_after_a_kill_it_goes_on_and_decides_the_same(
    invoke: Invoke, tmp_path: Path, photos: Path, weights: dict[str, Path]
) -> None:
    assert invoke("verify", CLAIM, "--runs", tmp_path / "unbroken").exit_code == 0
    request = Request(
        [NAME, FORGETFUL], tmp_path / "runs", photos, weights=weights, device="cpu", batch_size=64
    )
    plan = plan_evaluation(request)
    evidence = Evidence(request.models, in_random_order(plan.dataset.samples))

    def stop() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_until(plan, plan.candidates, 0, evidence, stop, Watcher())
    assert evidence.n == 256
    assert not list(tmp_path.glob("runs/verifications/*.json"))
    result = invoke("verify", CLAIM)
    assert "resuming: 256 of 700 images done" in result.stderr
    assert what_was_decided(tmp_path / "runs") == what_was_decided(tmp_path / "unbroken")


def test_the_same_command_again_evaluates_nothing(invoke: Invoke, tmp_path: Path) -> None:
    first = invoke("verify", CLAIM)
    before = (decision_in(tmp_path / "runs"), sorted(tmp_path.glob("runs/**/*")))
    again = invoke("verify", CLAIM)
    assert again.stdout == first.stdout
    assert "decided before: nothing is evaluated" in again.stderr
    assert (decision_in(tmp_path / "runs"), sorted(tmp_path.glob("runs/**/*"))) == before


def test_a_decision_is_not_told_of_other_images_by_the_same_names(
    invoke: Invoke, tmp_path: Path, photos: Path
) -> None:
    assert invoke("verify", CLAIM).exit_code == 0
    other = shutil.copytree(photos, tmp_path / "other" / "val")
    for path in other.glob("*/*"):
        path.write_bytes(path.read_bytes() + b"\0")
    refused = invoke("verify", CLAIM, "--data", other)
    assert refused.exit_code == 3
    assert "is not what was scored before" in refused.stderr
    assert "decided before" not in refused.stderr


@pytest.mark.parametrize("evaluated", [(NAME, FORGETFUL), (NAME,)], ids=["both", "one"])
def test_finished_runs_serve_and_decide_the_same(
    invoke: Invoke, tmp_path: Path, evaluated: tuple[str, ...]
) -> None:
    assert invoke("verify", CLAIM, "--runs", tmp_path / "alone").exit_code == 0
    assert invoke("eval", "--models", ",".join(evaluated), models=evaluated).exit_code == 0
    result = invoke("verify", CLAIM)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("are used") == len(evaluated)
    told, alone = (what_was_decided(tmp_path / name) for name in ("runs", "alone"))
    served = [model.pop("run_id") for model in told["models"]]
    assert [bool(run_id) for run_id in served] == [name in evaluated for name in (NAME, FORGETFUL)]
    assert not any(model.pop("run_id") for model in alone["models"])
    assert told == alone


def test_a_run_on_other_images_does_not_serve(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("eval", "--models", f"{NAME},{FORGETFUL}", "--limit", "650").exit_code == 0
    result = invoke("verify", CLAIM)
    assert result.exit_code == 0, result.output
    assert "are used" not in result.stderr


def test_an_image_that_cannot_be_read_decides_nothing_until_it_is_mended(
    invoke: Invoke, tmp_path: Path, photos: Path
) -> None:
    copy = Path(shutil.copytree(photos, tmp_path / "val"))
    first = in_random_order(open_dataset(copy).samples)[0]
    whole = (copy / first.path).read_bytes()
    (copy / first.path).write_bytes(whole[:-50] + bytes(50))  # as long as before: the listing is the same
    result = invoke("verify", CLAIM, "--data", copy)
    assert result.exit_code == 4, result.output
    assert f"1 image unreadable ({first.image_id}); nothing is decided without them" in result.stderr
    assert not list(tmp_path.glob("runs/verifications/*.json"))
    (copy / first.path).write_bytes(whole)
    assert invoke("verify", CLAIM, "--data", copy).exit_code == 0


@pytest.mark.parametrize("change", [('"holds"', '"refuted"'), ("{", "")])
def test_a_damaged_decision_is_refused(invoke: Invoke, tmp_path: Path, change: tuple[str, str]) -> None:
    assert invoke("verify", CLAIM).exit_code == 0
    (path,) = tmp_path.glob("runs/verifications/*.json")
    path.write_text(path.read_text().replace(*change, 1))
    result = invoke("verify", CLAIM)
    assert result.exit_code == 74
    assert f"{path} is damaged" in result.stderr
    assert f"rm {path}" in result.stderr


def test_another_order_is_another_decision(invoke: Invoke, tmp_path: Path) -> None:
    for options in ([], ["--seed", "1"], ["--alpha", "0.01"]):
        assert invoke("verify", CLAIM, *options).exit_code == 0
    found = [json.loads(path.read_text()) for path in tmp_path.glob("runs/verifications/*.json")]
    assert len({one["key"] for one in found}) == len(found) == 3
    strict, loose = ([one["n_used"] for one in found if one["alpha"] == alpha] for alpha in (0.01, 0.05))
    assert strict[0] > min(loose)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["talk-12-macs-deit"], "talk-12-macs-deit cannot be decided early; a difference in Top-1"),
        (["deit_s > poolformer_s24", "--within", "0.2"], "an ordering states none"),
        (["talk-12-top1-deit", "--within", "two"], "--within 'two' is no number of points"),
        (["deit_s > poolformer_s24", "--alpha", "1"], "--alpha 1 is no probability between 0 and 1"),
        (["deit_s > pvt_tiny"], "pvt_tiny cannot be run"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["verify", "--runs", str(tmp_path / "runs"), *arguments])
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert not (tmp_path / "runs").exists()
