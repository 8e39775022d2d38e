"""What an evaluation and an analysis cost as they grow: `make growth`.

JPEGs of ImageNet val's size are made in FOLDER (100 kB each), and evaluated with a network that costs
next to nothing, so that what is measured is everything else. Every measurement is a process of its own.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from tests.speed.material import with_comment
from tests.speed.measured import peak_mib

SIZES = (1_000, 10_000, 50_000)
N_RUNS = 50
N_STARTS = 9
N_DISTINCT = 200
"""Photographs that are encoded; the others differ from them by a comment in the file, and cost the same."""

REPORTS = Path(__file__).parents[2] / "reports"


def main(folder: Path, sizes: tuple[int, ...] = SIZES) -> None:
    from repro.evaluation.environment import count_cores

    needed = max(sizes) * 110_000
    if shutil.disk_usage(folder).free < 2 * needed:
        raise SystemExit(f"{folder} has no room for {2 * needed / 1e9:.0f} GB")
    measured: dict[str, Any] = {"cores": count_cores(), "evaluation": []}
    for n in sizes:
        data = make_photographs(folder / f"photographs-{n}", n)
        for cache in ("none", "cold", "warm"):
            measured["evaluation"].append({"n": n, "cache": cache} | _apart("evaluate", data, cache))
            print(measured["evaluation"][-1], flush=True)  # noqa: T201
    measured["first_batch_seconds"] = time_starts(folder / f"photographs-{min(sizes)}")
    shutil.rmtree(folder / "many", ignore_errors=True)
    _apart("copy_runs", folder / f"photographs-{max(sizes)}", str(folder / "many"))
    write(measured | {"analysis": analyse(folder / "many")})


def time_starts(data: Path) -> list[float]:
    """Seconds from the command to the first batch, ascending."""
    return sorted(_apart("first_batch", data, str(time.time()))["seconds"] for _ in range(N_STARTS))


def analyse(runs: Path) -> list[dict[str, Any]]:
    """What each verb takes for all the runs; causes that were kept are found anew."""
    shutil.rmtree(runs / "causes", ignore_errors=True)
    _timed(
        ["-m", "repro", "compare-table", "--runs", str(runs)]
    )  # counts the paper's networks, once a folder
    return [
        {"verb": verb[0]} | _timed(["-m", "repro", *verb, "--runs", str(runs)])
        for verb in (["compare-table"], ["errors", "network_00"], ["study", "shape-size"])
    ]


def make_photographs(folder: Path, n: int) -> Path:
    """`n` different JPEGs of 500 × 375 pixels in folders of classes."""
    from PIL import Image

    from repro.catalogue.classes import load_classes

    rng = np.random.default_rng(0)
    encoded = []
    for quality in range(N_DISTINCT):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize((500, 375))
        pixels = np.asarray(coarse).astype(np.int16) + rng.integers(-24, 25, (375, 500, 3), np.int16)
        file = BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=80 + quality % 12)
        encoded.append(file.getvalue())
    wnids = [known.wnid for known in load_classes()]
    for wnid in wnids[: min(n, len(wnids))]:
        (folder / wnid).mkdir(parents=True, exist_ok=True)
    for i in range(n):
        path = folder / wnids[i % len(wnids)] / f"{i:06d}.JPEG"
        if not path.exists():
            path.write_bytes(with_comment(encoded[i % N_DISTINCT], f"{i:06d}"))
    return folder


def evaluate(data: Path, cache: str) -> dict[str, Any]:
    """Seconds, peak memory and the loader's share of one evaluation."""
    from repro.evaluation import evaluate as evaluating
    from repro.evaluation.plan import Request, plan_evaluation
    from repro.evaluation.scoring import Unwatched
    from tests.oracle import NAME, save_weights

    runs, crops = data.with_name(f"runs-{data.name}"), data.with_name(f"crops-{data.name}")
    shutil.rmtree(runs, ignore_errors=True)
    if cache == "cold":
        shutil.rmtree(crops, ignore_errors=True)
    weights = {NAME: save_weights(data.with_name("oracle.safetensors"))}
    request = Request([NAME], runs, data, weights=weights, device="cpu", canary=False)
    if cache != "none":
        request = replace(request, crops=crops)
    began = time.perf_counter()
    (record,) = evaluating.evaluate(plan_evaluation(request), Unwatched())
    seconds = time.perf_counter() - began
    own, loaders = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(sum(used.ru_utime + used.ru_stime for used in (own, loaders)), 2),
        "waited_seconds": record.waited_seconds,
        "loader_cpu_seconds": round(loaders.ru_utime + loaders.ru_stime, 2),
        "peak_mb": int(peak_mib(own)),
    }


def first_batch(data: Path, started: str) -> dict[str, Any]:
    """Seconds from the command, `started` since the epoch, until EfficientNet-Lite0 has scored a batch."""
    from repro.commands import main as run_command
    from repro.commands.progress import ProgressBar

    ended: list[float] = []

    def stop(_bar: ProgressBar, _n: int) -> None:
        ended.append(time.time())
        raise KeyboardInterrupt

    ProgressBar.scored = stop  # type: ignore[method-assign]
    runs = data.with_name("runs-first-batch")
    shutil.rmtree(runs, ignore_errors=True)
    sys.argv = ["repro", "eval", "--models", "lite0", "--data", str(data), "--runs", str(runs)]
    sys.argv += ["--device", "cpu", "--no-canary"]
    with suppress(SystemExit):
        run_command()
    return {"seconds": round(ended[0] - float(started), 2)}


def copy_runs(data: Path, runs: str) -> dict[str, Any]:
    """Copies of the evaluation of `data` under other names, their answers drawn anew, 70 to 80 % right."""
    import pyarrow as pa

    from repro.results.predictions import SCHEMA
    from repro.results.runs import list_runs
    from repro.results.store import RunFolder, read_rows

    folder = data.with_name(f"runs-{data.name}")
    (record,) = list_runs(folder)
    rows = read_rows(folder / record.run_id, record)
    top5 = np.stack(rows["top5"].to_numpy(zero_copy_only=False))
    labels = rows["label"].to_numpy()
    for i in range(N_RUNS):
        rng = np.random.default_rng(i)
        chosen = rng.integers(0, 1000, top5.shape, np.int16)
        right = rng.random(len(labels)) < 0.7 + i / 500
        chosen[right, 0] = labels[right]
        hit = chosen == labels[:, None]
        rank = np.where(hit.any(axis=1), hit.argmax(axis=1), 5).astype(np.int16)
        copied = {
            "top5": pa.array(list(chosen), pa.list_(pa.int16())),
            "rank": pa.array(rank),
        }
        for name, column in copied.items():
            rows = rows.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), column)
        name, mark = f"network_{i:02d}", f"{i:064d}"
        summary = replace(
            record.summary, top1_correct=int((rank == 0).sum()), top5_correct=int((rank < 5).sum())
        )
        own = replace(
            record,
            run_id=name,
            fingerprint=mark,
            model=replace(record.model, name=name, label=name),
            summary=summary,
        )
        RunFolder(Path(runs) / name, mark).finish(rows, own)
    return {}


def _apart(function: str, data: Path, argument: str) -> dict[str, Any]:
    call = [sys.executable, "-m", "tests.speed.growth", function, str(data), argument]
    found: dict[str, Any] = json.loads(subprocess.run(call, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _timed(arguments: list[str]) -> dict[str, Any]:
    """Seconds and peak memory of a command.

    Raises:
        SystemExit: it failed; the time that takes is no measurement.
    """
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(arguments)} ended with {code}")
    return {"seconds": round(time.perf_counter() - began, 2), "peak_mb": int(peak_mib(used))}


def write(measured: dict[str, Any]) -> None:
    """The figures as JSON, and as two tables."""
    (REPORTS / "growth.json").write_text(json.dumps(measured, indent=1, allow_nan=False) + "\n")
    (REPORTS / "growth.md").write_text(growth_markdown(measured))


def growth_markdown(measured: Mapping[str, Any]) -> str:
    lines = [
        "<!-- Written by `make growth`; do not edit. -->",
        "",
        "# Cost as work grows",
        "",
        f"On {measured['cores']} cores: generated JPEGs of 500 × 375 pixels, a network that costs next to "
        "nothing, one loader process.",
        "",
        "| Images | Crop cache | Seconds | CPU ms an image, start included | Waiting for images (s) "
        "| CPU of the loader (s) | Peak memory (MB) |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['n']:,} | {row['cache']} | {row['seconds']} | {1000 * row['cpu_seconds'] / row['n']:.2f} "
        f"| {row['waited_seconds']} | {row['loader_cpu_seconds']} | {row['peak_mb']} |"
        for row in measured["evaluation"]
    ]
    n = max(row["n"] for row in measured["evaluation"])
    starts = measured["first_batch_seconds"]
    lines += [
        "",
        "From the command to the first batch scored, EfficientNet-Lite0: "
        f"{statistics.median(starts)} s ({starts[0]} to {starts[-1]}, {len(starts)} times).",
    ]
    lines += ["", f"Analysis of {N_RUNS} runs of {n:,} rows:", "", "| Verb | Seconds | Peak memory (MB) |"]
    lines += ["|---|---:|---:|"]
    lines += [f"| `{row['verb']}` | {row['seconds']} | {row['peak_mb']} |" for row in measured["analysis"]]
    return "\n".join(lines) + "\n"


def renew(folder: Path, part: str) -> None:
    """Measures the analysis of the runs that are there, or the starts; the rest stays as it was measured."""
    if part == "analysis":
        found: dict[str, Any] = {"analysis": analyse(folder / "many")}
    else:
        data = make_photographs(folder / f"photographs-{min(SIZES)}", min(SIZES))
        found = {"first_batch_seconds": time_starts(data)}
    write(json.loads((REPORTS / "growth.json").read_text()) | found)


PARTS = {"evaluate": evaluate, "first_batch": first_batch, "copy_runs": copy_runs}
"""What runs in a process of its own, by name."""

if __name__ == "__main__":
    if len(sys.argv) > 3:
        done = PARTS[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
        print(json.dumps(done))  # noqa: T201
    elif sys.argv[2:] in (["analysis"], ["starts"]):
        renew(Path(sys.argv[1]), sys.argv[2])
    else:
        sizes = tuple(map(int, sys.argv[2].split(","))) if len(sys.argv) == 3 else SIZES
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        main(Path(sys.argv[1]), sizes)
