"""Whether what is kept still stands: it is of these images, and nothing asked for since speaks against it.

A dataset's listing names its images without reading them: a copy of a set that was encoded anew has the
same names. So a few images are read before rows are taken for theirs, enough to know another folder.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from repro.evaluation.plan import Plan
from repro.exceptions import DataRefused, InvalidRun, StorageError
from repro.results.manifest import changed_images
from repro.results.predictions import OK
from repro.results.record import RunRecord
from repro.results.store import RunFolder, read_rows
from repro.specs import Sample

N_OF_A_RUN = 16
"""Images of a finished run that are read: a set that was encoded anew differs in every one.

Of kept shards the first, second, fourth, … have one read each: in Parquet each costs a row group.
"""


class Standing:
    """What a plan's dataset and manifest say of rows that are kept from before."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._n_shards: Counter[Path] = Counter()

    @cached_property
    def _samples(self) -> Mapping[str, Sample]:
        return {sample.image_id: sample for sample in self.plan.dataset.samples}

    def require(self, folder: RunFolder, record: RunRecord) -> None:
        """Refuses a finished run that would not be made so now; a manifest that vouches for it is noted.

        Raises:
            DataRefused: its images are others.
            InvalidRun: it lacks unreadable images, which this time may not be left out.
        """
        again = f"move {folder.path} away, and the same command again"
        summary = record.summary
        if summary.n_scored < summary.n and not self.plan.request.allow_unreadable:
            n = summary.n - summary.n_scored
            raise InvalidRun(
                f"{record.run_id} was made with --allow-unreadable, and lacks {n:,} of {summary.n:,} images",
                hint=f"--allow-unreadable shows it; once the images are mended: {again}",
            )
        rows = read_rows(folder.path, record, ["image_id", "sha256", "status"])
        self.recognise(rows, folder.path)
        manifest = self.plan.manifest
        if changed := changed_images(rows, manifest):
            raise DataRefused(
                f"{record.run_id} scored {len(changed):,} images that are not those of the manifest "
                f"({changed[0]}, …)",
                hint=again,
            )
        if manifest is not None and record.dataset.verified != str(manifest):
            with suppress(StorageError):  # a folder that is only to be read is read all the same
                folder.rewrite(replace(record, dataset=replace(record.dataset, verified=str(manifest))))

    def recognise_shard(self, rows: pa.Table, where: Path) -> None:
        """The same for the `rows` of one shard after the other that is kept in `where`."""
        self._n_shards[where] += 1
        if self._n_shards[where].bit_count() == 1:
            self.recognise(rows, where, 1)

    def recognise(self, rows: pa.Table, where: Path, n: int = N_OF_A_RUN) -> None:
        """Reads about `n` of the images that `rows` (image_id, sha256, status), kept in `where`, are of.

        Raises:
            DataRefused: one has other bytes than those that were scored, or cannot be read any more.
        """
        scored = rows.filter(pc.equal(rows["status"], OK)).select(["image_id", "sha256"])
        places = range(0, scored.num_rows, max(scored.num_rows // n, 1))
        some = scored.take(pa.array(places, pa.int64()))  # of none, pyarrow does not know the type
        self.recognise_images(dict(zip(*some.to_pydict().values(), strict=True)), where)

    def recognise_images(self, seen: Mapping[str, str], where: Path) -> None:
        """The same for the images in `seen`, by their ids; values are the SHA-256 that they had."""
        for image_id, sha256 in seen.items():
            if self._sha256(image_id) != sha256:
                raise DataRefused(
                    f"{self.plan.dataset.root} is not what was scored before: image {image_id} has other "
                    f"bytes than in {where}",
                    hint=f"another --runs for other images; or move {where} away",
                )

    def _sha256(self, image_id: str) -> str:
        try:
            return hashlib.sha256(self.plan.dataset.read(self._samples[image_id])).hexdigest()
        except OSError as error:
            raise DataRefused(f"image {image_id} cannot be read any more: {error}") from error
