"""A PoolFormer's parameters and MACs from its description alone (section 3 and Table 1 of the paper).

What no formula here can see is the pooling: it has no parameters, and no counter counts it.
"""

from __future__ import annotations

from repro.analysis.claim_verdict import ClaimVerdict, Finding
from repro.analysis.measured import Measured
from repro.catalogue.claims import ArchitectureClaim
from repro.catalogue.models import find_model
from repro.specs import N_CLASSES


def count_params(claim: ArchitectureClaim) -> int:
    """Patch embeddings, blocks (two norms, two layer scales, the channel MLP), last norm, classifier."""
    total, before = 0, 3
    stages = zip(claim.channels, claim.blocks, claim.patches_px, strict=True)
    for channels, blocks, patch_px in stages:
        embedding = patch_px**2 * before * channels + channels
        hidden = claim.mlp_ratio * channels
        mlp = channels * hidden + hidden + hidden * channels + channels
        total += embedding + blocks * (2 * 2 * channels + 2 * channels + mlp)
        before = channels
    return total + 2 * before + before * N_CLASSES + N_CLASSES


def count_macs(claim: ArchitectureClaim, size_px: int) -> int:
    """Of convolutions and matrix products alone, as torch counts them."""
    total, before, side = 0, 3, size_px
    stages = zip(claim.channels, claim.blocks, claim.patches_px, claim.strides, strict=True)
    for channels, blocks, patch_px, stride in stages:
        side //= stride
        embedding = patch_px**2 * before * channels
        mlp = 2 * claim.mlp_ratio * channels**2
        total += side**2 * (embedding + blocks * mlp)
        before = channels
    return total + before * N_CLASSES


def judge_architecture(claim: ArchitectureClaim, _measured: Measured) -> Finding:
    """It is right when its parameters and MACs are the counted network's, to the last one."""
    spec = find_model(claim.model)
    size_px = spec.protocols["authors"].size_px
    params, macs = count_params(claim), count_macs(claim, size_px)
    steps = (
        f"{params:,} parameters follow from it, {spec.params or 0:,} are counted",
        f"{macs:,} MACs follow from it at {size_px} px, {spec.macs.get('torch', 0):,} are counted (torch)",
    )
    right = (params, macs) == (spec.params, spec.macs.get("torch"))
    if not right:
        return Finding(ClaimVerdict.DIFFERS, "; ".join(steps), steps=steps)
    reason = (
        f"just the {params:,} parameters and {macs:,} MACs that are counted follow from it; "
        "the pooling has none of either"
    )
    return Finding(ClaimVerdict.HOLDS, reason, steps=steps)
