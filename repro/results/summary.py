"""Whether the rows of a run may be believed, and the counts they add up to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from repro.results.predictions import NON_FINITE, OK, UNREADABLE
from repro.results.record import Summary

_FAULTS = {NON_FINITE: "with non-finite logits"}
"""How a status reads behind a number of images, where the status alone would not."""


def summarise(
    rows: pa.Table,
    expected_ids: Collection[str],
    allow_unreadable: bool = False,
    changed: Collection[str] = (),
    repeated: Sequence[tuple[str, ...]] = (),
) -> Summary:
    """The counts over `rows`; `invalid` unless they are exactly the expected images, each scored once.

    `changed` are images whose bytes are not those of the manifest, `repeated` groups of images with
    the same bytes: they make it invalid, too.
    """
    scored = rows.filter(pc.equal(rows["status"], OK))
    return Summary(
        n=len(expected_ids),
        n_scored=scored.num_rows,
        top1_correct=count_correct(scored, 1) or 0,
        top5_correct=count_correct(scored, 5),
        invalid=_why_invalid(rows, expected_ids, allow_unreadable, changed, repeated),
    )


def recount(summary: Summary, rows: pa.Table) -> Summary:
    """`summary` with its counts taken anew from `rows`, whatever the record says."""
    scored = rows.filter(pc.equal(rows["status"], OK))
    doubt = "" if rows.num_rows == summary.n else f"{rows.num_rows:,} rows for {summary.n:,} images"
    return Summary(
        n=summary.n,
        n_scored=scored.num_rows,
        top1_correct=count_correct(scored, 1) or 0,
        top5_correct=count_correct(scored, 5),
        invalid=summary.invalid or doubt,
    )


def hits(scored: pa.Table, k: int) -> pa.ChunkedArray | None:
    """Whether each scored row has the true class among its best `k`; None where the rows do not tell.

    A rank is null where an imported prediction does not list the true class: it is then beyond all that
    it lists, which says nothing of the best `k` if it lists fewer.
    """
    beyond = pc.is_null(scored["rank"])
    if k > 1 and pc.any(beyond).as_py():
        n_listed = pc.fill_null(pc.list_value_length(scored["top5"].filter(beyond)), 0)
        if pc.min(n_listed).as_py() < k:
            return None
    return pc.fill_null(pc.less(scored["rank"], k), False)


def count_correct(scored: pa.Table, k: int) -> int | None:
    """How many scored rows have the true class among the best `k`; None where the rows do not tell."""
    correct = hits(scored, k)
    return None if correct is None else int(pc.sum(correct).as_py() or 0)


def _why_invalid(
    rows: pa.Table,
    expected_ids: Collection[str],
    allow_unreadable: bool,
    changed: Collection[str],
    repeated: Sequence[tuple[str, ...]],
) -> str:
    """Every fault with its first three images, in one line; empty where the rows can be believed."""
    found = Counter(rows["image_id"].to_pylist())
    expected = Counter(expected_ids)
    faults: dict[str, Iterable[str]] = {
        "missing": expected.keys() - found.keys(),
        "doubled": {image_id for ids in (found, expected) for image_id, n in ids.items() if n > 1},
        "not in the dataset": found.keys() - expected.keys(),
        "changed since the manifest": changed,
        **_failures(rows),
    }
    if allow_unreadable:
        faults.pop(UNREADABLE, None)
    reasons = [describe_images(fault, sorted(ids)) for fault, ids in faults.items() if ids]
    reasons += [describe_repeated(repeated)] if repeated else []
    if not reasons and OK not in rows["status"].to_pylist():
        return "no image was scored"
    return "; ".join(reasons)


def _failures(rows: pa.Table) -> dict[str, list[str]]:
    """The images without a usable prediction, by what is wrong with them."""
    failures: defaultdict[str, list[str]] = defaultdict(list)
    doubtful = rows.filter(pc.or_(pc.not_equal(rows["status"], OK), pc.is_null(rows["rank"])))
    columns = (doubtful[name].to_pylist() for name in ("image_id", "status", "rank", "top5"))
    for image_id, status, rank, best in zip(*columns, strict=True):
        if status != OK:
            cause = status.partition(":")[0]
            failures[_FAULTS.get(cause, cause)].append(image_id)
        elif rank is None and not best:
            failures["without a prediction"].append(image_id)
    return failures


def describe_repeated(groups: Sequence[tuple[str, ...]]) -> str:
    """`duplicate content: a = b, c = d = e and 7 more`"""
    more = f" and {len(groups) - 3:,} more" if len(groups) > 3 else ""
    return f"duplicate content: {', '.join(' = '.join(group) for group in groups[:3])}{more}"


def describe_images(fault: str, image_ids: Sequence[str]) -> str:
    """`2 images missing (ILSVRC2012_val_00000001, ILSVRC2012_val_00000293)`"""
    noun = "image" if len(image_ids) == 1 else "images"
    more = ", …" if len(image_ids) > 3 else ""
    return f"{len(image_ids):,} {noun} {fault} ({', '.join(image_ids[:3])}{more})"
