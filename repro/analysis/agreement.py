"""How far two readers of the same errors agree, and how their verdicts stand to the automatic causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import sqrt
from statistics import NormalDist

from repro.analysis.causes import CAUSES
from repro.exceptions import UsageError
from repro.results.codings import VERDICTS, Coding, Codings


@dataclass(frozen=True, slots=True)
class CrossTable:
    """How many errors have each of `rows` together with each of `columns`; `counts` stand row by row."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def n(self) -> int:
        return sum(map(sum, self.counts))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two readers over the errors that both coded; `table` has the first one's verdicts in its rows.

    Attributes:
        kappa: Cohen's: 1 is agreement in all, 0 what chance would give by how often each reader uses each
            verdict. None where that cannot be said; `undefined` has the reason.
        interval: of kappa, by its large-sample standard error (Fleiss, Cohen and Everitt, Psychological
            Bulletin 72, 1969): for few errors it is too narrow. None where kappa is, and where that error is
            0, as it is for agreement in all.
    """

    first: str
    second: str
    table: CrossTable
    kappa: float | None
    interval: tuple[float, float] | None
    undefined: str

    @property
    def n(self) -> int:
        return self.table.n

    @property
    def n_same(self) -> int:
        """How many errors both gave the same verdict."""
        return sum(counts[i] for i, counts in enumerate(self.table.counts))


def agreements(codings: Codings) -> list[Agreement]:
    """Every two readers of a run."""
    return [agreement(codings, *pair) for pair in combinations(codings.readers, 2)]


def agreement(codings: Codings, first: str, second: str) -> Agreement:
    """Two readers of a run.

    Raises:
        UsageError: one of them has no verdict that counts, or they are one.
    """
    for reader in (first, second):
        if reader not in codings.readers:
            there = f"there are {', '.join(codings.readers)}" if codings.readers else "nobody has coded yet"
            raise UsageError(f"no verdicts of {reader!r}; {there}")
    if first == second:
        raise UsageError(f"{first!r} agrees with nobody else: name two readers")
    ours, theirs = codings.of_reader(first), codings.of_reader(second)
    pairs = [(ours[image].verdict, theirs[image].verdict) for image in ours if image in theirs]
    table = cross(pairs, VERDICTS, VERDICTS)
    kappa, interval, undefined = None, None, _why_undefined(pairs)
    if not undefined:
        kappa, interval = cohen_kappa(table.counts)
    return Agreement(first, second, table, kappa, interval, undefined)


def _why_undefined(pairs: Sequence[tuple[str, str]]) -> str:
    if not pairs:
        return "they have coded no error in common"
    used = {verdict for pair in pairs for verdict in pair}
    return "" if len(used) > 1 else f"both said {used.pop()} of every error, and so would chance"


def cross(pairs: Iterable[tuple[str, str]], rows: Sequence[str], columns: Sequence[str]) -> CrossTable:
    """Counts the pairs of a row and a column."""
    found = Counter(pairs)
    counts = tuple(tuple(found[row, column] for column in columns) for row in rows)
    return CrossTable(tuple(rows), tuple(columns), counts)


def verdicts_by_cause(codings: Iterable[Coding], causes: Mapping[str, str]) -> CrossTable:
    """Verdicts in rows, the automatic cause of the same error in columns.

    `causes` are by image id, of the errors of the same run; codings of other images are not counted.
    """
    known = ((coding.verdict, causes[coding.image_id]) for coding in codings if coding.image_id in causes)
    return cross(known, VERDICTS, CAUSES)


def cohen_kappa(counts: Sequence[Sequence[int]]) -> tuple[float, tuple[float, float] | None]:
    """Kappa of a square table of counts, and its 95 % interval, as `Agreement` says.

    The table has images, and more than one category in its rows or columns.
    """
    n = sum(map(sum, counts))
    places = range(len(counts))
    share = [[Fraction(count, n) for count in row] for row in counts]
    of_first = [sum(row, Fraction()) for row in share]
    of_second = [sum((share[i][j] for i in places), Fraction()) for j in places]
    observed = sum((share[i][i] for i in places), Fraction())
    by_chance = sum((of_first[i] * of_second[i] for i in places), Fraction())
    kappa = (observed - by_chance) / (1 - by_chance)
    same = sum(share[i][i] * (1 - (of_first[i] + of_second[i]) * (1 - kappa)) ** 2 for i in places)
    other = sum(share[i][j] * (of_second[i] + of_first[j]) ** 2 for i in places for j in places if i != j)
    spread = same + (1 - kappa) ** 2 * other - (kappa - by_chance * (1 - kappa)) ** 2
    if not spread:
        return float(kappa), None
    reach = NormalDist().inv_cdf(0.975) * sqrt(spread / n) / float(1 - by_chance)
    return float(kappa), (max(float(kappa) - reach, -1.0), min(float(kappa) + reach, 1.0))
