"""The weights that were used first (`runs/weights.lock`): commit and SHA-256 of each file of the hub.

A branch of the hub can move; what was measured with one file is never repeated with another unnoticed.
Hashes of the hub's files are not known beforehand, so the first use decides.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from repro.exceptions import StorageError
from repro.results.atomic import storage_errors, write_atomically


@dataclass(frozen=True, slots=True)
class Pin:
    """A file's commit and content."""

    revision: str
    sha256: str


class WeightsLock:
    """The pins beside the runs in `folder`, by the file's location on the hub."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "weights.lock"

    def find(self, location: str) -> Pin | None:
        """The pin of a file, or None before its first use."""
        return self._read().get(location)

    def add(self, location: str, pin: Pin) -> None:
        """Keeps `pin` unless there is one already.

        Raises:
            StorageError: the file is damaged, or the disk does not take it.
        """
        if self.find(location):
            return
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_name(".weights.lock")):
                pins = {location: pin} | self._read()
                text = json.dumps({name: asdict(pins[name]) for name in sorted(pins)}, indent=1) + "\n"
                write_atomically(self.path, text.encode())

    def _read(self) -> dict[str, Pin]:
        try:
            pins = json.loads(self.path.read_text(encoding="utf-8"))
            return {location: Pin(**pin) for location, pin in pins.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise StorageError(
                f"{self.path} is damaged ({error}); mend it, or delete it to pin the weights in use now"
            ) from error
