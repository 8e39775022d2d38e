"""WordNet's hierarchy above the 1000 classes: what a class is a kind of, and what two classes have in common.

The depth of a node is the length of the longest way up to the root, `entity`, whose depth is 0. By the
longest way, not the shortest, everything stands deeper than all that is above it: `dog` is at 13, below
`canine` at 12, though by way of `domestic animal` it is 8 from the root. No class stands above another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from repro.catalogue.classes import load_classes
from repro.catalogue.csv_files import csv_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


FINE_GRAINED_DEPTH = 8
"""From this depth of their lowest common ancestor on two classes are fine-grained, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Node:
    """A synset: a class, or what stands above one. `lemmas` are its names in WordNet's order."""

    wnid: str
    lemmas: tuple[str, ...]
    parents: tuple[str, ...]
    depth: int

    @property
    def name(self) -> str:
        """The first lemma; unlike a class's name in classes.csv, others may share it."""
        return self.lemmas[0]


@dataclass(frozen=True)
class Hierarchy:
    """`nodes` by wnid, parents before children. Classes are given by index, nodes by wnid."""

    nodes: Mapping[str, Node]

    def depth(self, wnid: str) -> int:
        return self.nodes[wnid].depth

    def lowest_common_ancestor(self, a: int, b: int) -> Node:
        """The deepest node that both classes are a kind of; a class's own node where `a` is `b`.

        Of several that are equally deep (a node may have more than one parent; 12 pairs of classes) it is
        the one with the shortest way from `a` over it to `b`, then the one with the lowest wnid.
        """
        from_a, from_b = self._steps_up[a], self._steps_up[b]
        wnid = min(from_a.keys() & from_b.keys(), key=lambda w: (-self.depth(w), from_a[w] + from_b[w], w))
        return self.nodes[wnid]

    def semantic_distance(self, a: int, b: int) -> int:
        """Steps from `a` up to the lowest common ancestor and down to `b`, each by the shortest way.

        0 for a class and itself, 2 for sisters. A way over an ancestor that is less deep may be shorter:
        it is not taken, so that distance and depth speak of the same node.
        """
        ancestor = self.lowest_common_ancestor(a, b).wnid
        return self._steps_up[a][ancestor] + self._steps_up[b][ancestor]

    def classes_under(self, wnid: str) -> tuple[int, ...]:
        """The classes that are a kind of the node, ascending; a class's own node has that class."""
        return self._classes_under[wnid]

    def depth_table(self) -> NDArray[np.uint8]:
        """The depth of the lowest common ancestor of all pairs: (1000, 1000), 1 MB, read-only.

        The deeper, the more alike the classes are; a class's own depth on the diagonal.
        """
        return self._pair_tables[0]

    def distance_table(self) -> NDArray[np.uint8]:
        """`semantic_distance` of all pairs: (1000, 1000), 1 MB, read-only."""
        return self._pair_tables[1]

    @cached_property
    def _steps_up(self) -> Mapping[int, Mapping[str, int]]:
        """By class: each node from itself to the root, deepest first, with the shortest way to it."""
        return {c.index: self._steps_from(c.wnid) for c in load_classes()}

    def _steps_from(self, wnid: str) -> Mapping[str, int]:
        steps = {wnid: 0}
        waiting = deque([wnid])
        while waiting:
            child = waiting.popleft()
            for parent in self.nodes[child].parents:
                if parent not in steps:
                    steps[parent] = steps[child] + 1
                    waiting.append(parent)
        return dict(sorted(steps.items(), key=lambda step: (-self.depth(step[0]), step[0])))

    @cached_property
    def _classes_under(self) -> Mapping[str, tuple[int, ...]]:
        under: dict[str, list[int]] = {wnid: [] for wnid in self.nodes}
        for index, steps in self._steps_up.items():
            for wnid in steps:
                under[wnid].append(index)
        return {wnid: tuple(indices) for wnid, indices in under.items()}

    @cached_property
    def _pair_tables(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Depths and distances: as one number, the smallest is of the deepest node, then the nearest."""
        import numpy as np

        n_classes = len(self._steps_up)
        nearest = np.full((n_classes, n_classes), np.iinfo(np.uint16).max, dtype=np.uint16)
        for node in self.nodes.values():
            under = self._classes_under[node.wnid]
            steps = np.array([self._steps_up[index][node.wnid] for index in under], dtype=np.uint16)
            pairs = np.ix_(under, under)
            nearest[pairs] = np.minimum(nearest[pairs], (255 - node.depth) * 256 + steps[:, None] + steps)
        tables = (255 - nearest // 256).astype(np.uint8), (nearest % 256).astype(np.uint8)
        for table in tables:
            table.flags.writeable = False
        return tables


@cache
def load_hierarchy() -> Hierarchy:
    """The classes and what stands above them: 1,860 nodes of WordNet 3.0."""
    rows = {row["wnid"]: row for row in csv_rows("hierarchy.csv")}
    parents = {wnid: _listed(row["parents"]) for wnid, row in rows.items()}
    nodes: dict[str, Node] = {}
    for wnid in TopologicalSorter(parents).static_order():
        depth = max((nodes[parent].depth + 1 for parent in parents[wnid]), default=0)
        nodes[wnid] = Node(wnid, _listed(rows[wnid]["lemmas"]), parents[wnid], depth)
    return Hierarchy(nodes)


@cache
def load_glosses() -> tuple[str, ...]:
    """WordNet's definition of each class, by index."""
    glosses = {row["wnid"]: row["gloss"] for row in csv_rows("glosses.csv")}
    return tuple(glosses[c.wnid] for c in load_classes())


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()
