"""What a study of causes found, in sentences: written from its numbers, and able to say that nothing was."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from repro.analysis.cause_pairs import ANY, Base
from repro.analysis.causes import CONTEXT, SHAPE, SIZE
from repro.analysis.family_pairs import MIN_ERRORS, FamilyPairs
from repro.analysis.probed import ALL_PROBED, Probed
from repro.analysis.study import (
    CANDIDATES,
    CauseDifference,
    CauseStudy,
    Scope,
    StudiedRun,
)
from repro.catalogue.class_lookup import find_class
from repro.reporting.paired import p_text
from repro.reporting.study import share_interval

MOST_TOLD = 6
"""Of more pairs of models than these, one sentence tells of all."""

_EXAMPLE = ("water bottle", "lipstick")
_DOG = "Chihuahua"

_ASKED = {"size": "size", "context": "surroundings", "shape": "shape"}

_BASES = {Base.IMAGES: "Of all images", Base.BOTH_WRONG: "Of the images that both get wrong"}


def summarise(study: CauseStudy, pairs: FamilyPairs, probed: Sequence[Probed]) -> dict[str, list[str]]:
    """Sentences under their headings, in reading order."""
    found = {
        "In short": list(_in_short(study, probed)),
        "What the errors are": list(_shares(study)),
        "Do models differ?": list(_differences(study, Scope.GENUINE)),
        "With acceptable labels": list(_differences(study, Scope.ALL)),
        "Which confusions": list(_pairs(study, pairs)),
        "What probes say": list(_probes(study, probed)),
        "What is not known": list(_unknown(study, probed)),
    }
    return {heading: sentences for heading, sentences in found.items() if sentences}


def _in_short(study: CauseStudy, probed: Sequence[Probed]) -> Iterator[str]:
    """What the talk says of shape, size and surroundings, and what became of it."""
    for kind, cause in (("shape", SHAPE), ("size", SIZE), ("context", CONTEXT)):
        said = [
            f"{run.name} {100 * share.fraction:.1f} % ({share_interval(share)})"
            for run in study.runs[:MOST_TOLD]
            if (share := run.shares[Scope.GENUINE].get(cause))
        ]
        more = f" and {len(study.runs) - MOST_TOLD} more runs" if len(study.runs) > MOST_TOLD else ""
        yield (
            f"{_ASKED[kind].capitalize()}: of the genuine errors, {cause}s are {', '.join(said)}{more}; "
            f"{_differs(study, cause)}{_tested(kind, probed)}."
        )


def _differs(study: CauseStudy, cause: str) -> str:
    found = [one for one in study.differences if one.scope is Scope.GENUINE and one.cause == cause]
    if not found:
        return "there is no other model to differ from; "
    if n := sum(one.shown for one in found):
        return f"{n:,} of {_count(len(found), 'comparison')} between models show a difference; "
    return f"no difference between models is shown in {_count(len(found), 'comparison')}; "


def _tested(kind: str, probed: Sequence[Probed]) -> str:
    """Whether probes found that it drives genuine errors."""
    effects = [one.attribution.any_dose for one in probed if (one.kind, one.of) == (kind, ALL_PROBED)]
    if not effects:
        return "no probe was run, so whether it drives them is not known"
    n = sum(effect.interval()[0] > 0 for effect in effects)
    return f"probes show an excess over controls in {n} of {_count(len(effects), 'run')}"


def _shares(study: CauseStudy) -> Iterator[str]:
    n_runs, n = len(study.runs), study.n_images - study.n_no_label
    counted = f"{_count(n_runs, 'run')} of {'the same ' if n_runs > 1 else ''}{study.n_images:,} images"
    if study.n_no_label:
        counted += (
            f"; {study.n_no_label:,} of these have no valid label, so genuine errors are counted over {n:,}"
        )
    yield f"{counted}."
    for run in study.runs[:MOST_TOLD]:
        yield _of_run(run)
    if len(study.runs) > MOST_TOLD:
        yield f"{len(study.runs) - MOST_TOLD} more runs stand in the table of causes."


def _of_run(run: StudiedRun) -> str:
    n, n_all = run.n_errors[Scope.GENUINE], run.n_errors[Scope.ALL]
    if not n:
        return f"{run.name} ({run.token_mixer}): none of {_count(n_all, 'error')} is genuine."
    shares = run.shares[Scope.GENUINE]
    told = ", ".join(
        f"{cause} {100 * share.fraction:.1f} % ({share_interval(share)})" for cause, share in shares.items()
    )
    return f"{run.name} ({run.token_mixer}): {n:,} of {n_all:,} errors are genuine; of these: {told}."


def _differences(study: CauseStudy, scope: Scope) -> Iterator[str]:
    found = [one for one in study.differences if one.scope is scope]
    if not found:
        if scope is Scope.GENUINE:
            yield "One run alone: there is no other model to differ from."
        return
    pairs = list(dict.fromkeys((one.first, one.second) for one in found))
    if len(pairs) > MOST_TOLD:
        yield from _of_many(found, len(pairs))
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
    where = f"{_BASES[one.base]} ({one.counts.n:,})"
    for each in compared:
        if each.shown:
            yield f"{where}: {_shown(each, first, second)}"
    alike = [each for each in compared if not each.shown]
    if alike:
        yield f"{where}: {_not_shown(alike, first, second, study.n_comparisons(one.scope))}"


def _shown(one: CauseDifference, first: str, second: str) -> str:
    a, b = one.rates
    more, less = (first, second) if a > b else (second, first)
    high, low = max(a, b), min(a, b)
    ends = one.interval if a > b else (-one.interval[1], -one.interval[0])
    return (
        f"{more} makes {_cause(one)} more often than {less}: {100 * high:.2f} % against {100 * low:.2f} %, "
        f"{100 * (high - low):.2f} points more ({_points(ends)}; corrected p {p_text(one.p_corrected)})."
    )


def _not_shown(alike: Sequence[CauseDifference], first: str, second: str, n_comparisons: int) -> str:
    told = "; ".join(_told(one) for one in alike)
    bound = max(abs(end) for one in alike for end in one.joint)
    return (
        f"no difference between {first} and {second} is shown in: {told}. A difference of more than "
        f"{_up(bound)} points in {'it' if len(alike) == 1 else 'any of these'} is excluded "
        f"(95 % for all {n_comparisons} comparisons at once)."
    )


def _told(one: CauseDifference) -> str:
    """With acceptable labels the table alone has the figures: the sentence would be too long."""
    cause = one.cause if one.cause != ANY else _cause(one)
    if one.scope is Scope.ALL:
        return cause
    first, second = one.rates
    return f"{cause} {100 * (first - second):+.2f} points ({_points(one.interval)} by itself)"


def _of_many(found: Sequence[CauseDifference], n_pairs: int) -> Iterator[str]:
    """Counts, within and between token mixers; where nothing is shown, what is excluded."""
    shown = sum(one.shown for one in found)
    yield (
        f"{_count(n_pairs, 'pair')} of models, {len(found):,} comparisons: {shown:,} show a difference "
        "(corrected p below 0.05)."
    )
    for base in Base:
        for same in (False, True):
            some = [one for one in found if one.base is base and one.same_family is same]
            if some:
                n = sum(one.shown for one in some)
                kind = "the same token mixer" if same else "different token mixers"
                yield f"{_BASES[base]}, between models of {kind}: {n:,} of {len(some):,} show one."
    if not shown:
        bound = max(abs(end) for one in found for end in one.joint)
        yield (
            "No difference is shown between any two; one of more than "
            f"{_up(bound)} points is excluded (95 % for all at once)."
        )


def _of_families(study: CauseStudy) -> Iterator[str]:
    if len(study.families) == 1:
        yield f"All runs are of {study.families[0].token_mixer}: nothing is said of other token mixers."
    elif any(len(family.runs) == 1 for family in study.families):
        alone = [family.token_mixer for family in study.families if len(family.runs) == 1]
        yield (
            f"There is one model alone of {' and of '.join(alone)}: what differs between token mixers cannot "
            "be told there from what differs between models, their training or their size."
        )


def _pairs(study: CauseStudy, pairs: FamilyPairs) -> Iterator[str]:
    n_every = int(pairs.every_run["count"].sum())
    if len(study.runs) > 1:
        share = 100 * n_every / pairs.n_errors
        yield (
            f"{len(pairs.every_run):,} of {pairs.n_pairs:,} confusions are made by every run; they hold "
            f"{n_every:,} of {pairs.n_errors:,} genuine errors ({share:.1f} %)."
        )
    if pairs.one_family is not None:
        yield (
            f"Of {pairs.n_frequent:,} confusions with {MIN_ERRORS} errors or more, {len(pairs.one_family):,} "
            f"are made by models with one token mixer alone; by chance there would be {pairs.by_chance:.1f}."
        )
    yield from _of_the_talk(study)


def _of_the_talk(study: CauseStudy) -> Iterator[str]:
    """The two examples that the talk's slide 15 has."""
    true, taken = (find_class(name).index for name in _EXAMPLE)
    errors = study.errors
    n = int(((errors["label"] == true) & (errors["predicted"] == taken)).sum())
    if n_bottles := int((errors["label"] == true).sum()):
        yield (
            f"The talk's example, {_EXAMPLE[0]} taken for {_EXAMPLE[1]}: {n:,} of {n_bottles:,} errors on a "
            f"{_EXAMPLE[0]}, over {_count(len(study.runs), 'run')}."
        )
    else:
        yield f"The talk's example cannot be asked: no error here is on a {_EXAMPLE[0]}."
    dogs = errors[errors["predicted"] == find_class(_DOG).index]
    if len(dogs):
        n_size = int((dogs["cause"] == "size candidate").sum())
        yield (
            f"{_DOG} is predicted wrongly {len(dogs):,} times, {n_size:,} of them of another size than the "
            "true class and without a nearer cause (size candidate)."
        )


def _probes(study: CauseStudy, probed: Sequence[Probed]) -> Iterator[str]:
    for one in probed:
        effect = one.attribution.any_dose
        low, high = effect.interval()
        excess = f"{100 * effect.excess:+.1f} points ({_points((low, high))})"
        verdict = (
            f"the excess of {excess} speaks for {_ASKED[one.kind]}"
            if low > 0
            else f"no excess over the controls is shown, {excess}"
        )
        whose = "genuine errors" if one.of == ALL_PROBED else one.of.removesuffix(" probed")
        yield (
            f"{study.names[one.run]}, {one.kind}: gentle doses turn {effect.rescued.changed:,} of "
            f"{effect.rescued.n:,} {whose} right ({100 * effect.rescued.fraction:.1f} %), and "
            f"{effect.broken.changed:,} of {effect.broken.n:,} right answers wrong "
            f"({100 * effect.broken.fraction:.1f} %): {verdict}."
        )


def _unknown(study: CauseStudy, probed: Sequence[Probed]) -> Iterator[str]:
    yield (
        f"The candidates ({_listed(CANDIDATES)}) are rules, not causes: they say where size, shape or "
        "surroundings could be at work, not that a model looked at them."
    )
    yield "Sizes of things are estimates by class; how large a thing is in its photograph is not asked."
    n_models = len({run.name for run in study.runs})
    if n_models == 1:
        yield "With one model no pair can be a size or shape candidate: two models must make it."
    else:
        yield (
            "A size or shape candidate is a pair that two of these models make, so that their shares depend "
            "on which models are taken together."
        )
    if not study.errors["real_labels"].notna().any():
        yield (
            "None of these images has ReaL labels: acceptable labels and images without a valid label cannot "
            "be told, and count among the genuine errors."
        )
    missing = [run.name for run in study.runs if run.run not in {one.run for one in probed}]
    if missing:
        yield (
            f"No probe was run for {_listed(missing)}: whether surroundings help, or size or shape misleads, "
            "is not tested there."
        )


def _cause(one: CauseDifference) -> str:
    if one.cause != ANY:
        return f"errors of cause {one.cause}"
    return "any error" if one.scope is Scope.ALL else "any genuine error"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _points(ends: tuple[float, float]) -> str:
    return " to ".join(f"{100 * end:+.2f}" for end in ends)


def _up(fraction: float) -> str:
    """In points, rounded up: it is a bound."""
    return f"{math.ceil(10_000 * fraction - 1e-9) / 100:.2f}"


def _listed(names: Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
