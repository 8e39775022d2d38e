"""Params and MACs by part and by operator add up to the whole, and to what was counted without parts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from repro.analysis.breakdown import operators_of, parts_of, whole_of
from repro.catalogue.models import find_model
from repro.evaluation.breakdown import break_down_network, count_breakdown
from repro.evaluation.complexity import count_complexity
from repro.exceptions import UsageError
from repro.results.breakdowns import Breakdown, keep_breakdown, kept_breakdown
from repro.results.record import Complexity

# One of each family: how a network is cut depends on its class alone.
FAMILIES = (
    "rsb_resnet18",
    "deit_s",
    "resmlp_s12",
    "poolformer_s12",
    "efficientnet_lite0",
    "caformer_s18",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Breakdown]:
    return {name: count_breakdown(find_model(name), folder) for name in FAMILIES}


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[str, Complexity]:
    return {name: count_complexity(find_model(name), folder) for name in ("poolformer_s12", "deit_s")}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_parts_add_up_to_the_catalogues_counts(found: dict[str, Breakdown], name: str) -> None:
    spec, parts = find_model(name), parts_of(found[name])
    total = whole_of(parts)
    assert (total.params, dict(total.macs)) == (spec.params, dict(spec.macs))
    assert all(min(part.params, *part.macs.values()) >= 0 for part in parts)
    # Nothing that a counter counts runs outside the parts: the lines are the network.
    outside = [count for counts in found[name].operators.values() for count in counts if not _is_part(count)]
    assert not any(count.macs for count in outside)


def _is_part(count: object) -> bool:
    part: str = count.part  # type: ignore[attr-defined]
    return "," not in part and part != "outside its parts"


@pytest.mark.parametrize("name", FAMILIES)
def test_the_operators_add_up_to_the_catalogues_counts(found: dict[str, Breakdown], name: str) -> None:
    for counter, macs in find_model(name).macs.items():
        assert sum(row.macs or 0 for row in operators_of(found[name], counter)) == macs


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("poolformer_s12", ["stem", "stages.0", "stages.1", "stages.2", "stages.3", "head"]),
        (
            "deit_s",
            ["patch_embed", "blocks.0 to blocks.11 (12 alike)", "norm", "head", "cls_token, pos_embed"],
        ),
        ("resmlp_s12", ["stem", "blocks.0 to blocks.11 (12 alike)", "norm", "head"]),
        (
            "rsb_resnet18",
            ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "global_pool", "fc"],
        ),
    ],
)
def test_the_parts_are_those_of_the_network(found: dict[str, Breakdown], name: str, parts: list[str]) -> None:
    assert [part.name for part in parts_of(found[name])] == parts


@pytest.mark.parametrize("name", ["poolformer_s12", "deit_s"])
@pytest.mark.parametrize("counter", ["fvcore", "torch"])
def test_what_is_skipped_is_what_the_whole_network_skips(
    found: dict[str, Breakdown], whole: dict[str, Complexity], name: str, counter: str
) -> None:
    skipped = {row.operator: row.runs for row in operators_of(found[name], counter) if row.macs is None}
    assert skipped == whole[name].macs[counter].skipped
    assert ("aten.avg_pool2d" in skipped or "aten::avg_pool2d" in skipped) == (name == "poolformer_s12")


class _Odd(nn.Module):
    """What a network may do: compute outside its parts, and reach past a part into it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6, 5))
        self.stem = nn.Conv2d(3, 4, 2, stride=2, bias=False)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 6)])
        self.head = nn.Sequential(nn.Identity(), nn.Linear(5, 7))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.stem(image).mean((2, 3))
        for block in self.blocks:
            features = block(features).relu()
        return self.head[1](features @ self.scale)  # type: ignore[no-any-return]


def test_known_answers_where_parts_are_reached_past() -> None:
    with torch.device("meta"):
        network = _Odd().eval()
    breakdown = break_down_network(network, "odd", 8)
    parts = {
        part.name: (part.params, part.macs["fvcore"], part.macs["torch"]) for part in parts_of(breakdown)
    }
    assert parts == {
        "stem": (48, 48 * 16, 48 * 16),  # 4 × 4 positions
        "blocks.0": (20, 16, 16),
        "blocks.1": (30, 24, 24),
        "head": (42, 35, 35),
        "scale": (30, 30, 30),
    }
    runs = Counter({row.operator: row.runs for row in operators_of(breakdown, "torch")})
    assert runs == {
        "aten.convolution": 1,
        "aten.addmm": 3,
        "aten.mm": 1,
        "aten.mean": 1,
        "aten.relu": 2,
    }


def test_a_breakdown_is_kept_until_a_counter_changes(
    tmp_path: Path, found: dict[str, Breakdown], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, counts = find_model("deit_s"), found["deit_s"]
    assert kept_breakdown(spec, tmp_path) is None
    keep_breakdown(counts, tmp_path)
    assert kept_breakdown(spec, tmp_path) == counts
    (path,) = (tmp_path / "complexity").iterdir()
    whole, (n, *_) = path.read_text(), counts.params.values()
    assert str(n) in whole
    for damaged in (whole.replace(str(n), str(n + 1)), whole[:50]):
        path.write_text(damaged)
        assert kept_breakdown(spec, tmp_path) is None
    path.write_text(whole)
    monkeypatch.setattr("repro.results.breakdowns.versions_of_counters", lambda: {"torch": "another"})
    assert kept_breakdown(spec, tmp_path) is None


def test_what_cannot_be_kept_is_counted_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "complexity").touch()  # where the folder would be, as nothing is written below a file
    spec = find_model("poolformer_s12")
    assert sum(count_breakdown(spec, tmp_path).params.values()) == spec.params
    assert count_complexity(spec, tmp_path).params == spec.params


def test_a_network_that_timm_lacks_has_no_parts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pvt_tiny cannot be counted: not in timm"):
        count_breakdown(find_model("pvt_tiny"), tmp_path)
