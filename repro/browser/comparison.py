"""The paper's tables and claims, held to all runs of the folder; parameters and MACs as counted before."""

from __future__ import annotations

import streamlit as st

from repro.analysis.compare import Comparison, compare_table
from repro.analysis.ledger import Ledger, build_ledger
from repro.analysis.measured import counts_of
from repro.browser import runs
from repro.catalogue.claim_files import load_sources
from repro.catalogue.tables import find_table
from repro.results.record import RunRecord


def compare(table: str, protocol: str) -> Comparison:
    """What a printed table says, beside what was measured under the protocol."""
    return _compare(table, protocol, str(runs.folder()), runs.current(), runs.find_runs().records)


def build_claims() -> Ledger:
    return _claims(str(runs.folder()), runs.current(), runs.find_runs().records)


@st.cache_resource(max_entries=8, show_spinner=False)
def _compare(
    table: str, protocol: str, folder: str, at: runs.Stamp, _records: tuple[RunRecord, ...]
) -> Comparison:
    return compare_table(find_table(table), _records, counts_of(_records), protocol)


@st.cache_resource(max_entries=2, show_spinner=False)
def _claims(folder: str, at: runs.Stamp, _records: tuple[RunRecord, ...]) -> Ledger:
    return build_ledger(load_sources(), _records, counts_of(_records))
