"""Measures what the README promises: `make proof`, or `python -m tests.proof --only P7 P14`.

All of it takes the better part of an hour on two cores, and writes reports/proof.json and proof.md;
`--only` measures some promises anew and leaves the others as they were measured, each with its own commit;
`--short` writes nothing. `--readme` writes the README's block from proof.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.proof.promises import PROMISES, Promise, Skipped, why_broken
from tests.proof.report import figure_of, proof_markdown, with_block

CHECKOUT = Path(__file__).parents[2]
JSON, MARKDOWN = CHECKOUT / "reports" / "proof.json", CHECKOUT / "reports" / "proof.md"
README = CHECKOUT / "README.md"

KEPT, BROKEN, MISSING, SKIPPED, NOT_YET = "kept", "broken", "check missing", "skipped", "not yet"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="seconds instead of an hour; writes nothing")
    parser.add_argument("--only", metavar="KEY", nargs="+", help="some promises (P1 P2 …), the others kept")
    parser.add_argument("--readme", action="store_true", help="write the README's block from proof.json")
    options = parser.parse_args()
    if options.readme:
        proof = json.loads(JSON.read_text(encoding="utf-8"))
        README.write_text(with_block(README.read_text(encoding="utf-8"), proof), encoding="utf-8")
        return 0
    keys = [promise.key for promise in PROMISES]
    if unknown := set(options.only or ()) - set(keys):
        parser.error(f"no promise {', '.join(sorted(unknown))}; there are {', '.join(keys)}")
    chosen = [promise for promise in PROMISES if options.only is None or promise.key in options.only]
    proof = prove(chosen, short=options.short)
    if not options.short:
        if options.only and JSON.is_file():
            proof = merged(json.loads(JSON.read_text(encoding="utf-8")), proof)
        JSON.parent.mkdir(exist_ok=True)
        JSON.write_text(json.dumps(proof, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        MARKDOWN.write_text(proof_markdown(proof), encoding="utf-8")
    outcomes = {promise["outcome"] for promise in proof["promises"]}
    return 1 if outcomes & {BROKEN, MISSING} else 0


def prove(promises: list[Promise], *, short: bool) -> dict[str, Any]:
    """What `proof.json` holds, told line by line on stderr while it is measured."""
    warnings.filterwarnings("ignore", message=".*`torch.jit")  # of timm's and fvcore's own modules
    at = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }
    measured = [_measure(promise, short=short) | at for promise in promises]
    return {
        "machine": f"{platform.machine()}, {platform.system()}",
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", "timm", "pillow", "pyarrow")},
        },
        "budget": "short" if short else "full",
        "promises": measured,
    }


def merged(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """`now`, with what it did not measure as it was measured `before`, in the promises' order.

    Raises:
        ValueError: the two are of different surroundings; then all has to be measured.
    """
    for key in ("machine", "versions", "budget"):
        if before[key] != now[key]:
            raise ValueError(f"{key} was {before[key]}, is {now[key]}: measure everything with `make proof`")
    by_key = {promise["key"]: promise for promise in (*before["promises"], *now["promises"])}
    return now | {"promises": [by_key[promise.key] for promise in PROMISES if promise.key in by_key]}


def _measure(promise: Promise, *, short: bool) -> dict[str, Any]:
    budget = promise.short if short else promise.full
    started = time.monotonic()
    figures, outcome, why = _ask(promise, dict(budget))
    seconds = None if outcome == NOT_YET else round(time.monotonic() - started, 1)
    measured = {
        "key": promise.key,
        "sentence": promise.sentence,
        "outcome": outcome,
        "why": why,
        "figure": promise.figure,
        "figures": figures,
        "budget": dict(budget),
        "seconds": seconds,
    }
    told = "; ".join(filter(None, (figure_of(measured), why)))
    sys.stderr.write(f"{promise.key:4} {outcome:8} {seconds or 0:7.1f} s  {told}\n")
    return measured


def _ask(promise: Promise, budget: dict[str, int]) -> tuple[dict[str, int], str, str]:
    """Figures, outcome and its reason; a check that fails itself breaks the promise, and the rest goes on."""
    if promise.check is None:
        return {}, NOT_YET, promise.later
    try:
        figures = promise.check(**budget)
        why = why_broken(promise, figures)
    except Skipped as reason:
        return {}, SKIPPED, str(reason)
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("tests.proof"):
            raise
        return {}, MISSING, f"{error.name} is not there yet"
    except Exception as error:
        return {}, BROKEN, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return figures, BROKEN if why else KEPT, why


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return ran.stdout.strip() or ("" if ran.returncode == 0 else "unknown")


if __name__ == "__main__":
    sys.exit(main())
