"""What is sealed is read as it was written, byte for byte as ever, or not at all."""

from __future__ import annotations

import pytest

from repro.results.sealed import seal, unseal
from repro.specs import digest

VALUES = {"top1": 0.91, "images": ["ä", None], "by": {"z": 1, "a": 2}}
SEAL = digest(VALUES)

SORTED = f"""{{
 "by": {{
  "a": 2,
  "z": 1
 }},
 "images": [
  "ä",
  null
 ],
 "sha256": "{SEAL}",
 "top1": 0.91
}}
"""

UNSORTED = f"""{{
 "top1": 0.91,
 "images": [
  "ä",
  null
 ],
 "by": {{
  "z": 1,
  "a": 2
 }},
 "sha256": "{SEAL}"
}}
"""


def test_the_text_is_that_of_the_files_that_are_there() -> None:
    assert seal(VALUES) == SORTED
    assert seal(VALUES, sort=False) == UNSORTED
    assert unseal(SORTED) == unseal(UNSORTED) == VALUES


@pytest.mark.parametrize(
    "damaged",
    [SORTED.replace("0.91", "0.99"), SORTED.replace("sha256", "sha257"), "[1]", "7", "{}", "{", "NaN"],
)
def test_what_was_not_written_is_refused(damaged: str) -> None:
    with pytest.raises(ValueError):  # json's own where it is none
        unseal(damaged)


def test_numbers_that_are_none_are_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        seal({"top1": float("nan")})
