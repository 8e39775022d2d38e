"""Records as JSON that bear the SHA-256 of their own values, so that no changed digit is believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from repro.specs import digest


def seal(values: Mapping[str, Any], *, sort: bool = True) -> str:
    """`values` as JSON without NaN, ended by a line end; `sha256` is that of all the others.

    Without `sort` they stand in their own order, which the seal does not vouch for.

    Raises:
        ValueError: a number is not finite.
    """
    sealed = {**values, "sha256": digest(values)}
    return json.dumps(sealed, indent=1, sort_keys=sort, ensure_ascii=False, allow_nan=False) + "\n"


def unseal(text: str) -> dict[str, Any]:
    """The values that `seal` was given.

    Raises:
        ValueError: the text is no JSON, or not what was written.
    """
    values = json.loads(text)
    if not isinstance(values, dict) or values.pop("sha256", None) != digest(values):
        raise ValueError("it is not what was written: its SHA-256 differs")
    return values
