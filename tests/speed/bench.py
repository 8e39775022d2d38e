"""The same evaluation by timm's own loop and by `repro eval`, in turn, in one run: `make bench`.

    python -m tests.speed.bench --data /data/imagenet/val --rounds 5

Each side is a command of its own, and its time is that of the whole command, imports included. Both read the
same photographs and the same tensors, in batches of the same size. What is compared are ratios within one
round, never seconds of different rounds. A round that does not count comes first: it fills the disk's cache,
and ours; what a trial chose in it is kept for the others, as it would be for 50,000 images. The weights of
the talk's four models are random here: what they decide means nothing, how fast they are does.

The report is written after each round, so that one cut short leaves the rounds before; `--sets` measures
some anew, and leaves the others as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from repro.results.runs import list_runs
from tests.conftest import CHECKOUT
from tests.speed.material import describe_model, place_photographs
from tests.speed.measured import TIMM, Measured, Took, peak_mib, to_values

LITE = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
TALK = ("poolformer_s24", "deit_small", "resmlp_24", "resnet34")

TIMM_FP32 = "timm, no TF32"
"""On CUDA timm's script lets matrices be multiplied in TF32; what it decides in fp32 is asked of it apart."""

COPIES = {"cpu": 1, "cuda": 16, "mps": 4}
"""Files of each photograph: without them a GPU would be through before it was warm."""

VARIANTS: Mapping[str, Sequence[str]] = {
    "fp32": (),
    "fp32, tuned": ("--tune",),
    "exact-fast": ("--precision", "exact-fast"),
    "exact-fast, crops kept": ("--precision", "exact-fast", "--prepare"),
    "bf16": ("--precision", "bf16"),
}


@dataclass(frozen=True, slots=True)
class Set:
    """Models that are evaluated together, on so many photographs, in our ways."""

    models: Sequence[str]
    n_images: int
    variants: Sequence[str]


SETS: Mapping[str, Set] = {
    "lite": Set(LITE, 1000, ("exact-fast", "exact-fast, crops kept")),
    "lite0": Set(LITE[:1], 1000, ("exact-fast", "exact-fast, crops kept")),
    "talk": Set(TALK, 600, ("fp32, tuned", "bf16")),
    "poolformer_s24": Set(TALK[:1], 1000, ("fp32, tuned",)),
    "deit_small": Set(TALK[1:2], 1000, ("fp32, tuned",)),
    "resmlp_24": Set(TALK[2:3], 1000, ("fp32, tuned",)),
    "resnet34": Set(TALK[3:], 1000, ("fp32, tuned",)),
}

REPORT = CHECKOUT / "reports"


@dataclass(frozen=True, slots=True)
class Settings:
    """What both sides are told alike."""

    device: str
    batch_size: int
    workers: int


class Bench:
    """The photographs, and the tensors of the models, in a folder that is gone afterwards."""

    def __init__(self, folder: Path, data: Path, n_images: int, copies: int, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.data = place_photographs(data, n_images, copies, folder / "photographs")
        self.photographs = sorted(self.data.glob("*/*"))

    def measure(self, models: Sequence[str], variants: Sequence[str], rounds: int) -> Iterator[Measured]:
        """What has been measured after each round that counts."""
        described = [describe_model(name, self.folder) for name in models]
        measured = Measured(models, len(self.photographs))
        timms = [TIMM, TIMM_FP32] if self.settings.device == "cuda" else [TIMM]
        sides = [*timms, *variants]
        measured.took = {side: [] for side in sides}
        for round_ in range(1 + rounds):
            for side in sides if round_ % 2 == 0 else reversed(sides):
                took = self._run(side, described)
                _tell(f"  round {round_}, {side}: {took.seconds:.1f} s")
                if round_:
                    measured.took[side].append(took)
                else:
                    measured.first[side] = took.seconds
            decided = self._decided(timms[-1], described)  # the last one computes in plain fp32
            for side in (*timms[:-1], *variants):
                measured.same[side] = _share_alike(decided, self._decided(side, described))
            if round_:
                yield measured

    def _run(self, side: str, models: Sequence[dict[str, Any]]) -> Took:
        if side in (TIMM, TIMM_FP32):
            return self._run_timm(side, models)
        runs = self._runs(side, models)
        for kept in runs.glob("*/run.json"):
            shutil.rmtree(kept.parent)
        weights = [text for model in models for text in ("--weights", f"{model['name']}={model['weights']}")]
        named = ",".join(model["name"] for model in models)
        command = [sys.executable, str(CHECKOUT / "cli.py"), "eval", "--models", named, *weights]
        command += ["--data", str(self.data), "--runs", str(runs), "--no-canary", *VARIANTS[side]]
        for name, value in asdict(self.settings).items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        took = _time(command)
        longest = max(list_runs(runs), key=lambda record: record.seconds)
        waited = (longest.waited_seconds or 0) / longest.seconds
        return replace(took, pass_seconds=longest.seconds, waited=waited)

    def _runs(self, side: str, models: Sequence[dict[str, Any]]) -> Path:
        named = "-".join([*(model["name"] for model in models), *re.findall(r"[\w-]+", side)])
        return self.folder / f"runs-{self.settings.device}-{named}"

    def _run_timm(self, side: str, models: Sequence[dict[str, Any]]) -> Took:
        from repro.catalogue.classes import index_by_wnid

        request, out = self.folder / "request.json", self.folder / f"{side}.json"
        there = {folder.name for folder in self.data.iterdir()}
        asked = {
            "models": models,
            "data": str(self.data),
            "class_map": {wnid: index for wnid, index in index_by_wnid().items() if wnid in there},
            **asdict(self.settings),
            "as_its_script": side == TIMM,
            "out": str(out),
        }
        request.write_text(json.dumps(asked))
        took = _time([sys.executable, "-m", "tests.speed.timm_loop", str(request)])
        loops = json.loads(out.read_text()).values()
        return replace(took, pass_seconds=sum(loop["seconds"] for loop in loops))

    def _decided(self, side: str, models: Sequence[dict[str, Any]]) -> dict[str, dict[str, list[Any]]]:
        """By model and file, the class and whether the label is among the first five."""
        from repro.results.store import read_rows

        if side in (TIMM, TIMM_FP32):
            told = json.loads((self.folder / f"{side}.json").read_text())
            return {name: result["decided"] for name, result in told.items()}
        folder = self._runs(side, models)
        found = {}
        for record in list_runs(folder):
            rows = read_rows(folder / record.run_id, record, ["path", "top5", "rank"]).to_pylist()
            found[record.model.name] = {row["path"]: [row["top5"][0], row["rank"] < 5] for row in rows}
        return {model["name"]: found[model["name"]] for model in models}


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
    return Took(seconds, usage.ru_utime + usage.ru_stime, peak_mib(usage))


def _share_alike(reference: Mapping[str, Mapping[str, Any]], ours: Mapping[str, Mapping[str, Any]]) -> float:
    alike = [ours[name][path] == decided for name, of in reference.items() for path, decided in of.items()]
    return sum(alike) / len(alike)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> None:
    from repro.evaluation.environment import BATCH_SIZES, available_devices, describe_environment
    from tests.proof.photographs import find_photographs
    from tests.speed.bench_report import keep
    from tests.speed.limits import measure_limits, processor

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=find_photographs(), help="class folders named by wnid")
    parser.add_argument("--images", type=int, help="of every set, instead of what each set has")
    parser.add_argument("--copies", type=int, help="files of each photograph; 16 on CUDA, 1 on a CPU")
    parser.add_argument("--devices", help="of this machine; all where it is not said")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--out", type=Path, default=REPORT, help="folder of the report")
    asked = parser.parse_args()
    if asked.data is None:
        parser.error("no photographs: --data FOLDER, class folders named by wnid")
    if asked.rounds < 1:
        parser.error("--rounds: 1 or more")
    asked.out.mkdir(parents=True, exist_ok=True)
    for device in asked.devices.split(",") if asked.devices else reversed(available_devices()):
        settings = Settings(device, BATCH_SIZES[device], asked.workers)
        for name in asked.sets.split(","):
            of = SETS[name]
            _tell(f"{device}, {name}: {', '.join(of.models)}")
            with tempfile.TemporaryDirectory() as place:
                copies = asked.copies or COPIES[device]
                bench = Bench(
                    Path(place), asked.data.absolute(), asked.images or of.n_images, copies, settings
                )
                limits = measure_limits(device, bench.photographs[::copies][:300])
                told = {
                    "name": name,
                    "date": datetime.now(UTC).date().isoformat(),
                    "processor": processor(device),
                    "copies": copies,
                    "environment": dict(describe_environment()),
                    "limits": limits,
                    **asdict(settings),
                }
                for n, measured in enumerate(bench.measure(of.models, of.variants, asked.rounds), 1):
                    text = keep(told | {"rounds": n} | to_values(measured, limits), asked.out)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
