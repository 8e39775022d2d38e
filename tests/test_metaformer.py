"""The network of the paper: its equations, timm's logits, and the counts of Table 5."""

from __future__ import annotations

from dataclasses import replace

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.models.metaformer import GroupNorm1NoBias
from timm.models.metaformer import MetaFormer as TimmsMetaFormer
from torch import nn

from repro.architecture import (
    BASELINES,
    METAFORMERS,
    POOLFORMERS,
    TABLE5,
    TOKEN_MIXERS,
    Architecture,
    table5_row,
)
from repro.catalogue.claim_files import load_sources
from repro.catalogue.claims import CountedClaim, ValueClaim
from repro.catalogue.models import find_model
from repro.catalogue.tables import PrintedRow, find_table
from repro.evaluation.complexity import _count_by_fvcore, _count_by_torch
from repro.evaluation.metaformer_names import from_timm, to_timm
from repro.evaluation.networks import create_untrained
from repro.exceptions import UsageError
from repro.metaformer import BUILD_MIXER, MetaFormer, Pooling

SMALL = Architecture(depth=6, dims=(32, 32, 64, 64), size_px=64, stem_stride=2, n_classes=5, layer_scale=1.0)

CLAIMS = [claim for source in load_sources() for claim in source.claims]


def randomise(network: nn.Module) -> None:
    """Weights that matter everywhere: every layer scale 1, every norm's gain and bias of its own."""
    for name, parameter in network.named_parameters():
        with torch.no_grad():
            if "scale" in name:
                parameter.fill_(1)
            elif parameter.ndim > 1:
                parameter.normal_(std=0.05)
            elif "norm" in name and name.endswith("weight"):
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(std=0.1)


def assert_timms_logits(theirs: nn.Module, ours: MetaFormer) -> None:
    ours.load_state_dict(from_timm(theirs.state_dict()))
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        expected, found = theirs.eval()(images), ours.eval()(images)
    assert expected.std() > 0.1
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


# The depths and widths of the second paper's are the first's.
@pytest.mark.parametrize("name", [*POOLFORMERS, "poolformerv2_s12", "poolformerv2_m36"])
def test_the_logits_are_timms(name: str) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(name)
    randomise(theirs)
    assert_timms_logits(theirs, MetaFormer(METAFORMERS[name]))


class FixedMixing(nn.Module):
    """The second paper's random mixing, by a matrix as an authors' file has it, token by token."""

    def __init__(self, n_tokens: int) -> None:
        super().__init__()
        self.random_matrix = nn.Parameter(torch.rand(n_tokens, n_tokens).softmax(-1), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("mn,bchn->bchm", self.random_matrix, x.flatten(2)[:, :, None]).reshape(x.shape)


@pytest.mark.parametrize("family", ["identityformer", "randformer"])
def test_identity_and_rand_former_are_timms_skeleton_with_their_mixer(family: str) -> None:
    """Timm has the second paper's skeleton, but not these two; their mixers are a line each."""
    torch.manual_seed(0)
    theirs = TimmsMetaFormer(token_mixers=nn.Identity, norm_layers=GroupNorm1NoBias, use_mlp_head=False)
    if family == "randformer":
        for stage, n_tokens in (theirs.stages[2], 14 * 14), (theirs.stages[3], 7 * 7):
            for block in stage.blocks:
                block.token_mixer = FixedMixing(n_tokens)
    randomise(theirs)
    assert_timms_logits(theirs, MetaFormer(BASELINES[f"{family}_s12"]))


@pytest.mark.parametrize("row", find_table("baselines").rows[:10], ids=lambda row: row.model)
def test_identity_and_rand_former_have_the_printed_counts(row: PrintedRow) -> None:
    spec = find_model(row.model)
    with torch.device("meta"):
        network = create_untrained(row.model)
    params = sum(p.numel() for p in network.parameters() if p.requires_grad)
    macs = _count_by_torch(network, 224).macs
    assert (params, macs) == (spec.params, spec.macs["torch"])
    if row.model.endswith("_s12"):  # fvcore computes what it counts
        assert _count_by_fvcore(network, 224).macs == spec.macs["fvcore"]
    if spec.token_mixer == "random":  # "11.9 + 0.2": the fixed matrices are counted apart
        fixed = sum(p.numel() for p in network.parameters() if not p.requires_grad)
        (claim,) = (c for c in CLAIMS if c.says.startswith(f"{row.label}, fixed: parameters"))
        assert isinstance(claim, CountedClaim)
        assert claim.counted == fixed
    printed = (row.claims["params_m"].printed, row.claims["macs_g"].printed)
    assert (f"{params / 1e6:.1f}", f"{macs / 1e9:.1f}") == tuple(map(str, printed))


@pytest.mark.parametrize("name", [*POOLFORMERS, "poolformerv2_s12"])
def test_the_names_of_tensors_go_both_ways(name: str) -> None:
    with torch.device("meta"):
        theirs = timm.create_model(name).state_dict()
        ours = MetaFormer(METAFORMERS[name]).state_dict()
    assert from_timm(theirs).keys() == ours.keys()
    assert to_timm(ours).keys() == theirs.keys()
    assert {name: t.shape for name, t in to_timm(ours).items()} == {n: t.shape for n, t in theirs.items()}
    with pytest.raises(ValueError, match=r"no tensor is called fc\.weight"):
        from_timm({"fc.weight": torch.zeros(1)})


def test_what_a_wrong_norm_would_do_is_seen() -> None:
    """Norms of the paper differ by far more than the tolerance, once no layer scale hides them."""
    torch.manual_seed(0)
    network = MetaFormer(SMALL).eval()
    randomise(network)
    other = MetaFormer(replace(SMALL, norm="layer")).eval()
    other.load_state_dict(network.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        logits = network(images)
        assert (other(images) - logits).abs().max() > 1e-3 * logits.abs().max()


@given(size=st.sampled_from([1, 3, 5, 7, 9]), height=st.integers(1, 6), width=st.integers(1, 6))
def test_pooling_is_equation_4(size: int, height: int, width: int) -> None:
    """Slide 10: the mean over the K x K neighbours that exist, minus the token, token by token."""
    tokens = torch.randn(2, 3, height, width, dtype=torch.float64)
    expected = torch.empty_like(tokens)
    reach = (size - 1) // 2
    for i in range(height):
        for j in range(width):
            total, n = torch.zeros(2, 3, dtype=torch.float64), 0
            for p in range(-reach, reach + 1):
                for q in range(-reach, reach + 1):
                    if 0 <= i + p < height and 0 <= j + q < width:
                        total += tokens[:, :, i + p, j + q]
                        n += 1
            expected[:, :, i, j] = total / n - tokens[:, :, i, j]
    assert torch.allclose(Pooling(size)(tokens), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mixer", TOKEN_MIXERS)
def test_a_mixer_keeps_the_shape_and_mixes_as_far_as_it_should(mixer: str) -> None:
    """What the first of 8 x 8 tokens becomes depends on itself, on its neighbours or on all."""
    mix = BUILD_MIXER[mixer](SMALL, 32, 64)
    tokens = torch.randn(1, 32, 8, 8, requires_grad=True)
    mixed = mix(tokens)
    assert mixed.shape == tokens.shape
    (gradient,) = torch.autograd.grad(mixed[0, :, 0, 0].square().sum(), tokens)
    reached = int((gradient.abs().sum(dim=1) > 0).sum())
    assert reached == {"pooling": 4, "identity": 1, "depthwise-conv": 4}.get(mixer, 64)


def test_attention_is_the_textbook_s() -> None:
    attention = BUILD_MIXER["attention"](SMALL, 64, 9)
    tokens = torch.randn(2, 64, 3, 3)
    x = tokens.flatten(2).transpose(1, 2)
    q, k, v = (x @ attention.qkv.weight.T).split(64, dim=-1)
    heads = []
    for head in (slice(0, 32), slice(32, 64)):
        weights = (q[..., head] @ k[..., head].transpose(1, 2) / 32**0.5).softmax(dim=-1)
        heads.append(weights @ v[..., head])
    expected = torch.cat(heads, dim=-1) @ attention.proj.weight.T
    assert torch.allclose(attention(tokens).flatten(2).transpose(1, 2), expected, atol=1e-5)


def test_a_random_matrix_is_a_mean_and_never_learned() -> None:
    mix = BUILD_MIXER["random-matrix"](SMALL, 32, 64)
    assert torch.allclose(mix.matrix.sum(dim=1), torch.ones(64))
    assert not mix.matrix.requires_grad


def test_without_a_residual_nothing_passes_by() -> None:
    network = MetaFormer(replace(SMALL, residual=False, layer_scale=1.0))
    block = network.stages[0][0].channel_mixing
    nn.init.zeros_(block.inner.fc2.weight)
    assert block(torch.randn(1, 32, 4, 4)).abs().max() == 0


def test_drop_path_rises_with_depth() -> None:
    network = MetaFormer(Architecture(drop_path=0.1))
    rates = [block.token_mixing.drop_path.drop_prob for stage in network.stages for block in stage]
    assert rates == pytest.approx([0.1 * i / 11 for i in range(12)])


@pytest.mark.parametrize("row", TABLE5)
def test_every_row_of_table_5_has_the_counts_of_the_ledger(row: str) -> None:
    """The ledger's counts are of networks built from timm's parts; these are of ours."""
    with torch.device("meta"):
        network = MetaFormer(table5_row(row)).eval()
    learned = sum(p.numel() for p in network.parameters() if p.requires_grad)
    macs = _count_by_fvcore(network, 224).macs
    assert (learned, macs) == _of_the_ledger(row)


def _of_the_ledger(row: str) -> tuple[int, int]:
    if row == "baseline":
        spec = find_model("poolformer_s12")
        assert spec.params
        return spec.params, spec.macs["fvcore"]
    params, macs = (
        claim.counted
        for quantity in ("params_m", "macs_g")
        for claim in CLAIMS
        if isinstance(claim, CountedClaim)
        and claim.says.startswith(f"{row}: ")
        and claim.quantity == quantity
    )
    return params, macs


def test_table_5_is_printed_so() -> None:
    """Row by row, 36 cells of Table 5; where a printed digit is not the counted one it is named here."""
    claims = [claim for claim in CLAIMS if claim.where == "Table 5"]
    counted = {claim.says.partition(":")[0] for claim in claims if isinstance(claim, CountedClaim)}
    assert counted | {"baseline"} == TABLE5.keys()
    assert any(isinstance(claim, ValueClaim) for claim in claims)
    differing = {
        claim.id
        for claim in claims
        if isinstance(claim, CountedClaim)
        and round(claim.counted / _UNIT[claim.quantity], 1) != float(claim.stated)
    }
    assert differing == {"paper-t5-pool-pool-attention-attention-macs"}  # 2.56 G, printed 2.5


_UNIT = {"params_m": 1e6, "macs_g": 1e9}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            {"token_mixer": "poling"},
            "unknown token mixer 'poling'; did you mean pooling[?] there are pooling, id",
        ),
        (
            {"token_mixer": ("pooling", "x", "x", "x")},
            "unknown token mixer 'x'; there are pooling, identity, ",
        ),
        ({"token_mixer": ("pooling", "pooling")}, "2 token mixers; needs 4 dims, and one token mixer or 4"),
        ({"dims": (64, 128)}, "2 dims and 4 token mixers"),
        ({"norm": "group"}, "unknown norm 'group'; there are modified-layer, layer, batch, none, mod"),
        (
            {"activation": "gelo"},
            "unknown activation 'gelo'; did you mean gelu[?] there are gelu, relu, silu, star-relu",
        ),
        ({"pool_size": 4}, "pool size 4 has no middle; needs an odd one: 3, 5, 7, 9"),
        ({"depth": 14}, "depth 14 does not fit L/6, L/6, L/2, L/6; needs a multiple of 6: 12, 24"),
        (
            {"token_mixer": "attention", "dims": (64, 128, 300, 512)},
            "heads of 32 channels; 300 is no multiple",
        ),
        ({"size_px": 100}, "images of 100 px cannot be halved thrice .*; needs a multiple of 32"),
    ],
)
def test_what_cannot_be_built_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Architecture(**wrong)


def test_a_row_that_table_5_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown row of Table 5 'pool 11'; did you mean pool 9"):
        table5_row("pool 11")
