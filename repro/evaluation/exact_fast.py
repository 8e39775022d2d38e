"""A batch scored by a fast copy of the network, and by itself, in fp32, where that could decide otherwise."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import torch
from torch import nn

from repro.evaluation.folding import fold_norms
from repro.evaluation.leads import best_classes, deviation, measure_leads, smallest_lead
from repro.evaluation.loading import LoadedBatch
from repro.evaluation.low_precision import EXACT_SCHEMA, NAMES, Calibration, Judged, is_checked, judge
from repro.evaluation.predict import forward, score, to_rows
from repro.evaluation.shards import Shard
from repro.exceptions import DataRefused, UsageError
from repro.results.predictions import OK, SCHEMA
from repro.specs import Protocol


def low_dtype(device: str) -> torch.dtype:
    """bf16, which keeps fp32's range; fp16 on a GPU that has none."""
    if device == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bf16 else torch.float16
    return torch.float16 if device == "mps" else torch.bfloat16


def folded_dtype(device: str) -> torch.dtype:
    """What a network computes in whose norms could be folded: fp32 on a CPU that multiplies bf16 no faster.

    Folding alone moves leads by a hundred-thousandth, so that hardly an image is computed twice; bf16 needs a
    fifth of them again, and pays only where the CPU has AMX.
    """
    return torch.float32 if device == "cpu" and "amx_bf16" not in low_units() else low_dtype(device)


def low_units() -> tuple[str, ...]:
    """Those of a CPU's units that multiply at low precision; where there are others, last bits are others."""
    told: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch
    units = ("amx_bf16", "amx_fp16", "avx512_bf16", "avx512_fp16")
    return tuple(unit for unit in units if told.get(unit))


def make_fast(network: nn.Module, device: str) -> Lowered:
    """A copy of `network` whose answers are like its own, and sooner there."""
    fast = copy.deepcopy(network)
    return Lowered(fast, folded_dtype(device) if fold_norms(fast) else low_dtype(device))


class Lowered(nn.Module):
    """A network made to compute in `dtype`, its last layer in fp32.

    The last layer costs nothing, and its logits would else be rounded to 1/16 and more.

    Raises:
        UsageError: called with images, an operator that it needs has no such precision here.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.network = network.to(dtype)
        classifier = self._classifier()
        if isinstance(classifier, nn.Linear):
            classifier.float().register_forward_pre_hook(_in_fp32)

    def _classifier(self) -> Any:
        get = getattr(self.network, "get_classifier", None)  # timm's networks have it, ours a head
        return get() if callable(get) else getattr(self.network, "head", None)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        try:
            logits: torch.Tensor = self.network(images.to(self.dtype))
        except RuntimeError as error:  # NotImplementedError is one
            lacks = isinstance(error, NotImplementedError) or "not implemented for" in str(error)
            if not lacks and "dtype" not in str(error):
                raise
            raise _cannot_lower(self.dtype, error) from error
        return logits


def _in_fp32(_layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(values.float() for values in inputs)


def _cannot_lower(dtype: torch.dtype, error: Exception) -> UsageError:
    reason = str(error).partition("\n")[0]
    named = str(dtype).removeprefix("torch.")
    return UsageError(f"the network cannot be run in {named} here ({reason})", hint="--precision fp32")


class ExactFast:
    """Scores batches for one network, by the rule of `low_precision.py`."""

    def __init__(
        self,
        network: nn.Module,
        device: str,
        protocol: Protocol,
        classes: tuple[int, ...],
        calibration: Calibration,
    ) -> None:
        self.network, self.protocol, self.classes = network, protocol, classes
        self.calibration = calibration
        self.fast = make_fast(network, device)
        self.dtype_name = str(self.fast.dtype).removeprefix("torch.")

    def score(self, loaded: LoadedBatch) -> pa.RecordBatch:
        """The rows of `EXACT_SCHEMA`: decided by fp32 where the copy could decide otherwise."""
        samples = loaded.batch.samples
        pixels = loaded.crops[self.protocol.geometry]
        logits = forward(self.fast, pixels, self.protocol).clone()  # to be written in
        on = partial(torch.tensor, device=logits.device)
        labels = on([sample.label for sample in samples])
        best = best_classes(logits, self.classes)
        low = measure_leads(logits, labels, best, self.classes)
        low[~logits.isfinite().all(dim=1)] = torch.nan
        lead = smallest_lead(low)

        again = lead <= self.calibration.bound
        again |= on([is_checked(sample.image_id) for sample in samples])
        again |= self.calibration.covers(loaded.batch.shard)
        again &= on([facts.status == OK for facts in loaded.facts])
        deviations: list[float | None] = [None] * len(samples)
        if again.any():
            exact = forward(self.network, pixels[again.to(pixels.device)], self.protocol)
            logits[again] = exact
            leads = measure_leads(exact, labels[again], best[again], self.classes)
            moved = iter(deviation(low[again], leads).tolist())
            deviations = [next(moved) if computed else None for computed in again.tolist()]

        names = ["fp32" if exact else NAMES[self.dtype_name] for exact in again.tolist()]
        rows = to_rows(samples, loaded.facts, score(logits, labels, self.classes), names).to_pylist()
        for row, its_lead, moved_by in zip(rows, lead.tolist(), deviations, strict=True):
            if row["sha256"] is not None and row["image_mode"] is not None:
                row["lead"] = its_lead
                row["deviation"] = moved_by if moved_by is not None and moved_by < torch.inf else None
        return pa.RecordBatch.from_pylist(rows, EXACT_SCHEMA)

    def judge(self, rows: pa.Table, shards: Sequence[Shard]) -> Judged:
        """What the whole run's rows, in the order of `shards`, leave to be done."""
        n_calibrated = sum(len(shard.samples) for shard in shards[: self.calibration.n_shards])
        return judge(rows, self.calibration.bound, n_calibrated, self.dtype_name)

    def redo(self, loaded: LoadedBatch, kept: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of images that the copy decided, now in fp32; `kept` has them by image id.

        Raises:
            DataRefused: an image is not what it was.
        """
        samples = loaded.batch.samples
        for sample, facts in zip(samples, loaded.facts, strict=True):
            if facts.sha256 != kept[sample.image_id]["sha256"]:
                raise DataRefused(
                    f"{sample.path} changed while it was evaluated",
                    hint="the same command once the images stay as they are",
                )
        logits = forward(self.network, loaded.crops[self.protocol.geometry], self.protocol)
        labels = torch.tensor([sample.label for sample in samples])
        rows = to_rows(samples, loaded.facts, score(logits, labels, self.classes)).to_pylist()
        return [kept[row["image_id"]] | {name: row[name] for name in SCHEMA.names} for row in rows]
