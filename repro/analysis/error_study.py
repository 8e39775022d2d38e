"""The errors of runs from all sides: ranked pairs, causes and factors, of all errors or of a selection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from repro.analysis.causes import assign_causes
from repro.analysis.errors import class_counts, load_errors
from repro.analysis.factors import load_factors
from repro.exceptions import InvalidRun

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd


@dataclass(frozen=True)
class ErrorStudy:
    """`errors` with their causes, and the `class_counts` of the same runs, whose models are `models`."""

    errors: pd.DataFrame
    counts: pd.DataFrame
    models: Mapping[str, str]
    depth: int

    @property
    def runs(self) -> list[str]:
        return list(self.models)

    def has_real_labels(self) -> bool:
        """Whether ReaL knows any of the images."""
        return bool(self.errors["real_labels"].notna().any())


def study_errors(runs: Mapping[str, pa.Table], models: Mapping[str, str], depth: int) -> ErrorStudy:
    """All errors of the runs, with their causes.

    Raises:
        InvalidRun: there are none, no image was scored, or a run does not tell which class was predicted.
    """
    errors = load_errors(runs)
    if not len(errors):
        raise InvalidRun(f"no errors: every image of {', '.join(runs)} is right")
    caused = assign_causes(errors, depth=depth, imagenet_x=load_factors(), models=models)
    return ErrorStudy(caused, class_counts(runs), models, depth)


def with_confidence(study: ErrorStudy, at_least: float) -> ErrorStudy:
    """The errors whose predicted class has that probability or more; chance is then among these alone.

    Raises:
        InvalidRun: a run does not tell the probabilities.
    """
    told = study.errors.groupby("run")["p_predicted"].count()
    for run, n in told.items():
        if not n:
            raise InvalidRun(f"{run} does not tell the probabilities of its predictions: no choice by them")
    errors = study.errors[study.errors["p_predicted"] >= at_least]
    counts = study.counts.set_index(["run", "class"])
    for name, of in (("n_wrong", "label"), ("n_predicted_wrong", "predicted")):
        found = errors.groupby(["run", of]).size()
        counts[name] = found.rename_axis(["run", "class"]).reindex(counts.index, fill_value=0)
    return ErrorStudy(errors, counts.reset_index(), study.models, study.depth)


def of_causes(study: ErrorStudy, causes: Collection[str]) -> ErrorStudy:
    """The errors of these causes; the counts are still those of all."""
    return replace(study, errors=study.errors[study.errors["cause"].isin(list(causes))])


def of_classes(rows: pd.DataFrame, classes: Collection[int]) -> pd.DataFrame:
    """The rows (errors or pairs) with one of the classes on either side."""
    return rows[rows["label"].isin(list(classes)) | rows["predicted"].isin(list(classes))]


def made_by_every_run(study: ErrorStudy) -> ErrorStudy:
    """The errors that every run makes: the same image taken for the same class."""
    runs_of = study.errors.groupby(["image_id", "predicted"])["run"].transform("nunique")
    return replace(study, errors=study.errors[runs_of == len(study.runs)])


def made_by_one_family(study: ErrorStudy, mixers: Mapping[str, str], mixer: str) -> ErrorStudy:
    """The errors of images that runs with this token mixer alone get wrong; `mixers` are by run."""
    of_mixer = study.errors["run"].map(mixers) == mixer
    others = of_mixer.groupby(study.errors["image_id"]).transform("all")
    return replace(study, errors=study.errors[others])
