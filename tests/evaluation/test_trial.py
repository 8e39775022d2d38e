"""What a trial chooses is kept, and a run goes on in the manner it was begun in; nothing is timed here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from repro.evaluation import trial
from repro.evaluation.manner import PLAIN
from repro.evaluation.plan import Request, plan_evaluation
from repro.evaluation.trial import choose_manners
from repro.exceptions import StorageError, UsageError
from tests.evaluation.test_evaluate import request_, run
from tests.evaluation.test_memory import AS_TORCH_SAYS_IT
from tests.oracle import NAME

__all__ = ["request_"]


def test_a_trial_is_made_once_and_kept(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    request = replace(request_, tune=True, batch_size=None)
    threads = torch.get_num_threads()
    record = run(request)
    torch.set_num_threads(threads)  # the trial's choice, which another process would not begin with
    assert record.summary.top1_correct == 40
    (path,) = (request.runs / "trials").iterdir()
    kept = path.read_bytes()
    monkeypatch.delattr(trial, "_Trial")  # a second trial would fail
    assert run(request) == record
    assert path.read_bytes() == kept
    assert record.numerics is not None
    assert record.numerics.batch_size in (8, 16, 32, 64)


def test_a_trial_is_made_anew_where_exact_fast_has_another_rule(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rule in ("an older rule", "a newer rule", "an older rule"):
        monkeypatch.setattr("repro.evaluation.manner.RULE", rule)
        choose_manners(plan_evaluation(replace(request_, tune=True, threads=1)))
    assert len(list((request_.runs / "trials").iterdir())) == 2


def test_what_was_asked_for_is_not_tried(request_: Request) -> None:
    plan, _ = choose_manners(plan_evaluation(replace(request_, tune=True, threads=1)))
    assert (plan.request.batch_size, plan.request.threads) == (4, 1)


def test_a_damaged_choice_is_refused(request_: Request) -> None:
    request = replace(request_, tune=True)
    choose_manners(plan_evaluation(request))
    (path,) = (request.runs / "trials").iterdir()
    kept = path.read_bytes()
    assert b'"batch_size": 4' in kept
    assert kept.endswith(b"}")  # as ever
    other = kept.replace(b'"batch_size": 4', b'"batch_size": 5')
    for damaged in (other, b"7", kept[:-9] + b"\xff" + kept[-8:]):
        path.write_bytes(damaged)
        with pytest.raises(StorageError, match="damaged"):
            choose_manners(plan_evaluation(request))


def test_auto_takes_fp32_where_an_operator_has_no_low_precision(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle's distances are not implemented in bf16."""
    monkeypatch.setattr("repro.evaluation.shards.SHARD_IMAGES", 4)
    monkeypatch.setattr("repro.evaluation.low_precision.CALIBRATION_IMAGES", 4)
    assert run(replace(request_, precision="auto")).low_precision is None
    with pytest.raises(UsageError, match="cannot be run in bfloat16"):
        run(replace(request_, precision="exact-fast"))


def test_auto_takes_fp32_where_all_would_be_calibrated(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways for every image cost more than one; so there is nothing to try."""
    monkeypatch.delattr(trial, "_fastest")
    _, manners = choose_manners(plan_evaluation(replace(request_, precision="auto")))
    assert manners == {NAME: PLAIN}


def test_without_a_wish_there_is_no_trial(request_: Request) -> None:
    plan = plan_evaluation(request_)
    assert choose_manners(plan)[0] is plan
    assert not (request_.runs / "trials").exists()
    assert NAME in request_.models


def test_an_unknown_precision_is_named(request_: Request) -> None:
    with pytest.raises(UsageError, match="unknown precision 'bf8'"):
        plan_evaluation(replace(request_, precision="bf8"))


def test_the_default_stands_unless_another_is_clearly_faster(tmp_path: Path) -> None:
    def fails() -> None:
        raise MemoryError

    def is_refused_by_torch() -> None:
        raise RuntimeError(AS_TORCH_SAYS_IT)

    ways = {"one": lambda: None, "large": fails, "larger": is_refused_by_torch}
    assert trial._fastest(ways, "one", 1.0) == "one"
    with pytest.raises(MemoryError):
        trial._fastest({"one": fails, "other": lambda: None}, "one", 1.0)
