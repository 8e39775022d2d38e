"""The pages as a reader uses them: clicks, links, Back, the keyboard, and what is made behind the page."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from tests.browser.chromium import WAIT_MS, settled
from tests.browser.conftest import Served
from tests.browser.photographs import Evaluated

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

TABBY, EGYPTIAN_CAT = 281, 285
CATS = re.compile(f"true={TABBY}&taken={EGYPTIAN_CAT}")
CLOSE_UP = re.compile(r"image\?id=chelsea-close(&|$)")
WALL_CLOCK, SPOTLIGHT = 892, 818
PAIR = f"/pair?true={WALL_CLOCK}&taken={SPOTLIGHT}"

MINUTES_MS = 180_000
"""A network may have to be opened first, while other tests have the cores."""


@pytest.fixture(scope="module")
def app(
    start_app: Callable[..., Served], evaluated: Evaluated, tmp_path_factory: pytest.TempPathFactory
) -> Served:
    """The app on runs of its own: these tests add heat maps, probes and verdicts to them."""
    runs = tmp_path_factory.mktemp("pages") / "runs"
    shutil.copytree(evaluated.runs, runs)
    return start_app(runs, evaluated.data)


def confusions_of(*runs: Path) -> list[tuple[int, int]]:
    """The errors' classes, true and taken for: another CPU may move an answer that is nearly undecided."""
    tables = [pq.read_table(run / "predictions.parquet") for run in runs]
    rows = [row for table in tables for row in table.to_pylist()]
    return [(row["label"], row["top5"][0]) for row in rows if row["rank"] != 0]


def count_told(*runs: Path) -> str:
    """What the confusions of these runs say above their table."""
    confusions = confusions_of(*runs)
    return f"{len(confusions)} errors in {len(set(confusions))} pairs"


def run_of(app: Served, model: str) -> Path:
    return next(path.parent for path in app.runs.glob(f"*{model}*/run.json"))


def heading(page: Page, text: str) -> Locator:
    return page.get_by_role("heading", name=text, exact=True)


def drawn(page: Page, selector: str) -> int:
    """How many pictures there are, all of them decoded."""
    page.wait_for_function(
        """selector => {
            const shadows = [...document.querySelectorAll("*")].map(e => e.shadowRoot).filter(Boolean);
            const found = [document, ...shadows].flatMap(root => [...root.querySelectorAll(selector)]);
            for (const image of found) image.scrollIntoView();
            return found.length > 0 && found.every(image => image.complete && image.naturalWidth > 0);
        }""",
        arg=selector,
        timeout=MINUTES_MS,
    )
    return page.locator(selector).count()


def click_until(page: Page, click: Callable[[], None], leads_to: re.Pattern[str]) -> None:
    """Clicks until the address is another: a click on what is being drawn anew is lost."""
    from playwright.sync_api import Error

    for _ in range(3):
        with suppress(Error):  # what the click before was for may be gone: it was only slow
            click()
        with suppress(Error):
            page.wait_for_url(leads_to, timeout=WAIT_MS / 2)
            return
    pytest.fail(f"no click leads to {leads_to.pattern}")


def open_cell(page: Page, text: str, leads_to: re.Pattern[str]) -> None:
    click_until(page, lambda: click_cell(page, text), leads_to)


def click_cell(page: Page, text: str) -> None:
    """Clicks the cell of the matrix that says so."""
    cell = page.locator(f"path[aria-label^='{text}:']")
    cell.wait_for()
    settled(page)
    cell.click()


def test_from_a_cell_of_the_matrix_to_an_image_and_back(page: Page, app: Served) -> None:
    page.goto(f"{app.url}/confusions?form=matrix")
    heading(page, "Confusions").wait_for()
    open_cell(page, "feline → feline", re.compile(r"rows=feline"))
    page.locator("path[aria-label^='tabby → Egyptian cat:']").wait_for()
    open_cell(page, "tabby → Egyptian cat", CATS)
    heading(page, "tabby taken for Egyptian cat").wait_for()
    settled(page)
    click_until(page, page.get_by_role("link", name=re.compile("chelsea-close:")).click, CLOSE_UP)
    heading(page, "chelsea-close").wait_for()
    page.get_by_text("What the models answer").wait_for()
    settled(page)
    page.go_back()
    heading(page, "tabby taken for Egyptian cat").wait_for()
    settled(page)
    page.go_back()
    page.wait_for_url(re.compile(r"confusions.*rows=feline"))
    heading(page, "Confusions").wait_for()
    settled(page)
    page.go_back()
    page.wait_for_url(re.compile(r"confusions\?form=matrix$"))
    settled(page)
    page.go_forward()
    page.wait_for_url(re.compile(r"rows=feline"))


def test_a_row_of_the_table_leads_to_its_pair(page: Page, app: Served) -> None:
    page.goto(f"{app.url}/confusions")
    table = page.get_by_test_id("stDataFrame").first
    table.locator("canvas").first.wait_for()
    settled(page)
    click_until(page, lambda: table.click(position={"x": 60, "y": 55}), CATS)
    heading(page, "tabby taken for Egyptian cat").wait_for()
    settled(page)
    page.go_back()
    heading(page, "Confusions").wait_for()


def test_a_link_opens_the_same_view(page: Page, app: Served, chromium: Browser) -> None:
    all_told = count_told(*(path.parent for path in app.runs.glob("*/run.json")))
    page.goto(f"{app.url}/confusions")
    heading(page, "Confusions").wait_for()
    page.get_by_text(all_told, exact=True).wait_for()
    page.get_by_role("slider", name="Made with p of at least").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("combobox", name="Made by").click()
    page.get_by_role("option", name="every run").click()
    page.get_by_text(all_told, exact=True).wait_for(state="detached")
    page.wait_for_url(re.compile(r"made_by=every.run.*min_p|min_p.*made_by"))
    other = chromium.new_context()
    seen = other.new_page()
    seen.goto(page.url)
    told = seen.get_by_text(re.compile(r"^\d+ errors in \d+ pairs?$"))
    told.wait_for()
    settled(seen)
    assert told.inner_text() != all_told
    page.get_by_text(told.inner_text(), exact=True).wait_for()
    other.close()


def test_the_runs_are_part_of_every_link(page: Page, app: Served) -> None:
    run = run_of(app, "lite1")
    page.goto(f"{app.url}/?runs={run.name}")
    heading(page, "What the sources claim").wait_for()
    settled(page)
    page.get_by_role("link", name="Confusions", exact=True).click()
    heading(page, "Confusions").wait_for()
    page.get_by_text(count_told(run), exact=True).wait_for()
    page.wait_for_url(re.compile(f"runs={run.name}"))


def test_the_gallery_makes_the_heat_maps_that_are_missing(page: Page, app: Served) -> None:
    from playwright.sync_api import expect

    run = run_of(app, "lite0")
    page.goto(app.url + PAIR)
    heading(page, "Photographs").wait_for()
    cards = page.locator("article.card")
    page.locator("img.over").first.wait_for(timeout=MINUTES_MS)
    assert drawn(page, "img.over") == 3 * cards.count() > 0
    assert list((run / "maps").glob("*.parquet"))
    before = page.locator("img.over").first.evaluate("image => getComputedStyle(image).opacity")
    page.get_by_role("slider", name="Heat maps cover").focus()
    page.keyboard.press("Home")
    expect(page.locator("img.over").first).to_have_css("opacity", "0", timeout=WAIT_MS)
    assert before == "0.6"
    assert "opacity=0" in page.url


def test_an_image_is_asked_anew_at_another_apparent_size(page: Page, app: Served) -> None:
    page.goto(f"{app.url}/image?id=clock_motion-close&live=true")
    page.get_by_text("what the network sees (as it is)").wait_for(timeout=MINUTES_MS)
    page.get_by_role("slider", name="Apparent size").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("what the network sees (larger)").wait_for(timeout=MINUTES_MS)
    assert "size=1.189" in page.url
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.get_by_text("what the network sees (smaller, on own background)").wait_for(timeout=MINUTES_MS)


def test_a_probe_shows_the_image_at_each_dose(page: Page, app: Served) -> None:
    run = run_of(app, "lite0")
    page.goto(f"{app.url}/image?id=clock_motion-close&probe=size")
    page.get_by_role("button", name="Probe its size").click()
    doses = page.locator("article.card", has_text="smaller, on grey 0.25")
    doses.wait_for(timeout=MINUTES_MS)
    assert drawn(page, "article.card img") >= 13
    assert list((run / "probes" / "single").glob("size-*.parquet"))
    page.reload()
    doses.wait_for(timeout=MINUTES_MS)  # it is kept


def test_a_reader_codes_with_the_keyboard_and_nothing_is_lost(page: Page, app: Served) -> None:
    from playwright.sync_api import expect

    run = run_of(app, "lite0")
    url = f"{app.url}/coding?reader=Ada&of={run.name}"
    n_errors = len(confusions_of(run))

    def coded(n: int) -> Locator:
        return page.get_by_text(f"{n} of {n_errors} errors coded")

    page.goto(url)
    coded(0).wait_for()
    settled(page)
    page.keyboard.press("1")
    coded(1).wait_for()
    settled(page)  # until then the note of the error before is there too
    page.get_by_label("Note (goes with the verdict)").fill('125 "cats", =1+1')
    page.keyboard.press("Tab")
    settled(page)
    coded(1).wait_for()  # digits of a note are no verdicts
    page.get_by_role("button", name=re.compile("^context")).click()
    coded(2).wait_for()
    settled(page)
    page.keyboard.press("u")
    coded(1).wait_for()
    page.get_by_role("heading", name=re.compile("takes for")).wait_for()
    settled(page)
    image = page.get_by_role("link", name="The image").first
    skipped = image.get_attribute("href") or ""
    page.keyboard.press("s")
    expect(image).not_to_have_attribute("href", skipped, timeout=WAIT_MS)
    settled(page)
    page.keyboard.press("5")
    coded(2).wait_for()
    rows = _codings(run)
    assert [row["verdict"] for row in rows] == ["shape", "context", "", "label wrong"]
    assert {row["reader"] for row in rows} == {"Ada"}
    assert rows[1]["note"] == '125 "cats", =1+1'

    page.goto(url.replace("Ada", "Grace"))
    coded(0).wait_for()
    settled(page)
    page.keyboard.press("1")
    coded(1).wait_for()
    page.get_by_text("Agreement of every two readers").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as csv").first.click()
    text = Path(download.value.path()).read_text()
    assert {row["reader"] for row in csv.DictReader(text.splitlines())} == {"Ada", "Grace"}


def _codings(run: Path) -> list[dict[str, str]]:
    with (run / "codings.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_keyboard_alone_reaches_the_pages(page: Page, app: Served) -> None:
    page.goto(app.url)
    heading(page, "Overview").wait_for()
    heading(page, "What the sources claim").wait_for()
    settled(page)
    page.get_by_role("link", name="Confusions", exact=True).focus()
    page.keyboard.press("Enter")
    heading(page, "Confusions").wait_for()


@pytest.mark.parametrize(
    "path", ["/", "/confusions", PAIR, "/image?id=chelsea-close", "/two_models", "/coding"]
)
def test_a_narrow_and_dark_window_shows_the_page_without_scrolling_aside(
    page: Page, app: Served, path: str
) -> None:
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 420, "height": 800})
    page.goto(app.url + path)
    page.get_by_test_id("stMain").get_by_role("heading", level=1).wait_for()
    settled(page)
    page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
    red, *_ = re.findall(
        r"\d+", page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    )
    assert int(red) < 60
