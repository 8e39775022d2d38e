"""bf16 and fp16 throughout: the rows, the record and the tables say so, and fp32 is preferred to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repro.analysis.comparability import choose_run
from repro.evaluation.plan import Request
from repro.exceptions import UsageError
from repro.reporting.runs import runs_table
from tests.evaluation.test_evaluate import request_, rows_of, run
from tests.evaluation.test_exact_fast import photos, tied

__all__ = ["photos", "request_", "tied"]


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", "bfloat16"), ("fp16", "float16")])
def test_all_rows_and_the_record_say_it(precision: str, dtype: str, tied: Request) -> None:
    tied = replace(tied, limit=20, canary=False)
    plain = run(tied)
    low = run(replace(tied, precision=precision))
    assert low.run_id != plain.run_id
    assert low.numerics is not None
    assert (low.numerics.dtype, low.memory_format, low.low_precision) == (dtype, "channels_last", None)
    assert {row["precision"] for row in rows_of(tied, low)} == {precision}
    assert {row["precision"] for row in rows_of(tied, plain)} == {"fp32"}
    (note,) = [note for note in runs_table([low]).groups[0].rows[0] if dtype in note]
    assert f"computed in {dtype}: a few images are decided otherwise than in fp32" in note
    assert choose_run([plain, replace(low, started="9999")], None) == plain


def test_a_network_that_has_no_such_precision_is_refused(request_: Request) -> None:
    with pytest.raises(UsageError, match=r"cannot be run in float16 here \(.*cdist") as caught:
        run(replace(request_, precision="fp16"))
    assert caught.value.hint == "--precision fp32"
