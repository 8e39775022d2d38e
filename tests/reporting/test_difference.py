"""The table of a sweep: every verdict in words, and what is said below it."""

from __future__ import annotations

from dataclasses import asdict, replace
from decimal import Decimal

import pyarrow as pa

from repro.analysis.difference import ExplainedDifference, explain
from repro.analysis.gap import measure_gap
from repro.reporting.difference import difference_json, difference_table
from repro.reporting.table import to_text
from repro.results.record import RunRecord
from repro.results.sweeps import IMAGE_FIELDS, OWN, Sweep, SweepRecord
from tests.analysis.records import run_of
from tests.reporting.snapshots import assert_snapshot

N = 1000


def sweep_of(run: RunRecord, wrong: dict[str, range], stored_wrong: range) -> Sweep:
    """Images 0 … 999 of as many classes; `wrong` are those that a variation takes for class 1000."""
    images = list(range(N))

    def classes(some: range) -> list[int | None]:
        return [N if i in some else i for i in images]

    columns = [[f"image_{i:04d}" for i in images], ["0" * 64] * N, images, classes(stored_wrong)]
    fields = [*IMAGE_FIELDS, *(pa.field(name, pa.int16()) for name in wrong)]
    rows = pa.Table.from_arrays(
        [
            pa.array(values, field.type)
            for values, field in zip(
                columns + [classes(some) for some in wrong.values()], fields, strict=True
            )
        ],
        schema=pa.schema(fields),
    )
    record = SweepRecord(
        key="0" * 64,
        run_id=run.run_id,
        n=N,
        n_run=run.summary.n_scored,
        seed=0,
        settings={name: {} for name in [*wrong, "size 288 px"]},
        untried={"size 288 px": "the network takes no 288 px (Input height …)"},
        numerics=run.numerics,
        environment={"torch": "2.15.0", "pillow": "12.1.0"},
        code={},
        started="2026-08-01T12:00:00+00:00",
        seconds=1.0,
    )
    return Sweep(record, rows)


def explained(stored_wrong: range = range(230), reference: str | None = None) -> ExplainedDifference:
    run = replace(run_of("deit_s", 38_500), environment={"torch": "2.10.0", "pillow": "12.1.0"})
    wrong = {
        OWN: range(230),
        "crop 0.9": range(228),
        "crop 0.95": range(20, 240),
        "size 256 px": range(215),
        "interpolation bilinear": range(236),
        "mean/std 0.5": range(200),
        "mean/std none": range(100),
        "channels BGR": range(330),
    }
    gap = measure_gap(run, None if reference is None else Decimal(reference))
    return explain(run, gap, sweep_of(run, wrong, stored_wrong))


def test_a_gap_with_every_verdict_in_words() -> None:
    assert_snapshot("difference-text.txt", to_text(difference_table(explained())))


def test_what_all_images_do_not_show_is_no_matter_of_too_few() -> None:
    sample = explained(reference="78.00")
    sweep = replace(sample.sweep, record=replace(sample.sweep.record, n_run=N))
    for explanation, verdict in (
        (sample, "too few images to tell"),
        (explain(sample.run, sample.gap, sweep), "not shown on all images"),
    ):
        rows = [row for group in difference_table(explanation).groups for row in group.rows]
        assert [row[-1] for row in rows if row[0] == "crop 0.95"] == [verdict]


def test_without_a_gap_and_in_another_environment() -> None:
    table = difference_table(explained(range(3, 230), reference="77.00"))
    assert_snapshot("difference-no-gap-text.txt", to_text(table))


def test_the_json_says_what_was_missing() -> None:
    values = difference_json(explained())
    assert values["reference"] == {"top1_pct": 79.8, "source": "printed in paper, Table 2"}
    assert values["gap"]["low"] < values["gap"]["high"]
    assert asdict(explained().again)["n_changed"] == values["computed_again"]["n_changed"] == 0
