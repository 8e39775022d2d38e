"""What is left open about how the networks are run, settled by a short trial on the run's own images.

What a trial chose is kept in `runs/trials/` before the first shard, so that a run that was stopped goes
on in the same manner; a trial is as noisy as its machine, and never repeated for the same evaluation.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from repro.evaluation.canary import put_canary_first
from repro.evaluation.environment import describe_environment, set_numerics
from repro.evaluation.exact_fast import Lowered, make_fast
from repro.evaluation.loading import BatchReader
from repro.evaluation.low_precision import count_calibration_images
from repro.evaluation.manner import EXACT_FAST, PLAIN, Manner, lay_out, manner_of
from repro.evaluation.memory import batch_fits, is_out_of_memory
from repro.evaluation.networks import build_network
from repro.evaluation.plan import Candidate, Plan
from repro.evaluation.predict import predict
from repro.evaluation.shards import Batch, Shard, shard_size
from repro.exceptions import StorageError, UsageError
from repro.results.atomic import storage_errors, write_atomically
from repro.results.record import Numerics
from repro.results.sealed import seal, unseal
from repro.specs import digest

WayT = TypeVar("WayT")

ROUNDS = 3
"""Of an alternating trial; the fastest counts, since whatever else the machine does only adds to a time."""

GAIN = 1.05
"""How many times as fast another setting must be to be preferred to the default."""

PAYS = {torch.bfloat16: 1.5, torch.float16: 1.5, torch.float32: 1.2}
"""How many times as fast the copy of exact-fast must be: at low precision about a fifth of the images is
computed in plain fp32 too; with folded norms only what calibrates and checks."""

FACTORS = (0.5, 2)
"""Batch sizes that are tried, as multiples of the default."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a trial chose: batch size, threads, and the manner of each model."""

    batch_size: int
    threads: int
    manners: Mapping[str, Manner]


def choose_manners(plan: Plan) -> tuple[Plan, Mapping[str, Manner]]:
    """The plan with what a trial chose for it, where one was asked for, and the manner of each model.

    Raises:
        StorageError: what an earlier trial chose is damaged.
        UsageError: a batch does not fit in memory.
    """
    request = plan.request
    if not request.tune and request.precision != "auto":
        manner = manner_of(request.precision)
        return plan, {candidate.spec.name: manner for candidate in plan.candidates}
    numerics = set_numerics(request.device, request.batch_size, request.threads)
    path = request.runs / "trials" / f"{_identity(plan, numerics)[:16]}.json"
    chosen = _read(path)
    if chosen is None:
        with batch_fits(numerics.batch_size):
            chosen = _Trial(plan, numerics).run()
        write_atomically(path, seal(asdict(chosen)).rstrip().encode())  # without a last line end, as ever
    request = replace(request, batch_size=chosen.batch_size, threads=chosen.threads)
    return replace(plan, request=request), chosen.manners


def _identity(plan: Plan, numerics: Numerics) -> str:
    request = plan.request
    return digest(
        {
            "weights": {c.spec.name: [c.weights.record.sha256, c.protocol.hash] for c in plan.candidates},
            "listing": plan.listing,
            "asked": [request.precision, request.tune, request.batch_size, request.threads],
            "exact_fast": EXACT_FAST.identity(numerics.device),
            "numerics": asdict(numerics),
            "environment": describe_environment(),
        }
    )


def _read(path: Path) -> Chosen | None:
    with storage_errors(path):
        if not path.is_file():
            return None
        content = path.read_bytes()
    try:
        values = unseal(content.decode())
        manners = {model: Manner(**manner) for model, manner in values["manners"].items()}
        return Chosen(**values | {"manners": manners})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"{path} is damaged ({error})", hint=f"delete {path}; the trial is made again"
        ) from error


class _Trial:
    def __init__(self, plan: Plan, numerics: Numerics) -> None:
        self.plan, self.numerics, self.request = plan, numerics, plan.request

    def run(self) -> Chosen:
        size = self.numerics.batch_size
        sizes = [size]
        if self.request.tune and self.request.batch_size is None:
            sizes += [max(int(size * factor), 1) for factor in FACTORS]
        samples = tuple(put_canary_first(self.plan.dataset.samples, max(sizes))[: max(sizes)])
        batch = Batch(Shard(0, samples), samples, last=True)
        geometries = frozenset(candidate.protocol.geometry for candidate in self.plan.candidates)
        crops = BatchReader(self.plan.dataset, [batch], geometries)[batch.samples].crops
        pixels = {g: stack.to(self.numerics.device) for g, stack in crops.items()}

        manners, work = {}, []
        for candidate in self.plan.candidates:
            mine = pixels[candidate.protocol.geometry]
            manner, network = self._manner(candidate, mine[:size])
            manners[candidate.spec.name] = manner
            work.append((candidate, network, mine))

        def score_all(size: int) -> None:
            for candidate, network, mine in work:
                for part in torch.split(mine, size):
                    predict(network, part, candidate.protocol)

        chosen_size, chosen_threads = size, self.numerics.threads
        if len(sizes) > 1:
            chosen_size = _fastest({s: partial(score_all, s) for s in sizes}, size, GAIN)
        if self.request.tune and self.request.threads is None and self.numerics.device == "cpu":
            chosen_threads = self._threads(lambda: score_all(chosen_size))
        return Chosen(chosen_size, chosen_threads, manners)

    def _manner(self, candidate: Candidate, pixels: torch.Tensor) -> tuple[Manner, torch.nn.Module]:
        """The manner of one model, and its network run so."""
        network = build_network(candidate.spec, candidate.weights).to(self.numerics.device)
        last = lay_out(copy.deepcopy(network), EXACT_FAST.memory_format)

        def timed(tried: torch.nn.Module) -> Callable[[], object]:
            return lambda: predict(tried, pixels, candidate.protocol)

        asked = manner_of(self.request.precision)
        if asked.dtype:
            return asked, Lowered(last, asked.dtype)
        if asked.exact_fast:
            return EXACT_FAST, make_fast(last, self.numerics.device)
        if self.request.precision == "auto" and self._outlasts_calibration():
            fast = make_fast(last, self.numerics.device)
            with suppress(UsageError):  # an operator that has no low precision here: then fp32
                ways = {PLAIN: timed(network), EXACT_FAST: timed(fast)}
                if _fastest(ways, PLAIN, PAYS[fast.dtype]) == EXACT_FAST:
                    return EXACT_FAST, fast
        if self.request.tune:
            other = replace(PLAIN, memory_format="channels_last")
            if _fastest({PLAIN: timed(network), other: timed(last)}, PLAIN, GAIN) == other:
                return other, last
        return PLAIN, network

    def _outlasts_calibration(self) -> bool:
        """Whether half of the images at the least are not computed both ways in any case."""
        n_calibrated = count_calibration_images(shard_size(self.numerics.batch_size))
        return len(self.plan.dataset.samples) >= 2 * n_calibrated

    def _threads(self, work: Callable[[], object]) -> int:
        """Fewer threads than torch takes by itself can be faster, where its cores share their units."""
        default = self.numerics.threads
        counts = sorted({default, max(default // 2, 1)})

        def with_threads(n: int) -> None:
            torch.set_num_threads(n)
            work()

        try:
            return _fastest({n: partial(with_threads, n) for n in counts}, default, GAIN)
        finally:
            torch.set_num_threads(default)


def _fastest(ways: Mapping[WayT, Callable[[], object]], default: WayT, gain: float) -> WayT:
    """The fastest of `ways`, tried in turn, if it is `gain` times as fast as `default`, else that.

    One that does not fit in memory is not taken; if that is the default, its failure is let through.
    """
    seconds: dict[WayT, list[float]] = {way: [] for way in ways}
    for round_ in range(1 + ROUNDS):
        for way, work in ways.items():
            started = time.perf_counter()
            try:
                work()
            except (RuntimeError, MemoryError) as error:
                if way == default or not is_out_of_memory(error):
                    raise
                continue
            if round_:  # the first warms up
                seconds[way].append(time.perf_counter() - started)
    fastest = {way: min(times) for way, times in seconds.items() if times}
    best = min(fastest, key=fastest.__getitem__)
    return best if fastest[best] * gain <= fastest[default] else default
