"""Which classes are taken for which: the pairs true → predicted of errors, ranked, and beside chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from repro.analysis.statistics import benjamini_hochberg
from repro.specs import N_CLASSES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def rank_pairs(errors: pd.DataFrame, counts: pd.DataFrame, *, symmetric: bool = False) -> pd.DataFrame:
    """The pairs of classes that `errors` hold, the most frequent first; `counts` are `class_counts`.

    | column        | what                                                                              |
    |---------------|-----------------------------------------------------------------------------------|
    | label, predicted | the true class and the one it was taken for                                    |
    | count         | errors over all runs                                                              |
    | forth, back   | of them label → predicted, and the other way round: 0 unless `symmetric`          |
    | n_runs        | in how many runs the pair occurs                                                  |
    | rate          | count / images of the true class over the runs (`symmetric`: of both classes)     |
    | expected      | count by chance: each class's errors fall on the others as all of a run's do      |
    | p             | of so many errors by chance                                                       |
    | p_corrected   | p, corrected for all pairs that could have occurred (Benjamini-Hochberg)          |
    | depth         | of the lowest common ancestor; the deeper, the more alike                         |
    | distance      | steps between the classes in the hierarchy                                        |
    | size_ratio    | the larger class's estimated size by the smaller's                                |
    | bins_apart    | half decades between these sizes                                                  |
    | main_cause    | the cause of most of its errors; only where `errors` have causes                  |
    | by_run        | errors by run                                                                     |

    `symmetric` takes a pair and its reverse together: `label` is the class more often true.

    Runs of the same images are not independent, so p is the smallest of the runs' own one-sided Poisson
    tails, times the number of runs (Bonferroni). A pair that does not occur has been tested too, and has
    p = 1: the correction counts it.
    """
    import numpy as np
    import pandas as pd

    chance = _Chance(counts, symmetric)
    by_run = _count_by_run(errors)
    if symmetric:
        by_run = _fold(by_run)
    by_run["p"] = chance.tails(by_run)
    grouped = by_run.groupby(["label", "predicted"], sort=False)
    pairs = grouped.agg(
        count=("count", "sum"),
        forth=("forth", "sum"),
        back=("back", "sum"),
        n_runs=("run", "size"),
        p=("p", "min"),
    ).reset_index()
    label, predicted = pairs["label"].to_numpy(), pairs["predicted"].to_numpy()
    images = counts.groupby("class")["n_images"].sum()
    shown = images.loc[label].to_numpy() + (images.loc[predicted].to_numpy() if symmetric else 0)
    pairs["rate"] = pairs["count"] / shown
    pairs["expected"] = sum(chance.expected(run, label, predicted) for run in chance.runs)
    pairs["p"] = np.minimum(pairs["p"] * len(chance.runs), 1.0)
    pairs["p_corrected"] = benjamini_hochberg(pairs["p"].to_numpy(), chance.n_possible())
    pairs = pairs.assign(**describe_pairs(label, predicted))
    if "cause" in errors:
        pairs["main_cause"] = _main_causes(errors, pairs, symmetric)
    in_order = _counts_of_runs(by_run, grouped.ngroup().to_numpy())
    pairs["by_run"] = pd.Series(in_order, index=pairs.index, dtype=object)
    if symmetric:
        pairs = _more_often_true_first(pairs)
    order = ["count", "n_runs", "label", "predicted"]
    return pairs.sort_values(order, ascending=[False, False, True, True], ignore_index=True)


def describe_pairs(label: Ints, predicted: Ints) -> dict[str, NDArray[np.generic]]:
    """What the catalogue says of each pair: `depth`, `distance`, `size_ratio`, `bins_apart`."""
    import numpy as np

    from repro.catalogue.class_sizes import load_class_sizes
    from repro.catalogue.hierarchy import load_hierarchy

    hierarchy, sizes = load_hierarchy(), load_class_sizes()
    in_cm = np.array([size.longest_side_cm for size in sizes])
    bins = np.array([size.half_decade for size in sizes], dtype=np.int64)
    apart = np.abs(np.log(in_cm[label]) - np.log(in_cm[predicted]))
    return {
        "depth": hierarchy.depth_table()[label, predicted].astype(np.int64),
        "distance": hierarchy.distance_table()[label, predicted].astype(np.int64),
        "size_ratio": np.exp(apart),
        "bins_apart": np.abs(bins[label] - bins[predicted]),
    }


def _count_by_run(errors: pd.DataFrame) -> pd.DataFrame:
    """One row a run and pair: `count`, all of it `forth`."""
    keys = errors["label"] * N_CLASSES + errors["predicted"]
    counted = errors.assign(key=keys).groupby(["key", "run"], sort=False, observed=True).size()
    by_run = counted.rename("count").reset_index()
    label, predicted = by_run["key"] // N_CLASSES, by_run["key"] % N_CLASSES
    return by_run.assign(label=label, predicted=predicted, forth=by_run["count"], back=0)


def _fold(by_run: pd.DataFrame) -> pd.DataFrame:
    """A pair and its reverse as one row a run, the lower class first."""
    import numpy as np

    turned = by_run["label"] > by_run["predicted"]
    folded = by_run.assign(
        label=np.minimum(by_run["label"], by_run["predicted"]),
        predicted=np.maximum(by_run["label"], by_run["predicted"]),
        forth=by_run["count"].where(~turned, 0),
        back=by_run["count"].where(turned, 0),
    )
    keys = ["label", "predicted", "run"]
    return folded.groupby(keys, sort=False, observed=True, as_index=False)[["count", "forth", "back"]].sum()


class _Chance:
    """What errors would be if a class's fell on the others as all wrong predictions of the run do."""

    def __init__(self, counts: pd.DataFrame, symmetric: bool) -> None:
        import numpy as np

        wrong = counts.pivot(index="run", columns="class", values="n_wrong")
        self.runs = list(wrong.index)
        self._symmetric = symmetric
        self._wrong = wrong.to_numpy()
        self._taken = counts.pivot(index="run", columns="class", values="n_predicted_wrong").to_numpy()
        # A class's own images are never wrongly taken for it.
        of_others = self._taken.sum(axis=1, keepdims=True) - self._taken
        self._share = self._wrong / np.maximum(of_others, 1)

    def expected(self, run: str, label: Ints, predicted: Ints) -> Floats:
        share, taken = (values[self.runs.index(run)] for values in (self._share, self._taken))
        expected: Floats = share[label] * taken[predicted]
        return expected + share[predicted] * taken[label] if self._symmetric else expected

    def tails(self, by_run: pd.DataFrame) -> pd.Series[float]:
        """The chance of each row's count or more; Poisson's tail lies above the binomial's it stands for."""
        import pandas as pd
        from scipy.special import pdtrc  # scipy.stats has it too, and takes half a second to import

        tails = []
        for run, rows in by_run.groupby("run", sort=False, observed=True):
            expected = self.expected(str(run), rows["label"].to_numpy(), rows["predicted"].to_numpy())
            tails.append(pd.Series(pdtrc(rows["count"] - 1, expected), index=rows.index))
        return pd.concat(tails) if tails else pd.Series(dtype="float64")

    def n_possible(self) -> int:
        """How many pairs of a class with errors and a class wrongly predicted there are."""
        wrong, taken = self._wrong.any(axis=0), self._taken.any(axis=0)
        n_directed = int(wrong.sum()) * int(taken.sum()) - int((wrong & taken).sum())
        if not self._symmetric:
            return n_directed
        n_both = int((wrong & taken).sum())
        return n_directed - n_both * (n_both - 1) // 2


def _main_causes(errors: pd.DataFrame, pairs: pd.DataFrame, symmetric: bool) -> list[str]:
    """The cause of most errors of each pair; of several, the one that comes first among the causes."""
    import numpy as np
    import pandas as pd

    from repro.analysis.causes import CAUSES

    a, b = errors["label"].to_numpy(), errors["predicted"].to_numpy()
    if symmetric:
        a, b = np.minimum(a, b), np.maximum(a, b)
    keys, where = np.unique(a * N_CLASSES + b, return_inverse=True)
    causes = pd.Categorical(errors["cause"], CAUSES).codes
    cells = np.bincount(where * len(CAUSES) + causes, minlength=len(keys) * len(CAUSES))
    counts = cells.reshape(len(keys), len(CAUSES))
    wanted = np.searchsorted(keys, pairs["label"] * N_CLASSES + pairs["predicted"])
    return [CAUSES[i] for i in counts.argmax(axis=1)[wanted]]


def _counts_of_runs(by_run: pd.DataFrame, pair: NDArray[np.integer[Any]]) -> NDArray[np.object_]:
    """The counts by run of each pair; `pair` is the place, from 0, of each row's.

    Of many runs, most pairs are in one alone: those of the same run and count are one mapping.
    """
    import numpy as np
    import pandas as pd

    together = np.argsort(pair, kind="stable")
    of_run, names = pd.factorize(by_run["run"].to_numpy(dtype=object)[together])
    counts = by_run["count"].to_numpy()[together]
    sizes = np.bincount(pair)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    found = np.empty(len(sizes), dtype=object)

    alone = starts[sizes == 1]
    keys, where = np.unique(counts[alone] * len(names) + of_run[alone], return_inverse=True)
    mappings = [{names[key % len(names)]: key // len(names)} for key in keys.tolist()]
    found[sizes == 1] = np.fromiter(mappings, dtype=object, count=len(mappings))[where]

    runs, each = names[of_run].tolist(), counts.tolist()
    for place in np.flatnonzero(sizes > 1).tolist():
        rows = slice(starts[place], ends[place])
        found[place] = dict(zip(runs[rows], each[rows], strict=True))
    return found


def _more_often_true_first(pairs: pd.DataFrame) -> pd.DataFrame:
    turned = pairs["back"] > pairs["forth"]
    ways = (("label", "predicted"), ("predicted", "label"), ("forth", "back"), ("back", "forth"))
    return pairs.assign(**{name: pairs[name].where(~turned, pairs[other]) for name, other in ways})
