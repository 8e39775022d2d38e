"""The same evaluation by timm's own loop and by `repro eval`, in turn, in one run: `make bench`.

    python -m tests.speed.bench --images 500 --rounds 3

Each side is a command of its own, and its time is that of the whole command, imports included. Both read the
same photographs and the same tensors, in batches of the same size. What is compared are ratios within one
round, never seconds of different rounds. The weights of the talk's four models are random here: what they
decide means nothing, how fast they are does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.conftest import CHECKOUT

LITE = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
TALK = ("poolformer_s24", "deit_small", "resmlp_24", "resnet34")
SETS: Mapping[str, Sequence[str]] = {"lite": LITE, "talk": TALK, "poolformer_s24": TALK[:1]}

TIMM = "timm"
VARIANTS: Mapping[str, Sequence[str]] = {"fp32": (), "exact-fast": ("--precision", "exact-fast")}

REPORT = CHECKOUT / "reports"


@dataclass(frozen=True, slots=True)
class Took:
    """What a command took: seconds on the wall and of all cores, the most memory of one of its processes."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass
class Measured:
    """All rounds of a set of models: what each side took, and how many predictions are those of timm."""

    models: Sequence[str]
    n_images: int
    took: dict[str, list[Took]] = field(default_factory=dict)
    same: dict[str, float] = field(default_factory=dict)

    def ratios(self, side: str) -> list[float]:
        """By round, how many times as fast as timm."""
        return [t.seconds / own.seconds for t, own in zip(self.took[TIMM], self.took[side], strict=True)]

    def images_per_second(self, side: str) -> float:
        seconds = statistics.median(took.seconds for took in self.took[side])
        return self.n_images * len(self.models) / seconds


class Bench:
    """The photographs, and the tensors of the models, in a folder that is gone afterwards."""

    def __init__(self, folder: Path, data: Path, n_images: int, batch_size: int, workers: int) -> None:
        self.folder, self.batch_size, self.workers = folder, batch_size, workers
        self.data = _link_photographs(data, n_images, folder / "photographs")
        self.n_images = len(list(self.data.glob("*/*")))

    def measure(self, models: Sequence[str], variants: Sequence[str], rounds: int) -> Measured:
        described = [_describe(name, self.folder) for name in models]
        measured = Measured(models, self.n_images)
        for round_ in range(rounds):
            sides = [TIMM, *variants]
            for side in sides if round_ % 2 == 0 else reversed(sides):
                took, predicted = self._run(side, described)
                measured.took.setdefault(side, []).append(took)
                _tell(f"  round {round_ + 1}, {side}: {took.seconds:.1f} s")
                if side == TIMM:
                    reference = predicted
            for side in variants:
                measured.same[side] = _share_alike(reference, self._predicted(side, described))
        return measured

    def _run(self, side: str, models: Sequence[dict[str, Any]]) -> tuple[Took, dict[str, dict[str, int]]]:
        if side == TIMM:
            return self._run_timm(models)
        runs = self.folder / f"runs-{side}"
        subprocess.run(["rm", "-rf", str(runs)], check=True)
        weights = [text for model in models for text in ("--weights", f"{model['name']}={model['weights']}")]
        named = ",".join(model["name"] for model in models)
        command = [sys.executable, str(CHECKOUT / "cli.py"), "eval", "--models", named, *weights]
        command += ["--data", str(self.data), "--runs", str(runs), "--batch-size", str(self.batch_size)]
        command += ["--workers", str(self.workers), "--no-canary", *VARIANTS[side]]
        return _time(command), {}

    def _run_timm(self, models: Sequence[dict[str, Any]]) -> tuple[Took, dict[str, dict[str, int]]]:
        from repro.catalogue.classes import index_by_wnid

        request, out = self.folder / "request.json", self.folder / "timm.json"
        there = {folder.name for folder in self.data.iterdir()}
        asked = {
            "models": models,
            "data": str(self.data),
            "class_map": {wnid: index for wnid, index in index_by_wnid().items() if wnid in there},
            "batch_size": self.batch_size,
            "workers": self.workers,
            "threads": None,
            "out": str(out),
        }
        request.write_text(json.dumps(asked))
        took = _time([sys.executable, "-m", "tests.speed.timm_loop", str(request)])
        found = json.loads(out.read_text())
        return took, {name: result["predicted"] for name, result in found.items()}

    def _predicted(self, side: str, models: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
        """By model and file, what our rows say."""
        from repro.results.runs import list_runs
        from repro.results.store import read_rows

        folder = self.folder / f"runs-{side}"
        found = {}
        for record in list_runs(folder):
            rows = read_rows(folder / record.run_id, record, ["path", "top5"]).to_pylist()
            found[record.model.name] = {row["path"]: row["top5"][0] for row in rows}
        return {model["name"]: found[model["name"]] for model in models}


def _describe(name: str, folder: Path) -> dict[str, Any]:
    """A model as timm's loop needs it; its tensors are written once, random ones where none can be had."""
    from repro.catalogue.models import find_model

    spec = find_model(name)
    protocol = spec.protocols["authors"]
    return {
        "name": spec.name,
        "timm_name": spec.timm_name,
        "weights": str(_write_weights(spec.name, folder / "weights")),
        "size_px": protocol.size_px,
        "crop": protocol.crop,
        "interpolation": protocol.interpolation,
        "mean": protocol.mean,
        "std": protocol.std,
    }


def _write_weights(name: str, folder: Path) -> Path:
    import safetensors.torch
    import timm
    import torch

    from repro.catalogue.models import find_model
    from repro.evaluation.networks import build_network
    from repro.evaluation.weights import locate_weights
    from repro.specs import PackageWeights

    spec = find_model(name)
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        if isinstance(spec.weights, PackageWeights):
            network = build_network(spec, locate_weights(spec))
        else:
            torch.manual_seed(0)
            network = timm.create_model(str(spec.timm_name), pretrained=False)
            torch.nn.init.normal_(network.get_classifier().weight, std=0.02)  # ResMLP's begins as zeros
        safetensors.torch.save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path)
    return path


def _link_photographs(data: Path, n: int, folder: Path) -> Path:
    """`n` of the photographs in class folders, spread over the classes, as links."""
    classes = sorted(path for path in data.iterdir() if path.is_dir())
    by_class = [sorted(path.iterdir()) for path in classes]
    turns = [
        photos[turn] for turn in range(max(map(len, by_class))) for photos in by_class if turn < len(photos)
    ]
    for photograph in turns[:n]:
        place = folder / photograph.parent.name
        place.mkdir(parents=True, exist_ok=True)
        (place / photograph.name).symlink_to(photograph)
    return folder


def _time(command: Sequence[str]) -> Took:
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, cwd=CHECKOUT, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            raise RuntimeError(
                f"{' '.join(command[:4])} … failed:\n{said.read().decode(errors='replace')[-3000:]}"
            )
    seconds = time.perf_counter() - started
    return Took(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _share_alike(reference: Mapping[str, Mapping[str, int]], ours: Mapping[str, Mapping[str, int]]) -> float:
    alike = [ours[name][path] == best for name, of in reference.items() for path, best in of.items()]
    return sum(alike) / len(alike)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def to_values(
    measured: Mapping[str, Measured], limits: Mapping[str, float], settings: Mapping[str, Any]
) -> Any:
    """All that was measured, as JSON has it."""
    return {
        "settings": dict(settings),
        "limits": dict(limits),
        "sets": {
            name: {
                "models": list(of.models),
                "images": of.n_images,
                "sides": {
                    side: {
                        "seconds": [round(t.seconds, 3) for t in took],
                        "cpu_seconds": [round(t.cpu_seconds, 3) for t in took],
                        "peak_mib": round(max(t.peak_mib for t in took)),
                        "images_per_second": round(of.images_per_second(side), 3),
                        "ratios": [round(ratio, 4) for ratio in of.ratios(side)],
                        "same_predictions": of.same.get(side, 1.0),
                    }
                    for side, took in of.took.items()
                },
            }
            for name, of in measured.items()
        },
    }


def main() -> None:
    from repro.evaluation.environment import describe_environment
    from tests.proof.photographs import find_photographs
    from tests.speed.limits import decoded_per_second, matrix_gmacs

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=find_photographs(), help="class folders named by wnid")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--out", type=Path, default=REPORT / "bench.json")
    asked = parser.parse_args()
    if asked.data is None:
        parser.error("no photographs: --data FOLDER, class folders named by wnid")
    variants = asked.variants.split(",")
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place), asked.data.absolute(), asked.images, asked.batch_size, asked.workers)
        limits = {f"{name}_gmacs_per_second": matrix_gmacs(name) for name in ("float32", "bfloat16")}
        limits["decoded_per_second"] = decoded_per_second(sorted(bench.data.glob("*/*"))[:300])
        measured = {}
        for name in asked.sets.split(","):
            _tell(f"{name}: {', '.join(SETS[name])}")
            measured[name] = bench.measure(SETS[name], variants, asked.rounds)
    settings = {
        "date": datetime.now(UTC).date().isoformat(),
        "batch_size": asked.batch_size,
        "workers": asked.workers,
        "rounds": asked.rounds,
        "cores": os.cpu_count(),
        "environment": dict(describe_environment()),
    }
    values = to_values(measured, limits, settings)
    asked.out.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n")
    for name, of in measured.items():
        for side in variants:
            ratios = of.ratios(side)
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            sys.stdout.write(
                f"{name}, {side}: {statistics.median(ratios):.2f} times timm's loop ({spread}), "
                f"{of.images_per_second(side):.1f} images/s, {100 * of.same[side]:.2f} % alike\n"
            )


if __name__ == "__main__":
    main()
