"""Pictures of every page of the app, as a browser shows them on photographs that may be passed on.

    make screenshots        writes reports/app/*.png, minutes

The photographs are made and evaluated in a folder that is gone afterwards; the browser may reach no other
machine, and a page that shows an error ends it.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from repro.commands.streamlit_server import find_app, serve
from repro.results.runs import DATA_VARIABLE, RUNS_VARIABLE
from tests.browser.chromium import WAIT_MS, Seen, launch_chromium
from tests.browser.photographs import evaluate_photographs, run_repro
from tests.conftest import CHECKOUT
from tests.processes import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@dataclass(frozen=True)
class Shot:
    """One picture: its name, the page's address, and the selector of what has to stand there first."""

    name: str
    path: str
    wait_for: str = "h1, h2, h3"
    dark: bool = False
    width: int = 1280
    height: int = 800


CATS = "true=281&taken=285"  # tabby taken for Egyptian cat
CLOCK = "id=clock_motion-close"
SHOTS = (
    Shot("overview", "/"),
    Shot("confusions", "/confusions"),
    Shot("matrix", "/confusions?form=matrix", "path[aria-roledescription='rect mark']", height=1000),
    Shot("pair", f"/pair?{CATS}", "img.over", height=1200),
    Shot("image", f"/image?{CLOCK}&live=true&size=0.5", "text=what the network sees", height=2500),
    Shot("two-models", "/two_models?outcome=both+wrong+alike", "article.card img", height=1000),
    Shot("coding", "/coding?reader=Ada", "[data-testid=stImage] img", dark=True),
    Shot("pair-narrow", f"/pair?{CATS}", "img.over", width=420),
)

MOST_BYTES = 250_000
COLOURS = (256, 128, 64)
SETTLED_MS = 1500
"""How long nothing may change before a picture is taken: plots and pictures are drawn after the text."""


def take_screenshots(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        evaluated = evaluate_photographs(Path(place))
        runs = sorted(path.parent.name for path in evaluated.runs.glob("*/run.json"))
        run_repro("explain", *runs, "--runs", evaluated.runs)
        run_repro("probe", *runs, "--kind", "size", "--runs", evaluated.runs)
        port = free_port()
        told = {RUNS_VARIABLE: str(evaluated.runs), DATA_VARIABLE: str(evaluated.data)}
        with serve(find_app(), port, told), launch_chromium() as browser:
            for shot in SHOTS:
                path = folder / f"{shot.name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_small(_take(browser, f"http://127.0.0.1:{port}", shot)))
                sys.stdout.write(f"{path}: {path.stat().st_size / 1e3:.0f} kB\n")


def _take(browser: Browser, url: str, shot: Shot) -> bytes:
    seen = Seen()
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="dark" if shot.dark else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(3 * WAIT_MS)  # a network may have to be opened first
    seen.watch(context)
    page = context.new_page()
    page.goto(url + shot.path)
    page.locator(shot.wait_for).first.wait_for()
    settle(page)
    taken = page.screenshot()
    broken = page.get_by_test_id("stException").count()
    context.close()
    if broken or seen.errors or seen.hosts != {"127.0.0.1"}:
        raise RuntimeError(f"{shot.name}: {broken} errors on the page, {seen.errors}, hosts {seen.hosts}")
    return taken


def settle(page: Page) -> None:
    """Waits until the script has run to its end and the page has stood still for a while."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    before = b""
    while (now := page.screenshot()) != before:
        before = now
        page.wait_for_timeout(SETTLED_MS)


def _small(png: bytes) -> bytes:
    """The picture in few enough bytes for a repository, with as many colours as that leaves."""
    for n in COLOURS:
        if len(png) <= MOST_BYTES:
            break
        with Image.open(BytesIO(png)) as picture:
            fewer = picture.convert("RGB").quantize(n, kmeans=2)
        buffer = BytesIO()
        fewer.save(buffer, "PNG", optimize=True)
        png = buffer.getvalue()
    return png


if __name__ == "__main__":
    take_screenshots(CHECKOUT / "reports" / "app")
