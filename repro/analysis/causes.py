"""What may have caused an error: rules in a fixed order, each with its evidence; the first that fires counts.

| cause               | fires where                                                          |
|---------------------|----------------------------------------------------------------------|
| acceptable label    | ReaL lists the predicted class for the image                         |
| no valid label      | ReaL lists no class for the image                                    |
| overlapping classes | overlaps.csv has the two, or ReaL gives them together in most images |
|                     | in which it gives either                                             |
| fine-grained        | their lowest common ancestor is `depth` steps or more below the root |
| context candidate   | ReaL gives the two together in another image                         |
| size candidate      | none of these; two models or more make the pair, sizes a bin apart   |
| shape candidate     | the same, sizes in one bin                                           |
| unexplained         | none of these                                                        |

The first four say that the two classes, or the label, leave room for the error. The candidates are only to
be tested: that a pair is a candidate for size says nothing of what a model looked at; probes do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from repro.analysis.confusions import describe_pairs
from repro.catalogue.overlaps import load_overlaps
from repro.doctor.real import RealLabels, load_real_labels, val_places
from repro.exceptions import InvalidRun
from repro.specs import N_CLASSES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

ACCEPTABLE, NO_LABEL, OVERLAPPING, FINE_GRAINED = (
    "acceptable label",
    "no valid label",
    "overlapping classes",
    "fine-grained",
)
CONTEXT, SIZE, SHAPE, UNEXPLAINED = (
    "context candidate",
    "size candidate",
    "shape candidate",
    "unexplained",
)

CAUSES = (ACCEPTABLE, NO_LABEL, OVERLAPPING, FINE_GRAINED, CONTEXT, SIZE, SHAPE, UNEXPLAINED)
"""In the order in which they are asked."""

RULES_VERSION = 1
"""Counted up when a rule changes, so that causes kept from before are not taken for these."""

FINE_GRAINED_DEPTH = 8

DEPTHS = tuple(range(6, 13))
"""Where the effect of that threshold is shown."""

MOST = 0.5
"""Classes overlap that ReaL gives together in more than this share of the images in which it gives either."""

N_MODELS = 2
"""How many models must make a pair for it to be a candidate for size or shape."""


def assign_causes(
    errors: pd.DataFrame,
    *,
    depth: int = FINE_GRAINED_DEPTH,
    imagenet_x: pd.DataFrame | None = None,
    models: Mapping[str, str] | None = None,
    real: RealLabels | None = None,
) -> pd.DataFrame:
    """The errors (`load_errors`) with a boolean column for each rule, the evidence, and `cause`.

    The evidence: `real_labels` (a list; None where ReaL does not know the image), `overlap` (in words),
    `depth`, `distance`, `n_together` (other images in which ReaL gives both classes), `n_models` that make
    the pair, `size_ratio`, `bins_apart`, and `factor`, ImageNet-X's, where `imagenet_x` is given.

    Args:
        errors: as `load_errors` gives them.
        depth: from which depth of the lowest common ancestor on two classes are fine-grained.
        imagenet_x: the top factors (`repro.analysis.factors.load_factors`).
        models: the model of each run; by default each run is of another.
        real: ReaL's labels; by default those that ship inside timm.
    """
    import numpy as np

    real = real if real is not None else load_real_labels()
    label, predicted = errors["label"].to_numpy(), errors["predicted"].to_numpy()
    listed = real_labels(errors["image_id"].tolist(), real)
    together, either = _co_occurrence(real, label, predicted)
    own = [
        labels is not None and a in labels and b in labels
        for labels, a, b in zip(listed, label.tolist(), predicted.tolist(), strict=True)
    ]
    evidence = errors.assign(
        real_labels=np.fromiter(listed, dtype=object, count=len(errors)),
        overlap=_overlaps(label, predicted, together, either),
        **_described(label, predicted),
        n_together=together - np.array(own, dtype=np.int64),
        n_models=_count_models(errors, models or {}),
    )
    if imagenet_x is not None:
        evidence["factor"] = imagenet_x["factor"].reindex(evidence["image_id"]).to_numpy()
    fired = _fired(evidence, depth)
    return evidence.join(fired).assign(cause=_first(fired))


def cause_shares(caused: pd.DataFrame, depths: Sequence[int] = DEPTHS) -> pd.DataFrame:
    """The share of the errors that each cause has: one row a cause, one column a depth of fine-grained.

    Raises:
        InvalidRun: there are no errors.
    """
    import pandas as pd

    if not len(caused):
        raise InvalidRun("no shares of causes: there are no errors")
    return pd.DataFrame(
        {
            depth: _first(_fired(caused, depth))
            .value_counts(normalize=True)
            .reindex(list(CAUSES), fill_value=0.0)
            for depth in depths
        }
    )


def _fired(evidence: pd.DataFrame, depth: int) -> pd.DataFrame:
    """By error, which rules fire: one boolean column a cause."""
    import pandas as pd

    labels = list(zip(evidence["real_labels"], evidence["predicted"].tolist(), strict=True))
    fired = pd.DataFrame(
        {
            ACCEPTABLE: [known is not None and predicted in known for known, predicted in labels],
            NO_LABEL: [known is not None and not len(known) for known, _ in labels],
        },
        index=evidence.index,
        dtype=bool,
    )
    fired[OVERLAPPING] = evidence["overlap"] != ""
    fired[FINE_GRAINED] = evidence["depth"] >= depth
    fired[CONTEXT] = evidence["n_together"] > 0
    is_far = ~fired.any(axis=1) & (evidence["n_models"] >= N_MODELS)
    apart = evidence["bins_apart"] >= 1
    fired[SIZE], fired[SHAPE] = is_far & apart, is_far & ~apart
    fired[UNEXPLAINED] = ~fired.any(axis=1)
    return fired


def _first(fired: pd.DataFrame) -> pd.Series[str]:
    """The first cause that fires; one always does."""
    import numpy as np
    import pandas as pd

    places = fired[list(CAUSES)].to_numpy().argmax(axis=1)
    return pd.Series(np.array(CAUSES, dtype=object)[places], index=fired.index)


def real_labels(image_ids: Sequence[str], real: RealLabels | None) -> list[list[int] | None]:
    """What ReaL lists for each image; None for what is no validation image."""
    import numpy as np

    if real is None:
        return [None] * len(image_ids)
    edges = np.searchsorted(real.images, np.arange(len(real.labelled) + 1))
    edges, classes = edges.tolist(), real.classes.tolist()
    return [
        classes[edges[image] : edges[image + 1]] if 0 <= image < len(real.labelled) else None
        for image in val_places(image_ids).tolist()
    ]


def _co_occurrence(real: RealLabels | None, label: Ints, predicted: Ints) -> tuple[Ints, Ints]:
    """In how many images ReaL gives both classes, and in how many either."""
    import numpy as np
    from scipy.sparse import csr_array

    if real is None:
        return np.zeros(len(label), dtype=np.int64), np.zeros(len(label), dtype=np.int64)
    ones = np.ones(len(real.images), dtype=np.int64)
    given = csr_array((ones, (real.images, real.classes)), shape=(len(real.labelled), N_CLASSES))
    together: Ints = (given.T @ given).toarray()[label, predicted]
    n_given = np.bincount(real.classes, minlength=N_CLASSES)
    return together, n_given[label] + n_given[predicted] - together


def _overlaps(label: Ints, predicted: Ints, together: Ints, either: Ints) -> list[str]:
    """Why each pair overlaps, in words; empty where it does not."""
    listed = load_overlaps()

    def ground(a: int, b: int, n_together: int, n_either: int) -> str:
        if (overlap := listed.get((min(a, b), max(a, b)))) is not None:
            return overlap.ground
        if n_together > MOST * n_either:
            return f"ReaL gives both in {n_together:,} of the {n_either:,} images in which it gives either"
        return ""

    columns = (values.tolist() for values in (label, predicted, together, either))
    return [ground(*pair) for pair in zip(*columns, strict=True)]


def _described(label: Ints, predicted: Ints) -> dict[str, NDArray[np.generic]]:
    """`describe_pairs` of each row, asked once a pair."""
    import numpy as np

    keys, where = np.unique(label * N_CLASSES + predicted, return_inverse=True)
    described = describe_pairs(keys // N_CLASSES, keys % N_CLASSES)
    return {name: values[where] for name, values in described.items()}


def _count_models(errors: pd.DataFrame, models: Mapping[str, str]) -> pd.Series[int]:
    """Of how many models the runs are that make each row's pair, in whatever image."""
    of_model = errors["run"].map(lambda run: models.get(run, run))
    pairs = errors["label"] * N_CLASSES + errors["predicted"]
    return of_model.groupby(pairs).transform("nunique").astype("int64")
