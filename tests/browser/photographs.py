"""A small labelled dataset of photographs that anyone may pass on: parts of those in scikit-image.

    python -m tests.browser.photographs FOLDER        the photographs, and runs of three small models on them

Each photograph is kept whole and in parts: halves of its object, the object close up, and the whole smaller
on a grey ground. A part is labelled only by what it still shows. The photographs' own texts in
`skimage.data` say who took them and that they are free.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageOps

from repro.commands.demo import MODELS
from tests.conftest import CHECKOUT

GREY = (128, 128, 128)
WHOLE = ("whole", "mirrored", "half-size", "third-size", "quarter-size")
CLOSE = ("close", "close-mirrored", "close-half-size", "close-third-size", "close-quarter-size")
HALVES = ("left-half", "right-half", "upper-half", "lower-half")


@dataclass(frozen=True)
class Photograph:
    """One photograph: its file, its class, the object's box (left, upper, right, lower) in pixels, its parts.

    `parts` are those that the class holds for without a doubt, and few where they are much alike.
    """

    file: str
    wnid: str
    box: tuple[int, int, int, int]
    parts: tuple[str, ...]
    why: str
    credit: str


PHOTOGRAPHS = (
    Photograph(
        "chelsea.png",
        "n02123045",  # tabby
        (20, 0, 400, 300),
        (*WHOLE[:3], *CLOSE[:2], *HALVES[:2]),
        "a cat with the coat of a tabby; ImageNet's tiger cat and Egyptian cat look much the same",
        "Chelsea the cat, by Stéfan van der Walt, CC0",
    ),
    Photograph(
        "coffee.png",
        "n07920052",  # espresso
        (75, 15, 485, 390),
        (*WHOLE, *CLOSE, "left-half", "right-half", "upper-half"),
        "a cup of espresso, from an espresso bar",
        "a cup of coffee, by Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0",
    ),
    Photograph(
        "camera.png",
        "n04485082",  # tripod
        (220, 110, 420, 512),
        (*WHOLE, *CLOSE, "left-half", "upper-half", "lower-half"),
        "a film camera on its tripod, which the man looks through",
        "the cameraman, by Lav Varshney, CC0",
    ),
    Photograph(
        "astronaut.png",
        "n04266014",  # space shuttle
        (330, 0, 480, 300),
        CLOSE,
        "a model of the Space Shuttle, cut from the portrait of Eileen Collins",
        "Eileen Collins, by NASA, public domain",
    ),
    Photograph(
        "clock_motion.png",
        "n04548280",  # wall clock
        (120, 70, 310, 240),
        (*WHOLE[:3], *CLOSE[:3]),
        "a wall clock, by its photographer's word: the camera moved",
        "a wall clock from a moving camera, by Stéfan van der Walt, public domain",
    ),
)


def write_photographs(folder: Path) -> Path:
    """Writes the dataset into `folder`, a folder a class, and returns it."""
    for photograph in PHOTOGRAPHS:
        place = folder / photograph.wnid
        place.mkdir(parents=True, exist_ok=True)
        with Image.open(_find(photograph.file)) as opened:
            made = _parts(opened.convert("RGB"), photograph.box)
        for part in photograph.parts:
            made[part].save(place / f"{Path(photograph.file).stem}-{part}.png")
    return folder


@dataclass(frozen=True)
class Evaluated:
    """Where the photographs lie, and the runs of three small models on them."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "photographs"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"


def evaluate_photographs(folder: Path) -> Evaluated:
    """Writes the photographs, and evaluates the models of the demo on them, in a process of its own."""
    evaluated = Evaluated(folder)
    write_photographs(evaluated.data)
    run_repro("eval", "--models", ",".join(MODELS), "--data", evaluated.data, "--runs", evaluated.runs)
    return evaluated


def run_repro(*arguments: str | Path) -> None:
    """Runs a verb of the checkout's `repro`; what it says is shown if it fails."""
    command = [sys.executable, CHECKOUT / "cli.py", *arguments]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"repro {arguments[0]} ended with code {ran.returncode}:\n{ran.stdout}")


def _find(file: str) -> Path:
    spec = find_spec("skimage")
    assert spec and spec.submodule_search_locations, "pip install scikit-image"
    return Path(spec.submodule_search_locations[0]) / "data" / file


def _parts(whole: Image.Image, box: tuple[int, int, int, int]) -> dict[str, Image.Image]:
    left, upper, right, lower = box
    middle, centre = (left + right) // 2, (upper + lower) // 2
    close = whole.crop(box)
    halves = (
        (left, upper, middle, lower),
        (middle, upper, right, lower),
        (left, upper, right, centre),
        (left, centre, right, lower),
    )
    smaller = [
        [image, ImageOps.mirror(image), *(_smaller(image, divisor) for divisor in (2, 3, 4))]
        for image in (whole, close)
    ]
    made = [*smaller[0], *smaller[1], *(whole.crop(half) for half in halves)]
    return dict(zip((*WHOLE, *CLOSE, *HALVES), made, strict=True))


def _smaller(image: Image.Image, divisor: int) -> Image.Image:
    """The image at 1/`divisor` of its size, in the middle of a grey ground as large as it was."""
    small = image.resize((image.width // divisor, image.height // divisor), Image.Resampling.BICUBIC)
    ground = Image.new("RGB", image.size, GREY)
    ground.paste(small, ((image.width - small.width) // 2, (image.height - small.height) // 2))
    return ground


if __name__ == "__main__":
    evaluate_photographs(Path(sys.argv[1]))
