"""A cluster of two nodes on the loopback gives the bytes of one process, though a worker is killed midway."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from repro.commands import app
from repro.evaluation.canary import put_canary_first
from repro.evaluation.evaluate import evaluate
from repro.evaluation.image_pass import ImagePass
from repro.evaluation.plan import Request, plan_evaluation
from repro.evaluation.ray_engine import ShardScorer, count_places, evaluate_on_ray, told_error
from repro.exceptions import ReproError, UsageError, WeightsRefused
from tests.evaluation.test_evaluate import Watcher
from tests.hub import save_test_resnet
from tests.oracle import paint_folders, save_weights

pytest.importorskip("ray", reason="the extra [ray] is not installed")

RESNET = "timm:test_resnet.r160_in1k"
N_IMAGES = 1000
BATCH = 129
"""Eight shards, of one batch each: some are left once the second worker has come up."""

LIMIT_SECONDS = 600
"""Of the whole cluster, which may take minutes; then everything of it is ended, and the test fails."""

NOTICED_SECONDS = 10
"""How long Ray may take to count what it has started again."""


def asked_in(folder: Path, runs: str) -> Request:
    return Request(
        models=[RESNET],
        runs=folder / runs,
        data=folder / "photos",
        weights={RESNET: folder / "w.safetensors"},
        device="cpu",
        batch_size=BATCH,
        threads=1,
        workers=0,
    )


class Killing(Watcher):
    """Kills the worker of one node once the first shard is kept; Ray says which processes there are."""

    def __init__(self) -> None:
        super().__init__()
        self.killed: list[int] = []

    def keep(self, n: int) -> None:
        super().keep(n)
        alive = {actor["Address"]["NodeID"]: actor["Pid"] for actor in actors() if actor["State"] == "ALIVE"}
        if not self.killed and len(alive) == 2:
            self.killed = [alive[max(alive)]]
            os.kill(self.killed[0], signal.SIGKILL)


def actors() -> list[dict]:
    import ray._private.state

    table = ray._private.state.actors()
    return [actor for actor in table.values() if "ShardScorer" in actor["ActorClassName"]]


def count_restarts() -> int:
    """How often Ray has started a worker again, once it says so, or has had time to."""
    deadline = time.monotonic() + NOTICED_SECONDS
    while not (n := sum(int(actor["NumRestarts"]) for actor in actors())) and time.monotonic() < deadline:
        time.sleep(0.1)
    return n


def listened_on() -> set[str]:
    """The addresses on which any process of the cluster waits for connections, as /proc has them."""
    inodes = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"RAY_TMPDIR={os.environ['RAY_TMPDIR']}".encode() not in (process / "environ").read_bytes():
                continue
            inodes |= {str(link.readlink()) for link in (process / "fd").iterdir()}
        except OSError:
            continue
    tables = [Path("/proc/net", name).read_text().splitlines() for name in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table]
    listening = [line for line in lines if line[3] == "0A"]
    assert listening
    return {line[1].partition(":")[0] for line in listening if f"socket:[{line[9]}]" in inodes}


def run_on_cluster(folder: Path) -> dict[str, object]:
    """What the child process of the test does: Ray's threads and sockets stay out of pytest."""
    import ray
    from ray.cluster_utils import Cluster

    node = {
        "num_cpus": 1,
        "include_log_monitor": False,
        "no_monitor": True,
        "object_store_memory": 80 * 2**20,
        "node_ip_address": "127.0.0.1",
    }
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node)
    ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        watcher = Killing()
        evaluate_on_ray(plan_evaluation(asked_in(folder, "cluster")), watcher)
        return {
            "nodes": len({node["NodeID"] for node in ray.nodes() if node["Alive"]}),
            "killed": len(watcher.killed),
            "restarts": count_restarts(),
            "kept": watcher.n_kept,
            "listened on": sorted(listened_on()),
        }
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def ray_environment() -> Iterator[dict[str, str]]:
    """Ray's sockets in a folder of their own, with a path short enough; all its processes end with it."""
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    # On Linux, Ray takes the loopback in an address for the machine's public address unless this is set,
    # and the processes of a cluster on the loopback are then not to be found.
    only_loopback = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    few_processes = {"RAY_enable_worker_prestart": "0", "RAY_prestart_worker_first_driver": "0"}
    yield os.environ | only_loopback | few_processes | {"RAY_TMPDIR": folder, "OMP_NUM_THREADS": "1"}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"RAY_TMPDIR={folder}".encode() in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue
    shutil.rmtree(folder, ignore_errors=True)


def test_a_cluster_gives_the_bytes_of_one_process_though_a_worker_is_killed(
    tmp_path: Path, ray_environment: dict[str, str]
) -> None:
    save_test_resnet(tmp_path / "w.safetensors")
    paint_folders(tmp_path / "photos", range(N_IMAGES))
    child = """
import json, sys
from pathlib import Path
from tests.evaluation.test_ray_engine import run_on_cluster
print(json.dumps(run_on_cluster(Path(sys.argv[1]))))
"""
    command = [sys.executable, "-c", child, str(tmp_path)]
    begun = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ray_environment
    )
    (alone,) = evaluate(plan_evaluation(asked_in(tmp_path, "alone")), Watcher())
    try:
        out, err = begun.communicate(timeout=LIMIT_SECONDS)
    finally:
        begun.kill()
    assert begun.returncode == 0, err[-3000:]
    told = json.loads(out.splitlines()[-1])
    assert told["nodes"] == 2
    assert told["killed"] == 1
    assert told["restarts"] >= 1
    assert told["kept"] == N_IMAGES
    assert set(told["listened on"]) <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert told["listened on"]
    here, there = (tmp_path / runs / alone.run_id / "predictions.parquet" for runs in ("alone", "cluster"))
    assert there.read_bytes() == here.read_bytes()


def test_what_an_actor_cannot_do_is_told_where_the_evaluation_began(tmp_path: Path) -> None:
    """The actor's code and the collector's, without a cluster between them."""
    save_test_resnet(tmp_path / "w.safetensors")
    paint_folders(tmp_path / "photos", range(3))
    plan = plan_evaluation(asked_in(tmp_path, "runs"))
    here = ImagePass(plan, put_canary_first)
    items = pa.table({"shard": [0], "runs": [[0]]})
    with pytest.raises(UsageError, match=r"pillow 99, this one|this one 99"):
        raise _error_of(ShardScorer(plan, here.numerics, here.environment | {"pillow": "99"})(items))
    other = save_weights(tmp_path / "other.safetensors")
    damaged = replace(plan.candidates[0], weights=replace(plan.candidates[0].weights, path=other))
    with pytest.raises(WeightsRefused, match=r"other\.safetensors"):
        raise _error_of(ShardScorer(replace(plan, candidates=(damaged,)), here.numerics, {})(items))


def _error_of(answer: pa.Table) -> ReproError:
    (error,) = answer["error"].to_pylist()
    return told_error(**json.loads(error))


def test_actors_are_as_many_as_the_machines_have_room_for() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 5.0, "GPU": 2.0}},
        {"Alive": True, "Resources": {"CPU": 3.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    assert count_places(nodes, cpus=1, gpus=0) == 8
    assert count_places(nodes, cpus=2, gpus=0) == 3  # not 4: no actor is spread over two machines
    assert count_places(nodes, cpus=2, gpus=1) == 2
    assert count_places(nodes, cpus=3, gpus=1) == 1  # a GPU without cores for it is no place
    with pytest.raises(UsageError, match="no machine of the cluster has 6 cores"):
        count_places(nodes, cpus=6, gpus=0)
    with pytest.raises(UsageError, match="no machine of the cluster has a GPU and"):
        count_places(nodes[1:], cpus=2, gpus=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--join", "tonight"], "without torchrun or --join"),
        (["--precision", "exact-fast"], "--precision exact-fast is not for --engine ray"),
        (["--tune"], "--tune is not for --engine ray"),
        (["--prepare"], "the crop cache is not for --engine ray"),
    ],
)
def test_what_a_cluster_has_no_part_in_is_refused(options: list[str], words: str, tmp_path: Path) -> None:
    asked = ["eval", "--models", RESNET, "--runs", str(tmp_path), "--engine", "ray", *options]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_cluster_that_is_not_there_is_named_at_once(tmp_path: Path) -> None:
    paint_folders(tmp_path / "photos", range(3))
    save_test_resnet(tmp_path / "w.safetensors")
    with socket.socket() as unused:  # bound, so that it stays free, but nobody listens
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        asked = ["eval", "--models", RESNET, "--weights", f"{RESNET}={tmp_path / 'w.safetensors'}"]
        asked += ["--data", str(tmp_path / "photos"), "--runs", str(tmp_path / "runs")]
        result = CliRunner().invoke(app, [*asked, "--engine", "ray", "--ray-address", address])
    assert result.exit_code == 69
    assert f"no Ray cluster at {address}" in result.stderr


def test_engines_are_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["eval", "--models", RESNET, "--engine", "dask"])
    assert result.exit_code == 2
    assert "unknown engine 'dask'; there are local, ray" in result.stderr
