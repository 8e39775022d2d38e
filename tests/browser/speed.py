"""How long the app lets its reader wait, on two runs of 50,000 published predictions, and what it holds.

    python -m tests.browser.speed            three times from the start; the medians, in a minute or two

The photographs of the most confused pairs are made of noise, as large as ImageNet's; the others are missing.
Run it on a machine that does nothing else.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from repro.browser.gallery import PAGE
from repro.commands.streamlit_server import find_app, serve
from repro.reporting.table import Column, Group, Table, print_table
from repro.results.runs import DATA_VARIABLE, LABELS_VARIABLE, RUNS_VARIABLE
from tests.browser.chromium import WAIT_MS, launch_chromium
from tests.browser.photographs import run_repro
from tests.conftest import CHECKOUT
from tests.processes import free_port

if TYPE_CHECKING:
    import pandas as pd
    from playwright.sync_api import Page

PREDICTIONS = CHECKOUT.parent / "shared" / "data" / "predictions"
MODELS = {"ResNet50": "convolution", "ViT": "attention"}

TIMES = 3
N_PHOTOGRAPHS = 2000
SIZE_PX = (500, 375)

FIRST_VIEW_S, CLICK_S, GALLERY_S, MOST_MB = 2.5, 1.0, 2.0, 1000

DECODED = """n => {
    const shadows = [...document.querySelectorAll("*")].map(e => e.shadowRoot).filter(Boolean);
    const images = shadows.flatMap(root => [...root.querySelectorAll(".gallery img")]);
    for (const image of images) image.loading = "eager";
    return images.length >= n && images.every(image => image.complete && image.naturalWidth > 0);
}"""


@dataclass
class Measured:
    """Seconds by step, over the times; megabytes of the server after each; whether it has torch."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    megabytes: dict[str, list[float]] = field(default_factory=dict)
    targets: dict[str, float] = field(default_factory=dict)
    torch: bool = False


def measure() -> Measured:
    measured = Measured()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for model, mixer in MODELS.items():
            options = ["--model", model, "--token-mixer", mixer, "--runs", folder / "runs"]
            run_repro("import-predictions", PREDICTIONS / f"{model}.csv", *options)
        pair = write_photographs(folder)
        for _ in range(TIMES):
            _session(folder, pair, measured)
    return measured


def write_photographs(folder: Path) -> tuple[int, int]:
    """Makes those of the most confused pairs, and gives the pair with most images, either way."""
    errors = _errors(folder / "runs")
    ways = errors.assign(
        low=errors[["label", "predicted"]].min(axis=1), high=errors[["label", "predicted"]].max(axis=1)
    )
    images = ways.groupby(["low", "high"])["image_id"].unique()
    ranked = images.loc[images.map(len).sort_values(ascending=False, kind="stable").index]
    wanted = list(dict.fromkeys(image_id for ids in ranked for image_id in ids))[:N_PHOTOGRAPHS]
    (folder / "val").mkdir()
    noise = np.random.default_rng(0).integers(0, 60, (*SIZE_PX[::-1], 3), dtype=np.uint8)
    slope = np.linspace(0, 180, SIZE_PX[0], dtype=np.uint8)[None, :, None]
    for place, image_id in enumerate(wanted):
        Image.fromarray(np.roll(noise + slope, 7 * place, axis=1)).save(
            folder / "val" / f"{image_id}.JPEG", quality=90
        )
    labels = errors.drop_duplicates("image_id").set_index("image_id")["label"]
    lines = [f"{image_id},{labels[image_id]}\n" for image_id in wanted]
    (folder / "labels.csv").write_text("name,label\n" + "".join(lines))
    low, high = ranked.index[0]
    return int(low), int(high)


def _errors(runs: Path) -> pd.DataFrame:
    from repro.analysis.error_study import study_errors
    from repro.results.choice import choose_runs

    choice = choose_runs(runs, (), None)
    return study_errors(choice.rows, choice.models, 8).errors


def _session(folder: Path, pair: tuple[int, int], measured: Measured) -> None:
    """A reader's way from a server that has just begun, through all that is to be fast."""
    port = free_port()
    told = {
        RUNS_VARIABLE: str(folder / "runs"),
        DATA_VARIABLE: str(folder / "val"),
        LABELS_VARIABLE: str(folder / "labels.csv"),
    }
    with serve(find_app(), port, told) as server, launch_chromium() as browser:
        for reader in ("first reader", "another reader"):
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.set_default_timeout(WAIT_MS)
            way = Way(page, f"http://127.0.0.1:{port}", server.pid, measured)
            way.see_overview(reader)
        way.see_confusions()
        way.see_photographs(pair)
        way.see_matrix()
        measured.torch |= "libtorch" in Path(f"/proc/{server.pid}/maps").read_text()


@dataclass
class Way:
    """A reader's browser; each step is timed until all of it is drawn."""

    page: Page
    url: str
    server: int
    measured: Measured

    def see_overview(self, reader: str) -> None:
        heading = self.page.get_by_role("heading", name="Overview", exact=True)
        plot = self.page.locator("[data-testid=stVegaLiteChart] path[aria-roledescription=point]").first
        began = time.perf_counter()
        self.page.goto(self.url)
        heading.wait_for()
        self._keep(f"first view of the {reader}: heading", began, FIRST_VIEW_S)
        plot.wait_for()
        self._idle()
        self._keep(f"first view of the {reader}: all", began, FIRST_VIEW_S)

    def see_confusions(self) -> None:
        table = self.page.get_by_test_id("stDataFrame")
        began = time.perf_counter()
        self.page.get_by_role("link", name="What the models confuse").click()
        self.page.get_by_role("heading", name="Confusions", exact=True).wait_for()
        table.wait_for()
        self._idle()
        self._keep("click: confusions", began, CLICK_S)
        began = time.perf_counter()
        table.click(position={"x": 60, "y": 52})
        self.page.wait_for_url("**/pair?*")
        self._idle()
        self._keep("click: a row, its pair", began, CLICK_S)

    def see_photographs(self, pair: tuple[int, int]) -> None:
        self._open("")
        began = time.perf_counter()
        self.page.goto(f"{self.url}/pair?true={pair[0]}&taken={pair[1]}")
        self._decoded(PAGE)
        self._keep(f"gallery: {PAGE} photographs, the app anew", began, GALLERY_S)
        self._idle()
        for title, page in (("the next page", 2), ("back again", 1)):
            began = time.perf_counter()
            self.page.get_by_role("button", name="Next page" if page == 2 else "Previous page").click()
            self.page.wait_for_url("**page=2*" if page == 2 else lambda url: "page=2" not in url)
            self._idle()
            self._decoded(1)
            self._keep(f"gallery: {title}", began, GALLERY_S)
        began = time.perf_counter()
        self.page.locator("article.card a").nth(1).click()
        self.page.wait_for_url("**/image?*")
        self._idle()
        self.page.locator("[data-testid=stImage] img").wait_for()
        self._keep("click: an image", began, CLICK_S)

    def see_matrix(self) -> None:
        self._open("confusions")
        cell = self.page.locator("[data-testid=stVegaLiteChart] path[aria-label*='→']").first
        began = time.perf_counter()
        self.page.get_by_role("radio", name="matrix").click()
        cell.wait_for()
        self._idle()
        self._keep("click: the matrix", began, CLICK_S)
        began = time.perf_counter()
        cell.click()
        self.page.wait_for_url("**rows=*")
        self._idle()
        cell.wait_for()
        self._keep("click: a cell, its groups", began, CLICK_S)

    def _open(self, page: str) -> None:
        self.page.goto(f"{self.url}/{page}")
        self.page.get_by_role("heading").first.wait_for()
        self._idle()

    def _idle(self) -> None:
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()

    def _decoded(self, n: int) -> None:
        self.page.wait_for_function(DECODED, arg=n)

    def _keep(self, step: str, began: float, target: float) -> None:
        self.measured.seconds.setdefault(step, []).append(time.perf_counter() - began)
        self.measured.megabytes.setdefault(step, []).append(_megabytes(self.server))
        self.measured.targets[step] = target


def _megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def to_table(measured: Measured) -> Table:
    rows = []
    for step, seconds in measured.seconds.items():
        found, target = median(seconds), measured.targets[step]
        rows.append(
            (
                step,
                f"{found:.2f}",
                f"{min(seconds):.2f}–{max(seconds):.2f}",
                f"{target:.1f}",
                "met" if found < target else "MISSED",
                f"{max(measured.megabytes[step]):,.0f}",
            )
        )
    columns = ("Step", "Median (s)", "Range (s)", "Target (s)", "", "Server (MB)")
    load = os.getloadavg()[0]
    return Table(
        title=f"The app on {len(MODELS)} runs of 50,000, {TIMES} times",
        columns=tuple(Column(name, "right" if name.endswith(")") else "left") for name in columns),
        groups=(Group("", tuple(rows)),),
        notes=(
            f"Memory: at most {MOST_MB:,} MB are wanted. torch is {'' if measured.torch else 'not '}loaded. "
            f"The machine's load at the end was {load:.1f} on {os.cpu_count()} cores.",
        ),
    )


def main(arguments: Sequence[str]) -> int:
    if arguments or not PREDICTIONS.is_dir():
        sys.stderr.write(f"{__doc__}\nIt needs {PREDICTIONS}, and takes no arguments.\n")
        return 2
    print_table(to_table(measure()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
