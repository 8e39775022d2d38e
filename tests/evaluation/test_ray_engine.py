"""A local cluster of two nodes gives the bytes of one process, also when a worker is killed midway."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from repro.evaluation.evaluate import evaluate
from repro.evaluation.plan import Request, plan_evaluation
from tests.evaluation.test_evaluate import Watcher
from tests.hub import save_test_resnet
from tests.oracle import paint_folders

pytest.importorskip("ray", reason="the extra [ray] is not installed")


def request_in(folder: Path, runs: str) -> Request:
    """Five shards of 256 images at most."""
    name = "timm:test_resnet.r160_in1k"
    return Request(
        models=[name],
        runs=folder / runs,
        data=folder / "photos",
        weights={name: folder / "w.safetensors"},
        device="cpu",
        batch_size=64,
        threads=1,
        workers=0,
    )


def worker_pids() -> list[int]:
    """The processes of Ray that hold networks here, by the title Ray gives them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray::MapWorker" in path.read_bytes() and path.stat().st_uid == os.getuid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


class Killing(Watcher):
    """Kills an actor once the first shard is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.killed: list[int] = []

    def keep(self, n: int) -> None:
        super().keep(n)
        if not self.killed:
            self.killed = [pid for pid in worker_pids() if _descends_from_us(pid)][:1]
            for pid in self.killed:
                os.kill(pid, signal.SIGKILL)


def _descends_from_us(pid: int) -> bool:
    """Ray's daemons leave our tree, but keep the session's folder in their environment."""
    return f"TEST_CLUSTER={os.getpid()}".encode() in Path(f"/proc/{pid}/environ").read_bytes()


def run_on_cluster(folder: Path) -> None:
    """What the child process of the test does: Ray's threads and sockets stay out of pytest."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "TEST_CLUSTER": str(os.getpid())}
    import ray
    from ray.cluster_utils import Cluster

    from repro.evaluation.ray_engine import evaluate_on_ray

    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node)
    ray.init(cluster.address, log_to_driver=False, _node_ip_address="127.0.0.1")
    try:
        watcher = Killing()
        evaluate_on_ray(plan_evaluation(request_in(folder, "cluster")), watcher, cluster.address)
        sys.stdout.write(f"nodes {len(ray.nodes())} killed {len(watcher.killed)}\n")
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_a_cluster_gives_the_same_bytes_though_a_worker_is_killed(tmp_path: Path) -> None:
    save_test_resnet(tmp_path / "w.safetensors")
    paint_folders(tmp_path / "photos", range(1000))
    (alone,) = evaluate(plan_evaluation(request_in(tmp_path, "alone")), Watcher())
    child = (
        "import sys; from pathlib import Path\nfrom tests.evaluation.test_ray_engine import run_on_cluster\n"
    )
    child += "run_on_cluster(Path(sys.argv[1]))"
    command = [sys.executable, "-c", child, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "nodes 2 killed 1" in ran.stdout
    here, there = (tmp_path / runs / alone.run_id / "predictions.parquet" for runs in ("alone", "cluster"))
    assert there.read_bytes() == here.read_bytes()
