"""The 1000 classes in some forty groups that a person can read, by the hierarchy: hounds, vessels, garments.

WordNet lets a node have several parents. Here one of them counts, the deepest, as it says most (of equally
deep ones the lowest wnid), so that what stands above the classes is a tree. It is divided from below: a
node with `LARGEST` classes or fewer is left whole for the node above it. Where there are more, each of its
parts with `SMALLEST` classes or more becomes a group, then the largest of the others while still too many are
left; what is left goes up, and ends in a group called `other …`, after the lowest node over all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from repro.catalogue.classes import index_by_wnid, load_classes
from repro.catalogue.hierarchy import Hierarchy, load_hierarchy

LARGEST = 40
SMALLEST = 12


@dataclass(frozen=True, slots=True)
class ClassGroup:
    """Classes that stand together, likes beside likes; `wnid` is the lowest node over all of them.

    A name that begins with `other` says that the node has more classes, which are groups of their own.
    """

    name: str
    wnid: str
    classes: tuple[int, ...]


@cache
def class_groups() -> tuple[ClassGroup, ...]:
    """All groups, likes beside likes; each class is in one of them."""
    tree = _Tree(load_hierarchy())
    groups, rest = _divide(tree, tree.root)
    return (*groups, tree.group(tree.root, rest)) if rest else tuple(groups)


class _Tree:
    """The hierarchy with one parent a node: children by wnid, in the order of their first classes."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        self._nodes = hierarchy.nodes
        children: dict[str, dict[str, None]] = {}
        for c in load_classes():
            wnid = c.wnid
            while parents := self._nodes[wnid].parents:
                parent = min(parents, key=lambda wnid: (-hierarchy.depth(wnid), wnid))
                children.setdefault(parent, {})[wnid] = None
                wnid = parent
        self.root = wnid
        self.children: Mapping[str, tuple[str, ...]] = {node: tuple(of) for node, of in children.items()}

    def classes(self, wnid: str) -> Iterator[int]:
        """The classes below a node, or its own, in the order of the tree."""
        if wnid in index_by_wnid():
            yield index_by_wnid()[wnid]
        for child in self.children.get(wnid, ()):
            yield from self.classes(child)

    def group(self, wnid: str, classes: list[int]) -> ClassGroup:
        """The group of these classes below the node, called after the lowest node over all of them."""
        whole = set(self.classes(wnid))
        for child in self.children.get(wnid, ()):
            if set(classes) <= set(self.classes(child)):
                return self.group(child, classes)
        other = "other " if len(classes) < len(whole) else ""
        return ClassGroup(other + self._nodes[wnid].name, wnid, tuple(classes))


def _divide(tree: _Tree, wnid: str) -> tuple[list[ClassGroup], list[int]]:
    """The groups below a node, and the classes that are left for one above."""
    if wnid in index_by_wnid():
        return [], [index_by_wnid()[wnid]]
    parts = {child: _divide(tree, child) for child in tree.children[wnid]}
    n_left = sum(len(rest) for _, rest in parts.values())
    is_large = n_left > LARGEST
    own: set[str] = set()
    for child, (_, rest) in sorted(parts.items(), key=lambda part: -len(part[1][1])):
        if n_left > LARGEST or (is_large and len(rest) >= SMALLEST):
            own.add(child)
            n_left -= len(rest)
    groups: list[ClassGroup] = []
    left: list[int] = []
    for child, (below, rest) in parts.items():
        groups += below
        if child in own:
            groups.append(tree.group(child, rest))
        else:
            left += rest
    return groups, left
