"""A class or a super-class by what people type: a number, a wnid, or any of WordNet's names for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from repro.catalogue.classes import ImageNetClass, index_by_wnid, is_wnid, load_classes
from repro.catalogue.hierarchy import Node, load_hierarchy
from repro.exceptions import UsageError
from repro.suggestions import suggest


def find_class(text: str) -> ImageNetClass:
    """The class by its number (as models output it, from 0), its wnid, its name or a synonym, in any case.

    A name of classes.csv is unique and means that class, also where it is a synonym of another:
    `partridge` is 86, though WordNet calls the ruffed grouse (82) so too.

    Raises:
        UsageError: nothing is called so (the nearest names are in the message), or several classes are.
    """
    key = _normalised(text)
    if key.isascii() and key.isdigit():
        return _class_by_number(key)
    if is_wnid(key):
        return _class_by_wnid(key)
    if key in _class_by_name():
        return _class_by_name()[key]
    found = _classes_by_lemma().get(key, ())
    if len(found) == 1:
        return found[0]
    if found:
        listed = " or ".join(_named(c.index) for c in found)
        raise UsageError(f"{text!r} is {len(found)} classes: {listed}; say which by its number or wnid")
    raise UsageError(f"unknown class {text!r}; {_instead_of_class(key)}")


def find_superclass(text: str) -> Node:
    """The node above classes, by its wnid or any of its names, in any case: `n02084071` or `dog`.

    Raises:
        UsageError: nothing is called so (the nearest names are in the message), several nodes are, or it
            is a class, which has none below it.
    """
    key = _normalised(text)
    superclasses = _superclasses()
    if key in superclasses:
        return superclasses[key]
    found = _superclasses_by_lemma().get(key, ())
    if len(found) == 1:
        return found[0]
    if found:
        listed = " or ".join(f"{node.wnid} {_described(node)}" for node in found)
        raise UsageError(f"{text!r} is {len(found)} super-classes: {listed}; say which by its wnid")
    raise UsageError(f"unknown super-class {text!r}; {_instead_of_superclass(key)}")


def _normalised(text: str) -> str:
    return " ".join(text.replace("_", " ").split()).lower()


def _class_by_number(key: str) -> ImageNetClass:
    classes = load_classes()
    number = key.lstrip("0") or "0"
    if len(number) > len(str(len(classes))) or int(number) >= len(classes):
        raise UsageError(f"there is no class {key}; classes are numbered 0 to {len(classes) - 1}")
    return classes[int(number)]


def _class_by_wnid(wnid: str) -> ImageNetClass:
    if wnid in index_by_wnid():
        return load_classes()[index_by_wnid()[wnid]]
    if wnid in _superclasses():
        raise UsageError(f"{wnid} is no class, but a super-class: {_described(_superclasses()[wnid])}")
    index = index_by_wnid()
    suggestion = suggest(
        wnid, index, told=lambda near: _named(index[near]), otherwise="water bottle is n04557648"
    )
    raise UsageError(f"{wnid} is none of the {len(index)} classes; {suggestion}")


def _instead_of_class(key: str) -> str:
    if superclasses := _superclasses_by_lemma().get(key):
        return f"it is a super-class: {' or '.join(_described(node) for node in superclasses)}"
    otherwise = "a class is given by its number, its wnid or any of its names in WordNet"
    names = {**_class_by_name(), **_classes_by_lemma()}
    return suggest(key, names, most=3, cutoff=0.7, otherwise=otherwise)


def _instead_of_superclass(key: str) -> str:
    classes = [index_by_wnid()[key]] if key in index_by_wnid() else _indices_called(key)
    if classes:
        parents = [load_hierarchy().nodes[_node(index).parents[0]].name for index in classes]
        told = (
            f"{_named(index)}, a kind of {parent}" for index, parent in zip(classes, parents, strict=True)
        )
        return f"it is a class: {' or '.join(told)}"
    otherwise = "a super-class is given by its wnid or any of its names in WordNet, such as dog or n02084071"
    return suggest(key, _superclasses_by_lemma(), most=3, cutoff=0.7, otherwise=otherwise)


def _indices_called(key: str) -> list[int]:
    if key in _class_by_name():
        return [_class_by_name()[key].index]
    return [c.index for c in _classes_by_lemma().get(key, ())]


def _named(index: int) -> str:
    c = load_classes()[index]
    return f"{c.index} {c.name} ({c.wnid})"


def _node(index: int) -> Node:
    return load_hierarchy().nodes[load_classes()[index].wnid]


def _described(node: Node) -> str:
    n_classes = len(load_hierarchy().classes_under(node.wnid))
    return f"{', '.join(node.lemmas[:2])} ({n_classes} class{'es' if n_classes > 1 else ''})"


@cache
def _class_by_name() -> Mapping[str, ImageNetClass]:
    return {_normalised(c.name): c for c in load_classes()}


@cache
def _classes_by_lemma() -> Mapping[str, tuple[ImageNetClass, ...]]:
    classes = load_classes()
    nodes = (_node(c.index) for c in classes)
    by_lemma = _by_lemma(nodes)
    return {
        lemma: tuple(classes[index_by_wnid()[node.wnid]] for node in found)
        for lemma, found in by_lemma.items()
    }


@cache
def _superclasses() -> Mapping[str, Node]:
    return {wnid: node for wnid, node in load_hierarchy().nodes.items() if wnid not in index_by_wnid()}


@cache
def _superclasses_by_lemma() -> Mapping[str, tuple[Node, ...]]:
    return _by_lemma(sorted(_superclasses().values(), key=lambda node: node.wnid))


def _by_lemma(nodes: Iterable[Node]) -> dict[str, tuple[Node, ...]]:
    found: dict[str, tuple[Node, ...]] = {}
    for node in nodes:
        for lemma in dict.fromkeys(_normalised(lemma) for lemma in node.lemmas):
            found[lemma] = (*found.get(lemma, ()), node)
    return found
