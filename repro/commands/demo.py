"""`repro demo`: the main job on what installs with pip, with the network cable out."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import which

from repro.commands.door import RunsOption, command_line, said_again, tell
from repro.results.runs import runs_folder

MODELS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")

NEXT = """
Next, the errors themselves, with what the models looked at, in a browser:
{activate}  repro app{runs}

Then, on the real ImageNet validation set (yours to bring):
  repro fetch poolformer_s24 deit_s resmlp_s24 resnet34     # weights, once
  repro eval --models poolformer_s24,deit_s,resmlp_s24,resnet34 --data /data/imagenet/val
  repro compare-table --table slide12
Other photographs of ImageNet classes will do too: folders named by wnid, see `repro eval --help`."""


def demo(runs: RunsOption = None) -> None:
    """Do the main job on what is at hand.

    Evaluates three small models, with their real weights, on 20 photographs, and lays the paper's
    table beside what is counted here. No ImageNet, no network.

    Example: repro demo
    """
    from repro.commands.evaluate import run_evaluation, show_outcome
    from repro.commands.show import FormatWithJson, show_comparison
    from repro.evaluation.plan import Request
    from repro.reporting.runs import mistakes_table
    from repro.reporting.table import print_table

    folder = runs_folder(runs)
    tell("1. Evaluate three EfficientNet-Lite models on the 20 photographs that come with foolbox")
    records = run_evaluation(Request(models=MODELS, runs=folder, arguments=command_line()))
    show_outcome(records)
    second = "2. Count parameters and MACs of the paper's models; lay the printed numbers beside the measured"
    tell("", second)
    show_comparison("paper", "authors", runs, FormatWithJson.TERMINAL)
    tell("", "3. What the models got wrong")
    print_table(mistakes_table(folder, records))
    tell("", "The rows behind every number:")
    for record in records:
        tell(f"  {folder / record.run_id / 'predictions.parquet'}")
    tell(*NEXT.format(activate=_activation(), runs=said_again(runs=runs)).split("\n"))


def _activation() -> str:
    """The line that puts `repro` on the path, where it is in a virtual environment that is not active."""
    activate = Path(sys.prefix, "bin", "activate")
    if which("repro") or not activate.is_file():
        return ""
    inside = activate.is_relative_to(Path.cwd())
    return f"  . {activate.relative_to(Path.cwd()) if inside else activate}     # once per terminal\n"
