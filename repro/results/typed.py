"""Values that came out of a file, held to the types of the dataclasses they are meant for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

_hints: Callable[[Any], dict[str, Any]] = cache(get_type_hints)  # which takes longer than all else here


def check_types(value: Any, wanted: Any, name: str) -> None:
    """Looks at `value` and all that is in it; `wanted` is what a dataclass's field may be annotated with.

    Raises:
        TypeError: something is of another type; `name` and the fields below it lead there.
        ValueError: a text is none that can be written, or a number is not finite.
    """
    if is_dataclass(wanted):
        if type(value) is not wanted:
            raise TypeError(f"{name} is no {getattr(wanted, '__name__', wanted)}")
        hints = _hints(wanted)
        for field in fields(wanted):
            check_types(getattr(value, field.name), hints[field.name], f"{name}.{field.name}")
    elif get_origin(wanted) is tuple:
        kinds = get_args(wanted)
        kinds = (kinds[0],) * len(value) if kinds[-1] is Ellipsis else kinds
        for place, (one, kind) in enumerate(zip(value, kinds, strict=True)):
            check_types(one, kind, f"{name}[{place}]")
    elif get_origin(wanted) is Mapping:
        if not isinstance(value, dict):
            raise TypeError(f"{name} is {type(value).__name__}, not an object")
        for key, one in value.items():
            check_types(key, str, f"{name}'s key")
            check_types(one, get_args(wanted)[1], f"{name}.{key}")
    elif kinds := get_args(wanted):
        _check_one_of(value, kinds, name)
    else:
        _check_plain(value, wanted, name)


def _check_one_of(value: Any, kinds: tuple[Any, ...], name: str) -> None:
    """A union; of `X | None` a value that is there is held to X."""
    if type(value) in kinds:
        return check_types(value, type(value), name)
    others = [kind for kind in kinds if kind is not NoneType]
    if value is None or len(others) != 1:
        raise TypeError(f"{name} is {type(value).__name__}")
    return check_types(value, others[0], name)


def _check_plain(value: Any, wanted: Any, name: str) -> None:
    if type(value) is not wanted and not (wanted is float and type(value) is int):
        raise TypeError(f"{name} is {type(value).__name__}, not {wanted.__name__}")
    if wanted is float and not math.isfinite(value):
        raise ValueError(f"{name} is not finite")
    if wanted is str:
        value.encode()  # half a surrogate pair is no text
