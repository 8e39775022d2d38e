"""A hint is a command line that does what it says, whatever the folder is called."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.exceptions import StorageError
from repro.results.manifest import find_manifest
from repro.results.verifications import find_verification


@pytest.mark.parametrize("find", [find_manifest, lambda path: find_verification(path, "key")])
def test_what_is_to_be_removed_is_one_word(tmp_path: Path, find: Callable[[Path], object]) -> None:
    """`rm my runs/…` would remove `my`."""
    path = tmp_path / "my runs; $HOME"
    path.write_bytes(b"damaged")
    with pytest.raises(StorageError) as refused:
        find(path)
    assert shlex.split(refused.value.hint.partition(", then")[0]) == ["rm", str(path)]
