"""Ledgers for tests: without runs, with some, and with a claim changed."""

from repro.analysis.ledger import build_ledger
from repro.analysis.measured import catalogue_counts
from repro.catalogue.claim_files import build_sources, load_sources
from repro.catalogue.papers import load_papers

COUNTS = catalogue_counts()
WITHOUT_RUNS = build_ledger(load_sources(), [], COUNTS)


def ledger_of(*runs):
    return build_ledger(load_sources(), runs, COUNTS)


def changed(claim_id, file="talk.toml", **values):
    """What is found of a claim after its entry was changed."""
    papers = dict(load_papers())
    claims = [c | values if c["id"] == claim_id else c for c in papers[file]["claim"]]
    papers[file] = {**papers[file], "claim": claims}
    return build_ledger(build_sources(papers), [], COUNTS).find(claim_id).finding
