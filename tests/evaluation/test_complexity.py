"""Params and MACs: the catalogue's counts, and the measured columns of the facts, counted again."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from repro.catalogue.models import find_model, load_models
from repro.catalogue.tables import find_table
from repro.evaluation.checkpoints import resolve_timm_spec
from repro.evaluation.complexity import count_complexity
from repro.exceptions import UsageError
from repro.results.complexities import keep_complexity, kept_complexity
from repro.results.record import Complexity

# Of the second paper a few; its larger ones take up to ten seconds each, and differ by depth and width only.
FEW = {"poolformerv2_s12", "convformer_s18", "caformer_s18", "caformer_s18_384"}
MANY = {row.model for row in find_table("baselines").rows} - FEW
COUNTABLE = [spec.name for spec in load_models() if spec.timm_name and spec.name not in MANY]


@pytest.fixture(scope="module")
def counted(counted_folder: Path) -> dict[str, Complexity]:
    return {name: count_complexity(find_model(name), counted_folder) for name in COUNTABLE}


@pytest.mark.parametrize("name", COUNTABLE)
def test_the_catalogue_states_what_the_counters_find(counted: dict[str, Complexity], name: str) -> None:
    spec, found = find_model(name), counted[name]
    assert (found.params, {n: count.macs for n, count in found.macs.items()}) == (
        spec.params,
        dict(spec.macs),
    )


def test_the_measured_columns_of_the_facts(counted: dict[str, Complexity], shared_data: Path) -> None:
    table = (shared_data.parent / "facts" / "imagenet_table2.csv").read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(table.splitlines()) if row["timm_tag"]]
    assert len(rows) == 17
    for row in rows:
        found = counted[find_model(row["timm_tag"]).name]
        assert f"{found.params / 1e6:.3f}" == row["measured_params_m"], row["model"]
        assert f"{found.macs['fvcore'].macs / 1e9:.3f}" == row["measured_macs_g_fvcore_unfused"], row["model"]


def test_what_a_counter_leaves_out_is_recorded(counted: dict[str, Complexity]) -> None:
    poolformer = counted["poolformer_s24"].macs
    assert poolformer["fvcore"].skipped["aten::avg_pool2d"] == 24  # the token mixer itself
    assert poolformer["torch"].skipped["aten.avg_pool2d"] == 24
    assert poolformer["torch"].skipped["aten.native_group_norm"] == 48
    # Fused attention has a rule of ours; without it 357.7 M would be missing.
    assert not any("attention" in op for op in counted["deit_s"].macs["fvcore"].skipped)


def test_only_fvcore_reproduces_the_m48_row(counted: dict[str, Complexity]) -> None:
    macs = counted["poolformer_m48"].macs
    assert {name: f"{count.macs / 1e9:.1f}" for name, count in macs.items()} == {
        "fvcore": "11.6",
        "torch": "11.5",
    }


def test_counts_are_kept_until_a_counter_changes(
    tmp_path: Path, counted: dict[str, Complexity], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, counts = find_model("deit_s"), counted["deit_s"]
    assert kept_complexity(spec, tmp_path) is None
    keep_complexity(counts, tmp_path)
    assert kept_complexity(spec, tmp_path) == counts
    (path,) = (tmp_path / "complexity").iterdir()
    whole = path.read_text()
    path.write_text(whole.replace(str(counts.params), str(counts.params + 1)))
    assert kept_complexity(spec, tmp_path) is None  # damaged
    path.write_text(whole[:50])
    assert kept_complexity(spec, tmp_path) is None
    path.write_text(whole)
    monkeypatch.setattr("repro.results.complexities.versions_of_counters", lambda: {"torch": "another"})
    assert kept_complexity(spec, tmp_path) is None


def test_a_network_with_tables_of_indices_is_counted(tmp_path: Path) -> None:
    """Uninitialised memory would lead beyond the table."""
    counted = count_complexity(resolve_timm_spec(find_model("timm:levit_128s.fb_dist_in1k")), tmp_path)
    assert counted.macs["fvcore"].macs / 1e6 == pytest.approx(307.2, abs=0.1)


def test_a_network_that_timm_lacks_cannot_be_counted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pvt_tiny cannot be counted: not in timm"):
        count_complexity(find_model("pvt_tiny"), tmp_path)
