"""How many single flipped bits in photographs are found, with a manifest and without."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from repro.catalogue.classes import load_classes
from repro.datasets import open_dataset
from repro.doctor.examine import Examination, examine


class NoBar:
    def begin(self, total: int, kept: int) -> None: ...
    def scored(self, n: int) -> None: ...


def check(n: int) -> dict[str, int]:
    """Flips one random bit of a photograph of foolbox's, `n` times, and examines the dataset each time.

    `found_without_manifest` are those that made the image unreadable.
    """
    found = found_without = 0
    with tempfile.TemporaryDirectory() as folder:
        data, runs = Path(folder, "photos"), Path(folder, "runs")
        photos = copy_photos(data)
        assert not examine(open_dataset(data), runs, NoBar()).refused
        generator = random.Random(2026)
        for _ in range(n):
            victim = generator.choice(photos)
            whole = victim.read_bytes()
            position = generator.randrange(8 * len(whole))
            damaged = bytearray(whole)
            damaged[position // 8] ^= 1 << position % 8
            victim.write_bytes(damaged)
            examination = examine(open_dataset(data), runs, NoBar())
            victim.write_bytes(whole)
            found += is_named(victim, "manifest", examination)
            found_without += is_named(victim, "decoding", examination)
    return {"flips": n, "found": found, "found_without_manifest": found_without}


def copy_photos(root: Path) -> list[Path]:
    """The photographs in class folders, as ImageNet's are."""
    dataset = open_dataset()
    copies = []
    for sample in dataset.samples:
        path = root / load_classes()[sample.label].wnid / sample.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dataset.read(sample))
        copies.append(path)
    return copies


def is_named(victim: Path, check_name: str, examination: Examination) -> bool:
    (finding,) = [finding for finding in examination.findings if finding.check == check_name]
    return finding.verdict == "refused" and victim.stem in finding.text
