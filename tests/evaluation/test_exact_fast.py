"""Low precision with the decisions of fp32: the rule by property, whole runs on networks made to be hard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from repro.evaluation.leads import best_classes, deviation, measure_leads, smallest_lead
from repro.evaluation.low_precision import FACTOR, is_checked
from repro.evaluation.plan import Request
from repro.results.record import RunRecord
from tests.evaluation.test_evaluate import Watcher, rows_of, run
from tests.oracle import paint_folders
from tests.timm_cfg import cfg_of

TIED = "timm:repro_tied.rough"

Rows = dict[str, dict[str, Any]]


class Tied(nn.Module):
    """Logits by chance, many nearly equal; bf16 moves all of them, those of one image in 20 by more.

    Logits and moves are hashed from the image, so the same image is always scored and moved alike.
    """

    def __init__(self, num_classes: int = 1000, **_: Any) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("spread", torch.tensor(1.0))
        self.register_buffer("outliers", torch.tensor(0.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lowered = x.dtype != torch.float32
        ramp = torch.linspace(
            1, 2, x.shape[1] * x.shape[2] * x.shape[3], dtype=torch.float64, device=x.device
        )
        key = ((x.to(torch.bfloat16).double().flatten(1) * ramp).mean(dim=1, keepdim=True) * 1e5).round()
        index = torch.arange(self.num_classes, device=x.device)
        logits = _hashed(key, index) * self.spread.double()
        if lowered:
            outlier = (_hashed(key, index[:1] - 7) < 0.05) * self.outliers.double()
            logits = logits + (_hashed(key, index + 5_000) - 0.5) * (0.002 + 0.02 * outlier)
        return logits.float()


def _hashed(key: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """`(b, n)` in [0, 1): as good as by chance, from the keys `(b, 1)` and the indices `(n,)`."""
    return torch.frac(torch.sin(key * 12.9898 + index * 78.233) * 43758.5453).abs()


default_cfgs = generate_default_cfgs({"repro_tied.rough": cfg_of("repro/tied")})


@register_model
def repro_tied(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    return build_model_with_cfg(Tied, "repro_tied", pretrained, **kwargs)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_folders(tmp_path_factory.mktemp("tied") / "photos", range(0, 1000, 2))


@pytest.fixture
def tied(photos: Path, tmp_path: Path) -> Request:
    """500 images: 256 are calibrated, 244 are decided by the bound."""
    return Request(
        models=[TIED],
        runs=tmp_path / "runs",
        data=photos,
        weights={TIED: save_tied(tmp_path, spread=1.0)},
        device="cpu",
        threads=1,
        workers=0,
    )


def save_tied(folder: Path, spread: float, outliers: float = 0.0) -> Path:
    path = folder / "tied.safetensors"
    tensors = {"spread": torch.tensor(spread), "outliers": torch.tensor(outliers)}
    safetensors.torch.save_file(tensors, path)
    return path


def _by_id(request: Request, record: RunRecord) -> Rows:
    return {str(row["image_id"]): row for row in rows_of(request, record)}


def _differences(exact: Rows, fast: Rows) -> list[str]:
    def decisions(row: dict[str, Any]) -> tuple[int, bool]:
        return row["top5"][0], row["rank"] < 5

    return [image_id for image_id, row in exact.items() if decisions(row) != decisions(fast[image_id])]


@st.composite
def moved_logits(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]:
    """Logits of an image in fp32 and moved, so that no difference of two moves by more than a bound."""
    n = draw(st.integers(6, 12))
    bound = draw(st.sampled_from([0.5, 1.0, 2.0]))
    # Quarters are exact, so that the property has no rounding to allow for; ties are frequent.
    quarters = st.integers(-8, 8)
    logits = torch.tensor([draw(st.lists(quarters, min_size=n, max_size=n))]) / 4
    steps = st.integers(0, int(bound * 4))
    moves = torch.tensor([draw(st.lists(steps, min_size=n, max_size=n))]) / 4
    return logits, logits + moves, torch.tensor([draw(st.integers(0, n - 1))]), bound


@given(moved_logits())
def test_no_decision_with_a_lead_above_the_bound_can_change(
    case: tuple[torch.Tensor, torch.Tensor, torch.Tensor, float],
) -> None:
    exact, low, label, bound = case
    best = best_classes(low)
    leads, exact_leads = (measure_leads(logits, label, best) for logits in (low, exact))
    assert deviation(leads, exact_leads).item() <= bound
    if smallest_lead(leads).item() > bound:
        assert exact.argmax() == best
        assert _in_first_five(exact, label) == _in_first_five(low, label)


@given(moved_logits())
def test_a_decision_that_changes_was_moved_further_than_its_lead(
    case: tuple[torch.Tensor, torch.Tensor, torch.Tensor, float],
) -> None:
    exact, low, label, _ = case
    best = best_classes(low)
    leads, exact_leads = (measure_leads(logits, label, best) for logits in (low, exact))
    unique = exact.argmax() if (exact == exact.max()).sum() == 1 else best
    if unique != best or _in_first_five(exact, label) != _in_first_five(low, label):
        assert deviation(leads, exact_leads).item() >= smallest_lead(leads).item()


def _in_first_five(logits: torch.Tensor, label: torch.Tensor) -> bool:
    """By counting, with the rule for ties: the lower index first."""
    own = logits[0, label]
    lower = torch.arange(logits.shape[1]) < label
    return int(((logits[0] > own) | ((logits[0] == own) & lower)).sum()) < 5


def test_among_five_classes_only_the_first_is_decided() -> None:
    logits = torch.zeros(1, 1000)
    logits[0, :5] = torch.tensor([5.0, 1, 2, 3, 4])
    logits[0, 900] = 99  # not among those that are chosen from
    leads = measure_leads(logits, torch.tensor([1]), best_classes(logits, range(5)), range(5))
    assert leads[0].tolist() == [1.0, torch.inf]
    assert smallest_lead(leads).item() == 1.0
    assert deviation(leads, leads).item() == 0.0


def test_logits_that_are_not_finite_decide_nothing() -> None:
    leads = torch.tensor([[torch.nan, 3.0], [2.0, torch.nan]])
    assert smallest_lead(leads).tolist() == [0.0, 0.0]
    assert not deviation(leads, torch.ones(2, 2)).isfinite().any()


def test_nearly_tied_logits_end_with_the_decisions_of_fp32(tied: Request) -> None:
    exact = _by_id(tied, run(tied))
    record = run(replace(tied, precision="exact-fast"))
    fast = _by_id(tied, record)
    assert _differences(exact, fast) == []
    low = record.low_precision
    assert low is not None
    assert low.n_undecided > 100  # of 244
    assert sum(row["precision"] == "bf16" for row in fast.values()) == low.n_low > 0
    assert low.n_calibrated + low.n_undecided + low.n_low + low.n_checked == len(fast)
    assert all(fast[i]["p_label"] == exact[i]["p_label"] for i in exact if fast[i]["precision"] == "fp32")
    assert RunRecord.from_json(record.to_json(), Path("run.json")) == record


def test_what_is_undecided_is_computed_in_the_same_pass(
    tied: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No image is read twice unless a check is violated."""
    monkeypatch.delattr("repro.evaluation.image_pass.ImagePass.redo")
    low = run(replace(tied, precision="exact-fast")).low_precision
    assert low is not None
    assert low.n_violated == 0


def test_without_the_bound_there_would_be_differences(tied: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test above can fail; the checks alone would have shown it."""
    monkeypatch.setattr("repro.evaluation.low_precision.FACTOR", 0.0)
    monkeypatch.setattr("repro.evaluation.low_precision.CHECKED_OF", 10**9)
    exact = _by_id(tied, run(tied))
    assert _differences(exact, _by_id(tied, run(replace(tied, precision="exact-fast"))))


@pytest.fixture
def outlying(tied: Request, monkeypatch: pytest.MonkeyPatch) -> Iterator[Request]:
    """One that moves some images far more than the calibration, cut short here, has seen."""
    monkeypatch.setattr("repro.evaluation.low_precision.FACTOR", 0.2)
    monkeypatch.setattr("repro.evaluation.low_precision.CHECKED_OF", 4)
    weights = {TIED: save_tied(tied.runs.parent, spread=3.0, outliers=1.0)}
    yield replace(tied, weights=weights, precision="exact-fast")


def test_a_violated_check_widens_the_bound_and_redoes(outlying: Request) -> None:
    exact = _by_id(outlying, run(replace(outlying, precision="fp32")))
    record = run(outlying)
    fast = _by_id(outlying, record)
    low = record.low_precision
    assert low is not None
    assert low.n_violated > 0
    assert low.first_bound is not None
    assert low.bound is not None
    assert low.bound / low.first_bound in (2, 4, 8, 16, 32)
    assert sum(row["precision"] == "bf16" for row in fast.values()) == low.n_low
    assert _differences(exact, fast) == []


@pytest.mark.parametrize("violated", [False, True])
def test_a_stopped_run_goes_on_under_its_bound_to_the_same_bytes(
    violated: bool, request: pytest.FixtureRequest, tied: Request
) -> None:
    fast = request.getfixturevalue("outlying") if violated else replace(tied, precision="exact-fast")
    unbroken = run(fast)
    path = fast.runs / unbroken.run_id / "predictions.parquet"
    whole = path.read_bytes()
    shutil.rmtree(fast.runs)
    with pytest.raises(KeyboardInterrupt):
        run(fast, Watcher(stop_after=1))
    resumed = Watcher()
    record = run(fast, resumed)
    assert resumed.n_kept_before == 256
    assert path.read_bytes() == whole
    assert record.low_precision == unbroken.low_precision


def test_a_kill_while_it_is_redone_changes_nothing(
    outlying: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All shards are kept, one already anew; then the record is not written."""
    from repro.results.store import RunFolder

    unbroken = run(outlying)
    path = outlying.runs / unbroken.run_id / "predictions.parquet"
    whole = path.read_bytes()
    shutil.rmtree(outlying.runs)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunFolder, "finish", killed)
        run(outlying)
    assert run(outlying) and path.read_bytes() == whole


def test_the_plain_manner_leaves_the_fingerprint_alone(tied: Request) -> None:
    plain = run(tied)
    assert plain.low_precision is None
    assert plain.memory_format == "contiguous"
    assert run(replace(tied, precision="exact-fast")).fingerprint != plain.fingerprint
    assert run(tied) == plain


def test_checks_are_spread_and_depend_on_the_name_alone() -> None:
    checked = [is_checked(f"ILSVRC2012_val_{i:08d}") for i in range(1, 50_001)]
    assert 1_300 < sum(checked) < 1_825  # 1,562 expected, sd 39
    assert FACTOR >= 1


@pytest.mark.parametrize(("amx", "named"), [(True, "bf16"), (False, "fp32-folded")])
def test_real_photographs_keep_their_decisions(
    amx: bool, named: str, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In smaller shards, and calibrated on fewer images, than a real run: for the time it takes."""
    monkeypatch.setattr("repro.evaluation.exact_fast.low_units", lambda: ("amx_bf16",) if amx else ())
    monkeypatch.setattr("repro.evaluation.shards.SHARD_IMAGES", 64)
    monkeypatch.setattr("repro.evaluation.low_precision.CALIBRATION_IMAGES", 64)
    request = Request(
        models=["efficientnet_lite0"],
        runs=tmp_path / "runs",
        data=shared_data / "photos1000",
        limit=128,
        device="cpu",
        threads=1,
        workers=0,
    )
    exact = _by_id(request, run(request))
    record = run(replace(request, precision="exact-fast"))
    fast = _by_id(request, record)
    assert _differences(exact, fast) == []
    low = record.low_precision
    assert low is not None
    assert low.n_calibrated == 64
    assert sum(row["precision"] == named for row in fast.values()) == low.n_low > 32
    print(f"{low.n_undecided} of {128 - low.n_calibrated} undecided at low precision")  # noqa: T201
