"""Which counter gives which version's MACs."""

import pytest

from repro.analysis.counters import lay_by_counter
from repro.catalogue.claim_files import load_sources
from repro.catalogue.models import find_model
from repro.catalogue.tables import find_table
from repro.reporting.counters import by_counter_table
from repro.reporting.table import FORMATS
from tests.analysis.records import complexity_of
from tests.reporting.snapshots import assert_snapshot


def laid(model):
    spec = find_model(model)
    return lay_by_counter(spec.name, spec.label, complexity_of(spec), load_sources())


def agreement(model):
    return {row.counter: row.agrees_with for row in laid(model).rows}


def test_the_m48_row_is_fvcores_alone_of_the_two_that_count_here():
    found = agreement("poolformer_m48")
    assert (found["fvcore"], found["torch"]) == (("paper",), ())


def test_the_second_papers_macs_are_torchs():
    for row in find_table("baselines").rows:
        if find_model(row.model).tag:
            assert agreement(row.model)["torch"] == ("baselines",), row.model
    assert agreement("poolformerv2_m48")["fvcore"] == ()


@pytest.mark.parametrize("size", ["s12", "s24", "s36", "m36", "m48"])
def test_no_counter_gives_the_first_versions_macs(size):
    unexplained = {printed.source: printed for printed in laid(f"poolformer_{size}").unexplained}
    assert "paper-v1" in unexplained
    assert unexplained["paper-v1"].superseded.startswith("superseded: the latest version prints")


def test_the_table():
    table = by_counter_table([laid("poolformer_s24"), laid("poolformer_m48")])
    assert_snapshot("by-counter.txt", FORMATS["text"](table))
