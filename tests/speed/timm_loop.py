"""timm's evaluation, model after model, as its own script does it: its dataset, its loader, its transform.

python -m tests.speed.timm_loop REQUEST.json        writes what was predicted, and how long it took
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import safetensors.torch
import timm
import torch
from timm.data import create_dataset, create_loader
from timm.utils import AverageMeter, accuracy


def main(request_path: Path) -> None:
    request = json.loads(request_path.read_text())
    found = {model["name"]: _evaluate(model, request) for model in request["models"]}
    Path(request["out"]).write_text(json.dumps(found))


def _evaluate(model: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """By file the predicted class and whether the label is among the first five; the seconds of the loop."""
    if request["as_its_script"]:  # which a CPU does not heed
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    else:
        torch.backends.cudnn.allow_tf32 = False
    device = torch.device(request["device"])
    network = timm.create_model(model["timm_name"], pretrained=False)
    network.load_state_dict(safetensors.torch.load_file(model["weights"]))
    network.eval().to(device)
    dataset = create_dataset("", root=request["data"], class_map=request["class_map"])
    loader = create_loader(
        dataset,
        input_size=(3, model["size_px"], model["size_px"]),
        batch_size=request["batch_size"],
        use_prefetcher=device.type == "cuda",
        device=device,
        interpolation=model["interpolation"],
        mean=model["mean"],
        std=model["std"],
        num_workers=request["workers"],
        crop_pct=model["crop"],
    )
    top1 = AverageMeter()
    decided: list[tuple[int, bool]] = []
    started = time.perf_counter()
    with torch.inference_mode():
        for images, labels in loader:
            logits = network(images.to(device))
            (right,) = accuracy(logits, labels.to(device), topk=(1,))
            top1.update(right.item(), len(labels))
            among_five = (logits.topk(5).indices == labels.to(device)[:, None]).any(dim=1)
            decided += zip(logits.argmax(dim=1).tolist(), among_five.tolist(), strict=True)
    seconds = time.perf_counter() - started
    names = [str(name) for name in dataset.filenames(basename=False, absolute=False)]
    return {"seconds": seconds, "top1": top1.avg, "decided": dict(zip(names, decided, strict=True))}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
