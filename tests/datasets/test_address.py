"""Shards in object storage are those of a folder; what cannot be read there is told.

Each client is a process of its own, so that no test which forks inherits one.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from repro.commands import app
from repro.commands.door import path_or_address
from repro.datasets import open_dataset
from repro.datasets.address import Address, as_address
from repro.datasets.training_images import open_training_images
from repro.exceptions import UsageError
from tests.datasets.test_parquet import shard_name, write_split
from tests.object_store import ObjectStore

READ = """
import hashlib, sys
from repro.commands import app
from repro.commands.door import path_or_address
from repro.datasets import open_dataset
from repro.exceptions import ReproError
for told in sys.argv[1:]:
    try:
        dataset = open_dataset(path_or_address(told))
    except ReproError as error:
        print(type(error).__name__, error, sep="\\t")
        continue
    for sample in dataset.samples:
        digest = hashlib.sha256(dataset.read(sample)).hexdigest()
        print(sample.image_id, sample.label, sample.path, digest, sep="\\t")
"""


def read(store: ObjectStore, *addresses: str) -> list[list[str]]:
    """What a process says that reads all that is there."""
    return [line.split("\t") for line in ask(store, "-c", READ, *addresses).stdout.splitlines()]


def ask(store: ObjectStore, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python that knows this store alone, once it has ended well."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **store.variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("below", ["", "data"])
def test_shards_are_read_as_from_a_folder(below: str, tmp_path: Path) -> None:
    write_split(tmp_path / "bucket" / "imagenet" / below)
    (tmp_path / "bucket" / "imagenet" / "notes.txt").write_text("no image")
    with ObjectStore(tmp_path) as store:
        there = read(store, "s3://bucket/imagenet")
        alone = read(store, f"s3://bucket/imagenet/{below}/{shard_name(1)}".replace("//v", "/v"))
        asked = [path for method, path in store.asked if method == "GET" and "list-type" not in path]
    here = open_dataset(tmp_path / "bucket" / "imagenet")
    assert there == [
        [s.image_id, str(s.label), s.path, hashlib.sha256(here.read(s)).hexdigest()] for s in here.samples
    ]
    assert [row[0] for row in alone] == [row[0] for row in there[10:20]]
    assert all(".parquet" in path for path in asked)


def test_what_cannot_be_read_there_is_told(tmp_path: Path) -> None:
    write_split(tmp_path / "bucket" / "denied")
    (tmp_path / "bucket" / "folders" / "n01440764").mkdir(parents=True)
    (tmp_path / "bucket" / "folders" / "n01440764" / "a.JPEG").write_bytes(b"")
    (tmp_path / "bucket" / "damaged").mkdir()
    (tmp_path / "bucket" / "damaged" / "0.parquet").write_bytes(b"PAR1 and no more")
    with ObjectStore(tmp_path, denied={f"denied/{shard_name(i)}" for i in range(3)}) as store:
        told = read(store, *(f"s3://bucket/{name}" for name in ("denied", "folders", "damaged", "nothing")))
    assert [kind for kind, _ in told] == 4 * ["DataRefused"]
    denied, folders, damaged, nothing = (message for _, message in told)
    assert "s3://bucket/denied/" in denied and "ACCESS_DENIED" in denied
    assert folders.startswith("s3://bucket/folders holds no *.parquet, nor does s3://bucket/folders/data")
    assert damaged.startswith("s3://bucket/damaged/0.parquet is damaged, or no Parquet file")
    assert nothing.startswith("s3://bucket/nothing holds no *.parquet")


def test_an_evaluation_has_the_bytes_of_one_from_a_folder(tmp_path: Path) -> None:
    """With a loader process, which is started anew instead of forked."""
    folder = write_split(tmp_path / "bucket" / "imagenet")
    command = ["eval", "--models", "lite0", "--device", "cpu", "--no-canary", "--batch-size", "8"]
    command += ["--threads", str(torch.get_num_threads())]
    here = [*command, "--data", str(folder), "--runs", str(tmp_path / "here"), "--workers", "0"]
    assert CliRunner().invoke(app, here).exit_code == 0
    with ObjectStore(tmp_path) as store:
        there = ["--data", "s3://bucket/imagenet", "--runs", str(tmp_path / "there"), "--workers", "1"]
        done = ask(store, "-m", "repro", *command, *there)
    assert "s3://bucket/imagenet: imagenet-val, parquet shards, 30 images" in done.stderr
    first, second = (next(tmp_path.glob(f"{name}/*/predictions.parquet")) for name in ("here", "there"))
    assert first.read_bytes() == second.read_bytes()
    assert first.parent.name == second.parent.name


def test_what_a_run_from_elsewhere_names_is_not_asked() -> None:
    """Its record holds a text, which becomes a path: only who names an address gets one."""
    with pytest.raises(
        UsageError, match="s3://bucket/it's is not asked for images unless you name it"
    ) as error:
        open_dataset(Path("s3://bucket/it's"))
    assert shlex.split(error.value.hint) == ["--data", "s3://bucket/it's"]


def test_addresses_are_taken_apart_like_paths() -> None:
    address = as_address(Path("s3://bucket/imagenet"))
    assert str(address) == "s3://bucket/imagenet"
    assert str(address / "data") == "s3://bucket/imagenet/data"
    assert (address / "data" / "a.parquet").relative_to(address).as_posix() == "data/a.parquet"
    assert address.name == "imagenet"
    assert Address(str(address)) == address
    assert as_address(Path("/data/imagenet")) is None
    assert as_address(Path("data:set")) is None


def test_other_addresses_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^https:// is no kind of address that is read: there are s3, gs"):
        path_or_address("https://example.org/val")
    with pytest.raises(UsageError, match="gs://bucket/cifar10: training reads at random, from a folder"):
        open_training_images(Path("gs://bucket/cifar10"))
