"""How often two models err for each cause, in sentences: which difference is shown, and what is excluded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from repro.analysis.cause_pairs import ANY, Base
from repro.analysis.study import CauseDifference, CauseStudy, Scope
from repro.reporting.figures import count_of, p_text, points_interval, points_up

MOST_TOLD = 6
"""Of more pairs of models than these, one sentence tells of all."""

_BOTH = {
    Scope.GENUINE: "Of the images in which both make a genuine error",
    Scope.ALL: "Of the images that both get wrong",
}


def tell_differences(study: CauseStudy, scope: Scope) -> Iterator[str]:
    """Every two models on the same images, or counts where there are many."""
    models = study.models
    found = [
        one for one in study.differences if one.scope is scope and models[one.first] != models[one.second]
    ]
    if not found:
        if scope is Scope.GENUINE:
            alone = "run" if len(study.runs) == 1 else "model"
            yield f"One {alone} alone: there is no other model to differ from."
        return
    pairs = list(dict.fromkeys((one.first, one.second) for one in found))
    if len(pairs) > MOST_TOLD:
        yield from _of_many(study, found, len(pairs))
        return
    for pair in pairs:
        for base in Base:
            compared = [one for one in found if (one.first, one.second) == pair and one.base is base]
            if compared:
                yield from _of_pair(study, compared)
    if scope is Scope.GENUINE:
        yield from _of_families(study)


def _of_pair(study: CauseStudy, compared: Sequence[CauseDifference]) -> Iterator[str]:
    """What two models show on one base: each difference, then what is left where none is shown."""
    one = compared[0]
    first, second = study.names[one.first], study.names[one.second]
    where = f"{_base(one)} ({one.counts.n:,})"
    for each in compared:
        if each.shown:
            yield f"{where}: {_shown(each, first, second)}"
    alike = [each for each in compared if not each.shown]
    if alike:
        yield f"{where}: {_not_shown(study, alike, first, second)}"


def _base(one: CauseDifference) -> str:
    return "Of all images" if one.base is Base.IMAGES else _BOTH[one.scope]


def _shown(one: CauseDifference, first: str, second: str) -> str:
    a, b = one.rates
    more, less = (first, second) if a > b else (second, first)
    high, low = max(a, b), min(a, b)
    ends = one.interval if a > b else (-one.interval[1], -one.interval[0])
    return (
        f"{more} makes {_cause(one)} more often than {less}: {100 * high:.2f} % against {100 * low:.2f} %, "
        f"{100 * (high - low):.2f} points more ({points_interval(ends)}; "
        f"corrected p {p_text(one.p_corrected)})."
    )


def _not_shown(study: CauseStudy, alike: Sequence[CauseDifference], first: str, second: str) -> str:
    told = "; ".join(_told(one) for one in alike)
    n_comparisons = study.n_comparisons(alike[0].scope)
    return (
        f"no difference between {first} and {second} is shown in: {told}. A difference of more than "
        f"{points_up(study.not_excluded(alike))} points in {'it' if len(alike) == 1 else 'any of these'} "
        f"is excluded (95 % for all {n_comparisons} comparisons at once, by Clopper and Pearson's limits)."
    )


def _told(one: CauseDifference) -> str:
    """With acceptable labels the table alone has the figures: the sentence would be too long."""
    cause = one.cause if one.cause != ANY else _cause(one)
    if one.scope is Scope.ALL:
        return cause
    first, second = one.rates
    return f"{cause} {100 * (first - second):+.2f} points ({points_interval(one.interval)} by itself)"


def _of_many(study: CauseStudy, found: Sequence[CauseDifference], n_pairs: int) -> Iterator[str]:
    """Counts, within and between token mixers; where nothing is shown, what is excluded."""
    shown = sum(one.shown for one in found)
    yield (
        f"{count_of(n_pairs, 'pair')} of models, {len(found):,} comparisons: {shown:,} show a difference "
        "(corrected p below 0.05)."
    )
    for base in Base:
        for same in (False, True):
            some = [one for one in found if one.base is base and one.same_family is same]
            if some:
                n = sum(one.shown for one in some)
                kind = "the same token mixer" if same else "different token mixers"
                yield f"{_base(some[0])}, between models of {kind}: {n:,} of {len(some):,} show one."
    if not shown:
        yield (
            "No difference is shown between any two; one of more than "
            f"{points_up(study.not_excluded(found))} points is excluded (95 % for all at once, by Clopper "
            "and Pearson's limits)."
        )


def _of_families(study: CauseStudy) -> Iterator[str]:
    if len(study.families) == 1:
        yield f"All runs are of {study.families[0].token_mixer}: nothing is said of other token mixers."
        return
    n_models = Counter({run.model: run.token_mixer for run in study.runs}.values())
    if alone := [mixer for mixer, n in n_models.items() if n == 1]:
        yield (
            f"There is one model alone of {' and of '.join(alone)}: what differs between token mixers cannot "
            "be told there from what differs between models, their training or their size."
        )


def _cause(one: CauseDifference) -> str:
    if one.cause != ANY:
        return f"errors of cause {one.cause}"
    return "any error" if one.scope is Scope.ALL else "any genuine error"
