"""The counts of Table 5's networks, counted again."""

from __future__ import annotations

import pytest
import torch

from repro.catalogue.claim_files import load_sources
from repro.catalogue.claims import CountedClaim
from tests.catalogue.ablations import FROZEN, NETWORKS, count

COUNTED = {
    (claim.says.partition(":")[0], claim.quantity): claim.counted
    for source in load_sources()
    for claim in source.claims
    if isinstance(claim, CountedClaim) and claim.where == "Table 5"
}

# The others' MACs are the baseline's: no counter counts pooling, activations or additions.
OF_THEIR_OWN = (
    "global random matrix",
    "batch norm",
    "no channel MLP",
    "pool pool attention attention",
    "pool pool spatial-fc spatial-fc",
)


def test_every_row_but_the_baseline_is_built() -> None:
    assert {row for row, _ in COUNTED} == NETWORKS.keys()


@pytest.mark.parametrize("row", NETWORKS)
def test_parameters(row: str) -> None:
    with torch.device("meta"):
        network = NETWORKS[row]()
    learned = sum(p.numel() for p in network.parameters()) - FROZEN.get(row, 0)
    assert learned == COUNTED[row, "params_m"]


@pytest.mark.parametrize("row", OF_THEIR_OWN)
def test_macs(row: str) -> None:
    assert count(row) == (COUNTED[row, "params_m"], COUNTED[row, "macs_g"])


def test_the_random_matrices_hold_21_million_frozen_parameters() -> None:
    assert round(FROZEN["global random matrix"] / 1e6) == 21
