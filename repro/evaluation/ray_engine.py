"""The same evaluation on a Ray cluster: `repro eval … --engine ray --ray-address auto`.

A Ray Data job maps shards to their rows; its actors score them with the code that scores them here. The
process that began it is the only one that writes: the store sees no difference, and a stop costs as little.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from repro import exceptions
from repro.evaluation.canary import put_canary_first
from repro.evaluation.evaluate import evaluate
from repro.evaluation.image_pass import ImagePass, Scoring, geometries_of
from repro.evaluation.manner import PLAIN, Manner
from repro.evaluation.plan import Candidate, Plan
from repro.evaluation.scoring import Scorer, Unwatched, Watcher, is_kept, score_shards
from repro.evaluation.shards import Shard
from repro.evaluation.weights import locate_weights
from repro.exceptions import ProcessLost, ReproError, Unavailable, UsageError
from repro.results.predictions import SCHEMA, to_bytes
from repro.results.record import Numerics, RunRecord
from repro.results.store import RunFolder

RETRIES = 3
"""How often an actor that died is started again, and a shard that it had is given to another."""

LISTENER_SECONDS = 10
"""How long a cluster's head may take to accept a connection."""

_OTHER_CLUSTERS = "ray start --head (both sides with the same RAY_AUTH_MODE), or --ray-address local"

THIS_MACHINE = "local"
"""Instead of an address: a cluster of this machine alone, which ends with the evaluation."""


def evaluate_on_ray(plan: Plan, watcher: Watcher, address: str = THIS_MACHINE) -> list[RunRecord]:
    """What `evaluate` does, scored by the cluster at `address`.

    Raises:
        Unavailable: Ray is not installed, or there is no cluster.
        ProcessLost: actors died again and again; what was finished is kept.
        UsageError: a machine of the cluster would give other numbers than this one.
    """
    with _connected(address):
        return evaluate(plan, watcher, RayPass)


@contextmanager
def _connected(address: str) -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters comes as an exception as well
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # 20 times 40 seconds, else, for a dead `auto`
    if address == THIS_MACHINE or address.partition(":")[0] in ("127.0.0.1", "localhost"):
        # On the loopback alone. Ray does so by itself on macOS and Windows; elsewhere it takes a loopback
        # address for the machine's public one, and waits there for what is not there, unless this is set.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError as error:
        raise Unavailable(
            "Ray is not installed", hint="in the checkout of repro: pip install -e '.[ray]'"
        ) from error
    if ray.is_initialized():
        yield
        return
    _require_listener(address)
    try:
        dashboard = {"include_dashboard": False} if address == THIS_MACHINE else {}
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **dashboard)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise Unavailable(f"no Ray cluster at {address} ({reason})", hint=_OTHER_CLUSTERS) from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_listener(address: str) -> None:
    """Ray itself would try for minutes.

    Raises:
        Unavailable: nobody listens at an `address` that has a port.
    """
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=LISTENER_SECONDS).close()
    except OSError as error:
        raise Unavailable(
            f"no Ray cluster at {address} ({error.strerror or error})", hint=_OTHER_CLUSTERS
        ) from error


class RayPass(ImagePass):
    """A pass whose networks are with the actors of a cluster."""

    def build(self, _candidate: Candidate, _manner: Manner = PLAIN) -> torch.nn.Module:
        return torch.nn.Identity()  # nothing is scored here

    def score(self, scorings: Sequence[Scoring], watcher: Watcher) -> None:
        scorers = self.scorers(scorings)
        for scorer in scorers:
            scorer.pending = {shard.index for shard in self.shards if not is_kept(scorer, shard, watcher)}
        runs = {s.index: [i for i, x in enumerate(scorers) if s.index in x.pending] for s in self.shards}
        needed: list[dict[str, Any]] = [
            {"shard": index, "runs": some} for index, some in runs.items() if some
        ]
        n_needed = sum(len(self.shards[item["shard"]].samples) for item in needed)
        watcher.begin(total=len(self.dataset.samples), kept=len(self.dataset.samples) - n_needed)
        if needed:
            self._collect(needed, [s.candidate for s in scorings], scorers, watcher)

    def _collect(
        self,
        items: Sequence[Mapping[str, Any]],
        candidates: Sequence[Candidate],
        scorers: Sequence[Scorer[Any]],
        watcher: Watcher,
    ) -> None:
        """Keeps the shards of `items` as they come, in whatever order."""
        missing = {item["shard"]: set(item["runs"]) for item in items}
        for row in self._map(items, candidates):
            if row["error"]:
                raise told_error(**json.loads(row["error"]))
            shard = self.shards[row["shard"]]
            rows = pq.read_table(pa.BufferReader(row["rows"])).cast(SCHEMA)
            scorers[row["run"]].folder.write_shard(shard.index, rows)
            scorers[row["run"]].inspect(shard, rows)
            missing[shard.index].discard(row["run"])
            if not missing[shard.index]:
                watcher.scored(len(shard.samples))
                watcher.keep(len(shard.samples))

    def _map(
        self, items: Sequence[Mapping[str, Any]], candidates: Sequence[Candidate]
    ) -> Iterator[dict[str, Any]]:
        """The rows of `items` for each of `candidates` that needs them, as a job of Ray Data."""
        import ray
        import ray.data

        ray.data.DataContext.get_current().enable_progress_bars = False
        for name in ("ray.data", "ray.data._internal"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is told here, in one line
        gpus = int(self.numerics.device == "cuda")
        cpus = 1 if gpus else self.numerics.threads  # on a GPU threads score nothing
        n_actors = min(count_places(ray.nodes(), cpus, gpus), len(items))
        plan = replace(self.plan, candidates=tuple(candidates))
        with warnings.catch_warnings():
            # Their names are to change; without a limit, an image that kills its actor would do so for ever.
            warnings.simplefilter("ignore", DeprecationWarning)
            mapped = ray.data.from_items(list(items), override_num_blocks=len(items)).map_batches(
                ShardScorer,
                batch_size=1,
                batch_format="pyarrow",
                fn_constructor_args=(plan, self.numerics, self.environment),
                compute=ray.data.ActorPoolStrategy(size=n_actors),
                num_cpus=cpus,
                num_gpus=gpus,
                max_restarts=RETRIES,
                max_task_retries=RETRIES,
            )
        try:
            yield from mapped.iter_rows()
        except ray.exceptions.RayTaskError:  # a fault of the code
            raise
        except ray.exceptions.RayError as error:
            reason = str(error).partition("\n")[0]
            raise ProcessLost(
                f"the cluster lost its actors ({reason}); what was finished is kept",
                hint="the same command goes on",
            ) from error


def count_places(nodes: Sequence[Mapping[str, Any]], cpus: int, gpus: int) -> int:
    """How many actors the cluster has room for.

    Raises:
        UsageError: none.
    """
    there = [node["Resources"] for node in nodes if node["Alive"]]
    places = sum(int(min(n.get("CPU", 0) // cpus, n.get("GPU", 0) if gpus else inf)) for n in there)
    if not places:
        raise UsageError(
            "no machine of the cluster has a GPU and a core free for it; try --device cpu"
            if gpus
            else f"no machine of the cluster has {cpus} cores; try --threads 1"
        )
    return places


class ShardScorer:
    """An actor of the cluster: the networks, and the rows of a shard by its number."""

    def __init__(self, plan: Plan, numerics: Numerics, environment: Mapping[str, str]) -> None:
        workers = 0 if plan.request.workers is None and numerics.device == "cpu" else plan.request.workers
        request = replace(
            plan.request,
            device=numerics.device,
            batch_size=numerics.batch_size,
            threads=numerics.threads,
            workers=workers,
        )
        self.plan = replace(plan, request=request)
        self.wanted = asdict(numerics) | dict(environment)
        self.images: ImagePass | None = None
        self.scorings: list[Scoring] = []

    def __call__(self, items: pa.Table) -> pa.Table:
        """The rows of `items`; an error of ours instead, for Ray keeps no more of one than its words."""
        try:
            # Not when the actor is made: an error there says nothing but that it died.
            images = self.images = self.images or self._begin()
            rows = [row for item in items.to_pylist() for row in self._score(images, **item)]
        except ReproError as error:
            told = {"kind": type(error).__name__, "message": str(error), "hint": error.hint}
            rows = [{"error": json.dumps(told)}]
        return pa.Table.from_pylist(rows, _ROWS)

    def _begin(self) -> ImagePass:
        images = ImagePass(self.plan, put_canary_first)
        _require_same(self.wanted, asdict(images.numerics) | images.environment)
        self.scorings = [
            Scoring(
                candidate, images.build(candidate), RunFolder(Path(), ""), _inspect_later, _nothing_is_kept
            )
            for candidate in map(_with_weights_here, self.plan.candidates)
        ]
        return images

    def _score(self, images: ImagePass, shard: int, runs: Sequence[int]) -> Iterator[dict[str, Any]]:
        scorings = [self.scorings[run] for run in runs]
        scorers = images.scorers(scorings)
        for scorer in scorers:
            scorer.pending = {shard}
        batches = images.load(geometries_of(scorings), [images.shards[shard]])
        # Who watches is told where the rows arrive.
        for _, finished in score_shards(scorers, batches, Unwatched(), images.overlaps):
            for run, (_, rows) in zip(runs, finished, strict=True):
                yield {"shard": shard, "run": run, "rows": to_bytes(rows)}


_ROWS = pa.schema([("shard", pa.int32()), ("run", pa.int32()), ("rows", pa.binary()), ("error", pa.string())])


def told_error(kind: str, message: str, hint: str) -> ReproError:
    """The error of an actor, again."""
    error: ReproError = getattr(exceptions, kind)(message, hint=hint)
    return error


def _nothing_is_kept(_rows: pa.Table, _where: Path) -> None:
    """The driver knows what is."""


def _inspect_later(_shard: Shard, _rows: pa.Table) -> None:
    """Rows are inspected where they arrive."""


def _with_weights_here(candidate: Candidate) -> Candidate:
    """The weights may lie elsewhere on this machine; their content is verified when they are loaded."""
    if candidate.weights.path.exists():
        return candidate
    path = locate_weights(candidate.spec).path
    return replace(candidate, weights=replace(candidate.weights, path=path))


def _require_same(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        if found.get(name) != value:
            raise UsageError(
                f"a machine of the cluster has {name} {found.get(name)}, this one {value}: "
                "their numbers could differ"
            )
