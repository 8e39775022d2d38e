"""Every name means one checkpoint, written out; nothing is left to timm's moving defaults."""

from __future__ import annotations

import pytest

from repro.catalogue.models import find_model, load_models
from repro.exceptions import UsageError
from repro.specs import HubWeights, Protocol

# The paper's models of which timm has the weights, and the checkpoint that each must be.
TAGS = {
    "rsb_resnet18": "resnet18.a2_in1k",
    "rsb_resnet34": "resnet34.a2_in1k",
    "rsb_resnet50": "resnet50.a2_in1k",
    "rsb_resnet101": "resnet101.a2_in1k",
    "rsb_resnet152": "resnet152.a2_in1k",
    "deit_s": "deit_small_patch16_224.fb_in1k",
    "deit_b": "deit_base_patch16_224.fb_in1k",
    "mixer_b16": "mixer_b16_224.goog_in21k_ft_in1k",
    "resmlp_s12": "resmlp_12_224.fb_in1k",
    "resmlp_s24": "resmlp_24_224.fb_in1k",
    "resmlp_b24": "resmlp_big_24_224.fb_in1k",
    "gmlp_s": "gmlp_s16_224.ra3_in1k",
    "poolformer_s12": "poolformer_s12.sail_in1k",
    "poolformer_s24": "poolformer_s24.sail_in1k",
    "poolformer_s36": "poolformer_s36.sail_in1k",
    "poolformer_m36": "poolformer_m36.sail_in1k",
    "poolformer_m48": "poolformer_m48.sail_in1k",
}


def test_every_checkpoint_is_the_one_named() -> None:
    from_the_hub = [spec for spec in load_models() if isinstance(spec.weights, HubWeights)]
    assert TAGS.items() <= {spec.name: spec.tag for spec in from_the_hub}.items()
    for spec in from_the_hub:
        assert spec.timm_name == spec.tag
        assert spec.weights == HubWeights(f"timm/{spec.tag}")


def test_a_name_means_one_model() -> None:
    names = [name for spec in load_models() for name in (spec.name, *spec.aliases)]
    assert len(set(names)) == len(names)
    for spec in load_models():
        for name in (spec.name, *spec.aliases, spec.name.upper(), f" {spec.name} "):
            assert find_model(name) is spec


def test_timms_name_of_a_checkpoint_is_taken_as_it_stands() -> None:
    assert find_model("timm:deit_small_patch16_224.fb_in1k") is find_model("deit_s")
    other = find_model("timm:resnet18.a1_in1k")
    assert (other.name, other.tag) == ("timm:resnet18.a1_in1k", "resnet18.a1_in1k")


@pytest.mark.parametrize("name", ["timm:resnet18", "timm:resnet18.", "timm:.a1_in1k", "timm:"])
def test_a_name_without_its_checkpoint_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="names no checkpoint"):
        find_model(name)


def test_the_authors_crop_where_timm_does_not() -> None:
    deit, resmlp, pool = (find_model(name).protocols for name in ("deit_s", "resmlp_s24", "poolformer_s24"))
    assert (deit["authors"].crop, deit["timm"].crop) == (0.875, 0.9)
    assert (resmlp["authors"].crop, resmlp["timm"].crop) == (0.9, 0.875)
    assert pool["authors"] == pool["timm"] == Protocol(size_px=224, crop=0.9)
