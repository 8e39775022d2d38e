"""What a study of causes found, in sentences: written from its numbers, and able to say that nothing was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from repro.analysis.causes import CONTEXT, SHAPE, SIZE
from repro.analysis.family_pairs import MIN_ERRORS, FamilyPairs
from repro.analysis.probed import ALL_PROBED, Probed
from repro.analysis.study import (
    CANDIDATES,
    CauseStudy,
    Scope,
    StudiedRun,
)
from repro.catalogue.class_lookup import find_class
from repro.reporting.difference_sentences import MOST_TOLD, tell_differences
from repro.reporting.figures import count_of, points_interval
from repro.reporting.probes import ASKED
from repro.reporting.study import share_interval

_EXAMPLE = ("water bottle", "lipstick")
_DOG = "Chihuahua"


def summarise(study: CauseStudy, pairs: FamilyPairs, probed: Sequence[Probed]) -> dict[str, list[str]]:
    """Sentences under their headings, in reading order."""
    found = {
        "In short": list(_in_short(study, probed)),
        "What the errors are": list(_shares(study)),
        "Do models differ?": list(tell_differences(study, Scope.GENUINE)),
        "With acceptable labels": list(tell_differences(study, Scope.ALL)),
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
            f"{ASKED[kind].capitalize()}: of the genuine errors, {cause}s are {', '.join(said)}{more}; "
            f"{_differs(study, cause)}{_tested(kind, probed)}."
        )


def _differs(study: CauseStudy, cause: str) -> str:
    models = study.models
    found = [
        one
        for one in study.differences
        if one.scope is Scope.GENUINE and one.cause == cause and models[one.first] != models[one.second]
    ]
    if not found:
        return "there is no other model to differ from; "
    if n := sum(one.shown for one in found):
        return f"{n:,} of {count_of(len(found), 'comparison')} between models show a difference; "
    return f"no difference between models is shown in {count_of(len(found), 'comparison')}; "


def _tested(kind: str, probed: Sequence[Probed]) -> str:
    """Whether probes found that it drives genuine errors."""
    effects = [one.attribution.any_dose for one in probed if (one.kind, one.of) == (kind, ALL_PROBED)]
    if not effects:
        return "no probe was run, so whether it drives them is not known"
    n = sum(effect.interval()[0] > 0 for effect in effects)
    return f"probes show an excess over controls in {n} of {count_of(len(effects), 'run')}"


def _shares(study: CauseStudy) -> Iterator[str]:
    n_runs, n = len(study.runs), study.n_images - study.n_no_label
    counted = f"{count_of(n_runs, 'run')} of {'the same ' if n_runs > 1 else ''}{study.n_images:,} images"
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
        return f"{run.name} ({run.token_mixer}): none of {count_of(n_all, 'error')} is genuine."
    shares = run.shares[Scope.GENUINE]
    told = ", ".join(
        f"{cause} {100 * share.fraction:.1f} % ({share_interval(share)})" for cause, share in shares.items()
    )
    return f"{run.name} ({run.token_mixer}): {n:,} of {n_all:,} errors are genuine; of these: {told}."


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
            f"are made by models with one token mixer alone; there would be {pairs.by_chance:.1f}, if images "
            "fell to one alone in each confusion as often as in all."
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
            f"{_EXAMPLE[0]}, over {count_of(len(study.runs), 'run')}."
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
        excess = f"{100 * effect.excess:+.1f} points ({points_interval((low, high))})"
        verdict = (
            f"the excess of {excess} speaks for {ASKED[one.kind]}"
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
    if len(set(study.models.values())) == 1:
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


def _listed(names: Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
