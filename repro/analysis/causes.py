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
from repro.catalogue.hierarchy import FINE_GRAINED_DEPTH
from repro.catalogue.overlaps import load_overlaps
from repro.doctor.real import RealLabels, load_real_labels, val_places
from repro.exceptions import InvalidRun
from repro.specs import N_CLASSES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

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
    image_ids = errors["image_id"].tolist()
    seen = _Seen(image_ids, real)
    together, either = _co_occurrence(real, label, predicted)
    pairs, pair = np.unique(label * N_CLASSES + predicted, return_inverse=True)
    described = describe_pairs(pairs // N_CLASSES, pairs % N_CLASSES)
    evidence = errors.assign(
        real_labels=np.fromiter(real_labels(image_ids, real), dtype=object, count=len(errors)),
        overlap=_overlaps(label, predicted, together, either),
        **{name: values[pair] for name, values in described.items()},
        n_together=together - (seen.has(label) & seen.has(predicted)),
        n_models=_count_models(errors["run"], pair, models or {}),
    )
    if imagenet_x is not None:
        evidence["factor"] = imagenet_x["factor"].reindex(evidence["image_id"]).to_numpy()
    evidence = evidence.assign(**{ACCEPTABLE: seen.has(predicted), NO_LABEL: seen.nothing()})
    fired = _fired(evidence, depth)
    return evidence.assign(**fired, cause=_first(fired))


def cause_shares(caused: pd.DataFrame) -> pd.DataFrame:
    """The share of the errors that each cause has: one row a cause, one column each of `DEPTHS`.

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
            for depth in DEPTHS
        }
    )


def _fired(evidence: pd.DataFrame, depth: int) -> pd.DataFrame:
    """By error, which rules fire: one boolean column a cause."""
    fired = evidence[[ACCEPTABLE, NO_LABEL]].copy()
    fired[OVERLAPPING] = evidence["overlap"] != ""
    fired[FINE_GRAINED] = evidence["depth"] >= depth
    fired[CONTEXT] = evidence["n_together"] > 0
    is_far = ~fired.any(axis=1) & (evidence["n_models"] >= N_MODELS)
    apart = evidence["bins_apart"] >= 1
    fired[SIZE], fired[SHAPE] = is_far & apart, is_far & ~apart
    fired[UNEXPLAINED] = ~fired.any(axis=1)
    return fired


def _first(fired: pd.DataFrame) -> pd.Series[str]:
    """The first cause that fires, as a category; one always does."""
    import pandas as pd

    places = fired[list(CAUSES)].to_numpy().argmax(axis=1)
    return pd.Series(pd.Categorical.from_codes(places, pd.Index(CAUSES)), index=fired.index)


class _Seen:
    """What ReaL's readers saw in the image of each error; nothing is known of others than ImageNet val's."""

    def __init__(self, image_ids: Sequence[str], real: RealLabels | None) -> None:
        import numpy as np

        n_images = len(real.labelled) if real is not None else 0
        places = val_places(image_ids)
        # The last row is of images that are not known.
        self._place = np.where(places < n_images, places, -1)
        self._given = np.zeros((n_images + 1, N_CLASSES), dtype=bool)
        self._nothing = np.zeros(n_images + 1, dtype=bool)
        if real is not None:
            self._given[real.images, real.classes] = True
            self._nothing[:-1] = ~real.labelled

    def has(self, classes: Ints) -> Mask:
        """Whether they saw the class of each row."""
        return self._given[self._place, classes]

    def nothing(self) -> Mask:
        """Whether they saw none of the classes."""
        return self._nothing[self._place]


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


def _overlaps(label: Ints, predicted: Ints, together: Ints, either: Ints) -> NDArray[np.object_]:
    """Why each pair overlaps, in words; empty where it does not."""
    import numpy as np

    grounds = np.full(len(label), "", dtype=object)
    for place in np.flatnonzero(together > MOST * either).tolist():
        counts = f"{together[place]:,} of the {either[place]:,} images in which it gives either"
        grounds[place] = f"ReaL gives both in {counts}"
    listed = {a * N_CLASSES + b: overlap.ground for (a, b), overlap in load_overlaps().items()}
    keys = np.minimum(label, predicted) * N_CLASSES + np.maximum(label, predicted)
    for place in np.flatnonzero(np.isin(keys, list(listed))).tolist():
        grounds[place] = listed[int(keys[place])]
    return grounds


def _count_models(run: pd.Series[str], pair: Ints, models: Mapping[str, str]) -> Ints:
    """Of how many models the runs are that make each row's pair, in whatever image."""
    import numpy as np
    import pandas as pd

    of_run, runs = pd.factorize(run)
    of_model, names = pd.factorize(np.array([models.get(str(one), str(one)) for one in runs], dtype=object))
    made = pd.unique(pair * max(len(names), 1) + of_model[of_run])
    return np.bincount(made // max(len(names), 1))[pair]
