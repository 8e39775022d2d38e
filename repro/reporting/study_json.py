"""The study of causes as JSON: counts as integers, shares and differences as fractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from repro.analysis.causes import CAUSES
from repro.analysis.probed import Probed
from repro.analysis.study import GENUINE_CAUSES, CauseStudy, Family, Scope, StudiedRun
from repro.catalogue.classes import class_name

if TYPE_CHECKING:
    import pandas as pd

    from repro.analysis.family_pairs import FamilyPairs


def study_json(
    study: CauseStudy, pairs: FamilyPairs, probed: Sequence[Probed], sentences: dict[str, list[str]]
) -> dict[str, Any]:
    """Everything of the tables, unrounded, and the sentences."""
    return {
        "n_images": study.n_images,
        "n_without_valid_label": study.n_no_label,
        "runs": [
            {"run": r.run, "model": r.name, "token_mixer": r.token_mixer, **_shares_json(r)}
            for r in study.runs
        ],
        "token_mixers": [
            {"token_mixer": f.token_mixer, "runs": list(f.runs), **_shares_json(f)} for f in study.families
        ],
        "differences": [
            asdict(one) | {"n": one.counts.n, "rates": list(one.rates), "shown": one.shown}
            for one in study.differences
        ],
        "pairs": {
            "n": pairs.n_pairs,
            "every_run": _pairs_json(pairs.every_run),
            "one_token_mixer": None if pairs.one_family is None else _pairs_json(pairs.one_family),
            "by_chance": pairs.by_chance,
        },
        "probes": [
            {
                "run": one.run,
                "kind": one.kind,
                "of": one.of,
                **asdict(one.attribution.any_dose),
                "excess": one.attribution.any_dose.excess,
                "interval": list(one.attribution.any_dose.interval()),
            }
            for one in probed
        ],
        "summary": sentences,
        "causes": {"genuine": list(GENUINE_CAUSES), "all": list(CAUSES)},
    }


def _shares_json(of: StudiedRun | Family) -> dict[str, Any]:
    return {
        str(scope): {
            "n": of.n_errors[scope],
            "causes": {cause: asdict(share) for cause, share in of.shares[scope].items()},
        }
        for scope in Scope
    }


def _pairs_json(pairs: pd.DataFrame) -> list[dict[str, Any]]:
    kept = ["label", "predicted", "count", "main_cause", *(["token_mixer"] if "token_mixer" in pairs else [])]
    return [
        {
            **{name: row[name] for name in kept},
            "label_name": class_name(int(row["label"])),
            "predicted_name": class_name(int(row["predicted"])),
        }
        for row in pairs[kept].to_dict("records")
    ]
