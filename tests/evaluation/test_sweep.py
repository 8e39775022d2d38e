"""Sweeps on painted images, where it is known which factor of the protocol is wrong and what it costs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from PIL import Image
from timm.models.mlp_mixer import Affine, MlpMixer, ResBlock
from torch import nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tvf

from repro.analysis.difference import ExplainedDifference, explain
from repro.analysis.gap import measure_gap
from repro.analysis.variation_effects import EffectVerdict
from repro.evaluation.evaluate import evaluate
from repro.evaluation.plan import Request, plan_evaluation
from repro.evaluation.preprocess import crop
from repro.evaluation.settings import SettingPredictor, crop_view
from repro.evaluation.sweep import sweep
from repro.evaluation.sweep_plan import SweepPlan, SweepRequest
from repro.evaluation.variations import BACKENDS, PILLOW, Setting, View, list_variations
from repro.exceptions import DataRefused, UsageError, WeightsRefused
from repro.reporting.difference import difference_json
from repro.results.sweeps import OWN, Sweep
from repro.specs import Protocol
from tests.evaluation.test_evaluate import Watcher
from tests.oracle import NAME, SIZE_PX, Oracle, paint, paint_folders, save_weights

HALF = (0.5, 0.5, 0.5)
N = 72
RIGHT = Protocol(size_px=SIZE_PX, crop=0.875)


def request_for(root: Path, data: Path, weights: Path | None = None) -> Request:
    return Request(
        models=[NAME],
        runs=root / "runs",
        data=data,
        weights={NAME: weights or save_weights(root / "oracle.safetensors")},
        device="cpu",
        batch_size=4,
        workers=0,
        canary=False,
    )


def run_with(request: Request, protocol: Protocol = RIGHT) -> Path:
    """The folder of a run made under `protocol`, whatever the model's own are."""
    plan = plan_evaluation(request)
    (candidate,) = plan.candidates
    (record,) = evaluate(replace(plan, candidates=(replace(candidate, protocol=protocol),)), Watcher())
    return request.runs / record.run_id


def swept(request: SweepRequest, watcher: Watcher | None = None) -> Sweep:
    return sweep(SweepPlan(request), watcher or Watcher())


def explained(run: Path, reference: str = "100.0", only: Sequence[str] = ()) -> ExplainedDifference:
    plan = SweepPlan(SweepRequest(run, only=only))
    return explain(plan.record, measure_gap(plan.record, Decimal(reference)), sweep(plan, Watcher()))


def verdicts(found: ExplainedDifference) -> dict[str, EffectVerdict]:
    return {one.effect.name: one.verdict for one in found.effects}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image of each of `N` classes: two shards of a sweep."""
    return paint_folders(tmp_path_factory.mktemp("photos"), range(3, 1000, 14))


@pytest.fixture(scope="module")
def right_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_with(request_for(tmp_path_factory.mktemp("right"), photos))


@pytest.fixture
def copied_run(right_run: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "runs" / right_run.name
    shutil.copytree(right_run, copy, ignore=shutil.ignore_patterns("difference"))
    return copy


def test_wrong_mean_and_std_are_named(photos: Path, tmp_path: Path) -> None:
    found = explained(run_with(request_for(tmp_path, photos), replace(RIGHT, mean=HALF, std=HALF)))
    best = found.effects[0]
    assert (best.effect.name, best.verdict) == ("mean/std ImageNet", EffectVerdict.EXPLAINS)
    assert best.effect.n_lost == 0
    assert best.effect.n_gained == N - found.run.summary.top1_correct > N / 2
    others = {name: v for name, v in verdicts(found).items() if name != best.effect.name}
    assert EffectVerdict.EXPLAINS not in others.values()
    assert found.again.n_changed == 0


def test_a_wrong_crop_is_named(tmp_path: Path) -> None:
    """Another class is painted in the middle, which alone is seen at crop 0.5."""
    data = paint_folders(tmp_path / "photos", range(3, 1000, 20))
    for path in data.rglob("*.JPEG"):
        label = int(path.stem[:3])
        image = paint(label, 160)
        image.paste(paint((label + 111) % 1000, 160).crop((48, 48, 104, 104)), (48, 48))
        image.resize((160 + label % 7, 160)).save(path, quality=95)
    found = explained(run_with(request_for(tmp_path, data), replace(RIGHT, crop=0.5)))
    assert found.run.summary.top1_correct < 5
    explaining = {name for name, v in verdicts(found).items() if v is EffectVerdict.EXPLAINS}
    assert explaining == {"crop 0.875", "crop 0.9", "crop 0.95", "crop 1.0"}


def test_swapped_channels_are_named(tmp_path: Path) -> None:
    """The photographs have red for blue, as if OpenCV had written them without a thought."""
    data = paint_folders(tmp_path / "photos", range(3, 1000, 50))
    for path in data.rglob("*.JPEG"):
        red, green, blue = paint(int(path.stem[:3]), 61 + int(path.stem[:3]) % 9).split()
        Image.merge("RGB", (blue, green, red)).save(path, quality=95)
    run = run_with(request_for(tmp_path, data))
    (effect,) = explained(run, only=["channels BGR"]).effects
    assert (effect.effect.n_gained, effect.verdict) == (20, EffectVerdict.EXPLAINS)


def test_wrong_weights_are_not_blamed_on_the_protocol(photos: Path, tmp_path: Path) -> None:
    tensors = Oracle().state_dict()
    shuffled = {**tensors, "palette": tensors["palette"].roll(3, dims=0)}
    weights = tmp_path / "shuffled.safetensors"
    safetensors.torch.save_file(shuffled, weights)
    found = explained(run_with(request_for(tmp_path, photos, weights)))
    assert found.run.summary.top1_correct < 20
    assert not {EffectVerdict.EXPLAINS, EffectVerdict.PART} & set(verdicts(found).values())


def test_a_right_run_loses_by_what_matters_alone(right_run: Path) -> None:
    """Seen from the right setting: swapped channels misread every image, another resize none."""
    found = explained(right_run, "50.0")
    effects = {one.effect.name: one.effect for one in found.effects}
    assert effects["channels BGR"].n_changed == effects["channels BGR"].n_lost == N
    assert effects["mean/std 0.5"].n_lost > N / 2
    harmless = {"size 256 px", "interpolation bilinear", "memory channels last", "autocast bfloat16"}
    harmless |= {f"resize {words}" for words in BACKENDS.values()}
    assert {name: effects[name].n_changed for name in harmless} == dict.fromkeys(harmless, 0)
    assert difference_json(found)["computed_again"]["n_changed"] == 0


def test_a_stopped_sweep_goes_on_and_ends_the_same(copied_run: Path) -> None:
    request = SweepRequest(copied_run, only=["crop 0.9", "mean/std 0.5", "channels BGR"])
    whole = swept(request)
    path = SweepPlan(request).path
    shutil.rmtree(path)
    with pytest.raises(KeyboardInterrupt):
        swept(request, Watcher(stop_after=1))
    shutil.rmtree(path / "crop_0.9")  # one variation's shards are lost: it alone is scored again
    kept = {file: file.read_bytes() for file in path.glob("*/shards/00000-*")}
    resumed = Watcher()
    assert swept(request, resumed).rows == whole.rows
    assert (resumed.n_kept_before, resumed.n_scored) == (0, N)
    assert len(kept) == len(whole.record.settings) - 1
    assert sorted(p.name for p in path.iterdir() if not p.name.startswith(".")) == [
        "sweep.json",
        "top1.parquet",
    ]


def test_a_finished_sweep_is_not_repeated(right_run: Path) -> None:
    first, again = swept(SweepRequest(right_run)), Watcher()
    repeated = swept(SweepRequest(right_run), again)
    assert (repeated.record, repeated.rows) == (first.record, first.rows)
    assert again.n_scored == 0


def test_the_sample_is_balanced_seeded_and_part_of_a_larger(right_run: Path) -> None:
    def ids(limit: int, seed: int = 0) -> set[str]:
        plan = SweepPlan(SweepRequest(right_run, limit=limit, seed=seed))
        assert len({sample.label for sample in plan.samples}) == limit
        return {sample.image_id for sample in plan.samples}

    assert ids(30) == ids(30) < ids(60)
    assert ids(30) != ids(30, seed=1)


def test_images_that_are_not_the_runs_are_refused(copied_run: Path, photos: Path, tmp_path: Path) -> None:
    copy = tmp_path / "photos"
    shutil.copytree(photos, copy)
    victim = sorted(copy.rglob("*.JPEG"))[-1]
    paint(1, 64).save(victim)
    with pytest.raises(DataRefused, match=f"{victim.name} is not the image of the run"):
        swept(SweepRequest(copied_run, data=copy))
    shutil.rmtree(victim.parent)
    with pytest.raises(DataRefused, match="lacks 1 of the run's images"):
        swept(SweepRequest(copied_run, data=copy))
    with pytest.raises(DataRefused, match="no longer at"):
        swept(SweepRequest(copied_run, data=tmp_path / "elsewhere"))


def test_labels_that_are_not_the_runs_are_refused(copied_run: Path, photos: Path, tmp_path: Path) -> None:
    copy = tmp_path / "photos"
    shutil.copytree(photos, copy)
    first, second = sorted(copy.iterdir())[:2]
    first.rename(tmp_path / "aside")
    second.rename(first)
    (tmp_path / "aside").rename(second)
    with pytest.raises(DataRefused, match=r"has label \d+, and \d+ in the run"):
        swept(SweepRequest(copied_run, data=copy))


def test_weights_that_are_not_the_runs_are_refused(photos: Path, tmp_path: Path) -> None:
    request = request_for(tmp_path, photos)
    run = run_with(request)
    changed: Mapping[str, torch.Tensor] = {"palette": Oracle().state_dict()["palette"] + 1}
    safetensors.torch.save_file(dict(changed), request.weights[NAME])
    with pytest.raises(WeightsRefused, match="are not those of"):
        swept(SweepRequest(run))


def test_one_variation_can_be_tried_alone(right_run: Path) -> None:
    found = swept(SweepRequest(right_run, only=["Crop 0.9"]))
    assert list(found.record.settings) == [OWN, "crop 0.9"]
    with pytest.raises(UsageError, match=r"did you mean .*'crop 0\.95'"):
        SweepPlan(SweepRequest(right_run, only=["crop 0.96"]))


def test_every_variation_is_another_setting_and_changes_one_factor() -> None:
    own = Protocol(size_px=224, crop=0.875)
    variations = list_variations(own, {"authors": own, "timm": replace(own, crop=0.92)})
    settings = [variation.setting for variation in variations]
    assert len({*settings, Setting(own)}) == len(settings) + 1
    assert len({variation.name for variation in variations}) == len(variations)
    assert "crop 0.92" in {variation.name for variation in variations}
    for setting in settings:
        plain = Setting(own)
        differing = [f for f in Setting.__slots__ if getattr(setting, f) != getattr(plain, f)]
        assert len(differing) == 1


def test_a_protocol_that_differs_in_more_is_tried_as_a_whole() -> None:
    own = Protocol(size_px=224, crop=0.875)
    timms = replace(own, crop=0.95, size_px=240)
    found = {v.name: v.setting for v in list_variations(own, {"authors": own, "timm": timms})}
    assert found["protocol timm"] == Setting(timms)
    assert {"crop 0.95", "size 240 px"} <= set(found)
    assert "protocol authors" not in found


@pytest.mark.parametrize(
    "build",
    [
        lambda: timm.create_model("test_vit", img_size=224, dynamic_img_size=False),
        lambda: MlpMixer(num_blocks=1, embed_dim=32, mlp_ratio=4, block_layer=ResBlock, norm_layer=Affine),
    ],
    ids=["position embedding, as DeiT's", "mixing over positions, as ResMLP's"],
)
def test_a_network_that_takes_one_size_says_so(build: Callable[[], nn.Module]) -> None:
    own = Setting(Protocol(size_px=224, crop=0.9))
    predictor = SettingPredictor(build().eval(), "cpu")
    settings = {v.name: v.setting for v in list_variations(own.protocol, {})}
    untried = predictor.why_not({OWN: own, **settings}, own)
    assert set(untried) >= {"size 256 px", "size 288 px"}
    assert untried["size 256 px"].startswith("the network takes no 256 px (")
    assert not any(name.startswith(("crop", "resize", "mean/std", "memory")) for name in untried)


def test_precision_and_memory_format_reach_the_network() -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_resnet").eval()
    predictor, own = SettingPredictor(network, "cpu"), Setting(Protocol(size_px=96, crop=0.9))
    pixels = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    plain = predictor.predict(pixels, own)
    lowered = predictor.predict(pixels, replace(own, dtype="bfloat16"))
    assert not torch.equal(lowered, plain)
    torch.testing.assert_close(lowered, plain, rtol=0.1, atol=0.1)
    formats = []
    hook = torch.nn.modules.module.register_module_forward_pre_hook(
        lambda _, inputs: formats.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    last = predictor.predict(pixels, replace(own, memory_format="channels_last"))
    hook.remove()
    assert formats[0]
    torch.testing.assert_close(last, plain)
    assert torch.equal(predictor.predict(pixels, own), plain)  # the network itself is as it was


def test_tensors_know_no_lanczos() -> None:
    own = Setting(replace(RIGHT, interpolation="lanczos"))
    settings = {v.name: v.setting for v in list_variations(own.protocol, {})}
    untried = SettingPredictor(Oracle(), "cpu").why_not(settings, own)
    resizes = {f"resize {BACKENDS[backend]}" for backend in ("tensor", "tensor-aliased")}
    assert set(untried) == {*resizes, "autocast float16"}


@pytest.mark.parametrize("shape_px", [(90, 60), (60, 90), (61, 77)])
@pytest.mark.parametrize("crop_mode", ["center", "squash"])
def test_every_backend_shows_the_same_part_of_the_photograph(
    shape_px: tuple[int, int], crop_mode: str
) -> None:
    photograph = paint(123, 90).resize(shape_px)
    view = View(48, 0.875, "bicubic", crop_mode)
    pillows = crop_view(photograph, view)
    assert torch.equal(pillows, crop(photograph, view))
    for backend in BACKENDS:
        pixels = crop_view(photograph, replace(view, backend=backend))
        assert (pixels.shape, pixels.dtype) == (pillows.shape, torch.uint8)
        assert (pixels.int() - pillows.int()).abs().float().mean() < 4


def test_a_tensor_is_resized_as_torchvisions_own_transform_does_it() -> None:
    noise = torch.randint(0, 256, (90, 130, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    image = Image.fromarray(noise.numpy())
    for backend, antialias in (("tensor", True), ("tensor-aliased", False)):
        resized = tvf.resize(tvf.pil_to_tensor(image), [54], InterpolationMode.BICUBIC, antialias=antialias)
        expected = tvf.center_crop(resized, [48, 48])
        assert torch.equal(crop_view(image, View(48, 0.875, "bicubic", "center", backend)), expected)
    assert View(48, 0.875, "bicubic").backend == PILLOW
