from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.data import resolve_data_config

from repro.catalogue.models import find_model, load_models
from repro.evaluation.checkpoints import resolve_timm_spec, timm_protocol
from repro.evaluation.networks import build_network
from repro.evaluation.weights import LocatedWeights, load_tensors, locate_weights
from repro.exceptions import UsageError, WeightsRefused
from repro.results.record import WeightsRecord
from repro.specs import HubWeights, ModelSpec
from tests.hub import save_test_resnet

Tensors = dict[str, torch.Tensor]

TOY = ModelSpec("toy", "convolution", tag="test_resnet.r160_in1k")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_test_resnet(path)
    return path


def test_every_tensor_is_the_file_s(weights: Path) -> None:
    network = build_network(TOY, locate_weights(TOY, weights))
    expected = load_file(weights)
    assert network.state_dict().keys() == expected.keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_a_network_is_ready_to_predict(weights: Path) -> None:
    network = build_network(TOY, locate_weights(TOY, weights))
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert "state_dict" not in network.pretrained_cfg
    assert network(torch.zeros(1, 3, 160, 160)).shape == (1, 1000)


def misshapen(tensors: Tensors) -> None:
    tensors["fc.weight"] = torch.zeros(21_843, tensors["fc.weight"].shape[1])


def missing(tensors: Tensors) -> None:
    del tensors["fc.weight"]


def left_over(tensors: Tensors) -> None:
    tensors["fc.weight_of_another"] = torch.zeros(1)


@pytest.mark.parametrize("damage", [misshapen, missing, left_over])
def test_tensors_that_do_not_fit_are_named(
    damage: Callable[[Tensors], None], weights: Path, tmp_path: Path
) -> None:
    tensors = load_file(weights)
    damage(tensors)
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    with pytest.raises(WeightsRefused, match=r"does not fit test_resnet\.r160_in1k: .*fc\.weight"):
        build_network(TOY, locate_weights(TOY, path))


@pytest.mark.parametrize("name", ["poolformer_s12", "deit_s", "resmlp_s12"])
def test_another_model_s_weights_are_refused(name: str, weights: Path) -> None:
    spec = find_model(name)
    with pytest.raises(WeightsRefused, match=f"does not fit {spec.tag}: "):
        build_network(spec, locate_weights(spec, weights))


def test_the_tensors_of_a_package_come_in_timms_order() -> None:
    lite0 = find_model("efficientnet_lite0")
    located = locate_weights(lite0)
    network = build_network(lite0, located)
    for ours, theirs in zip(network.state_dict().values(), load_tensors(located).values(), strict=True):
        assert torch.equal(ours, theirs)
    assert network.classifier.out_features == 1000


def test_a_package_in_another_order_is_refused(tmp_path: Path) -> None:
    tensors = timm.create_model(TOY.tag).state_dict()
    first, *others = tensors.items()
    path = tmp_path / "toy.pth"
    torch.save(dict([*others, first]), path)
    digest = sha256(path.read_bytes()).hexdigest()
    located = LocatedWeights(path, WeightsRecord("package", "toy", "", digest, "pinned in the catalogue"))
    with pytest.raises(WeightsRefused, match="are not in the order of the network's"):
        build_network(TOY, located)


def test_the_catalogue_knows_timms_protocols() -> None:
    tagged = [spec for spec in load_models() if spec.tag]
    assert len(tagged) > 15
    for spec in tagged:
        assert spec.protocols["timm"] == timm_protocol(str(spec.tag)), spec.name


def test_a_protocol_is_what_timm_resolves_for_every_checkpoint() -> None:
    n = 0
    for tag in timm.list_pretrained():
        cfg = timm.get_pretrained_cfg(tag).to_dict()
        if cfg["num_classes"] == 1000:
            theirs = resolve_data_config(pretrained_cfg=cfg)
            ours = timm_protocol(tag)
            assert theirs == {
                "input_size": (3, ours.size_px, ours.size_px),
                "interpolation": ours.interpolation,
                "mean": ours.mean,
                "std": ours.std,
                "crop_pct": ours.crop,
                "crop_mode": ours.crop_mode,
            }, tag
            n += 1
    assert n > 1000


def test_a_timm_model_gets_its_protocol_and_its_repository() -> None:
    spec = resolve_timm_spec(find_model("timm:rdnet_tiny.nv_in1k"))
    assert spec.protocols["authors"] == spec.protocols["timm"] == timm_protocol("rdnet_tiny.nv_in1k")
    assert spec.weights == HubWeights("naver-ai/rdnet_tiny.nv_in1k")


def test_a_model_of_the_catalogue_is_complete() -> None:
    for spec in load_models():
        assert resolve_timm_spec(spec) is spec


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:resnet18.a9_in1k", r"no checkpoint 'resnet18.a9_in1k'; did you mean .*resnet18\.a1_in1k"),
        ("timm:poolformer_s25.sail_in1k", r"did you mean .*poolformer_s24\.sail_in1k"),
        ("timm:nothing.like_it", "timm has no checkpoint 'nothing.like_it'"),
        ("timm:vit_base_patch16_224.augreg_in21k", "head has 21,843 classes; needs 1000"),
        ("timm:vit_base_patch16_224.mae", "head has 0 classes; needs 1000"),
        ("timm:gcvit_tiny.in1k", "only safetensors are loaded"),
    ],
)
def test_what_timm_does_not_have_is_refused_before_a_download(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        locate_weights(find_model(name))
