"""What a browser makes of results made to deceive: every payload a text, and nothing else of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from repro.reporting.table import literal
from tests.browser.chromium import HOSTLESS, WAIT_MS, Seen, settled
from tests.browser.hostile import GOLDFISH, IMAGE_ID, TENCH, Batch, Hostile, readers

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VIEWPORT = {"width": 9000, "height": 2600}
"""So large that no table has to be scrolled: one that is drawn tells assistive programs what is in view."""

CELL = "[data-testid=stDataFrame] td"
TEXT = "[data-testid=stMarkdownContainer]"
CHOSEN = "[data-testid=stMultiSelect] [data-tag-id], [data-testid=stMultiSelect] span"

# Every element whose own text or attributes bear the word; shadow roots are gone through as well.
TRACES = """() => {
    const found = [], seen = root => {
        for (const element of root.querySelectorAll("*")) {
            const own = [...element.childNodes].filter(node => node.nodeType === 3);
            const attributes = [...element.attributes]
                .filter(one => /evil/i.test(one.value)).map(one => [one.name, one.value]);
            if (own.some(node => /evil/i.test(node.data)))
                found.push([element.localName, element.textContent, attributes]);
            else if (attributes.length)
                found.push([element.localName, null, attributes]);
            if (element.shadowRoot) seen(element.shadowRoot);
        }
    };
    seen(document);
    return {found, ran: window.evil === 1 || document.title.includes("evil")};
}"""

HARMLESS = ("alt", "aria-label", "class", "data-test-script-state", "id", "title", "value", "placeholder")
"""Attributes that are texts. A reader's browser follows only `href` among the others that we set."""


@dataclass
class Deceived:
    """What was found: payloads that should stand somewhere, and all that should not be.

    `wanted` counts payloads by place; `elements` are elements that no text of ours has, `asked`
    requests that a payload caused, `away` those to other machines, `dialogs` the texts of dialogs.
    """

    wanted: int = 0
    missing: list[tuple[str, str]] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)
    pages: int = 0
    requests: int = 0
    away: list[str] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)


class Visit:
    """A browser that goes from page to page of the app, and looks at each for what payloads have done."""

    def __init__(self, browser: Browser, url: str, texts: Iterable[str]) -> None:
        self.found = Deceived()
        self._url = url
        told = [form for text in texts for form in (text, *_quoted(text))]
        self._texts = sorted({_tidy(text) for text in told}, key=len)
        self.context = browser.new_context(viewport=VIEWPORT)
        self.context.set_default_timeout(3 * WAIT_MS)
        self.found.seen.watch(self.context)
        self.context.on("request", lambda request: self._asked(request.url))
        self.context.on(
            "dialog", lambda dialog: (self.found.dialogs.append(dialog.message), dialog.dismiss())
        )
        self.page = self.context.new_page()

    def go(self, page: str, **parameters: object) -> None:
        self.found.pages += 1
        self.page.goto(f"{self._url}/{page}?{urlencode(parameters, doseq=True)}")
        settled(self.page)

    def look(self, page: str, expected: Mapping[tuple[str, str], Iterable[str]]) -> None:
        """Looks for the payloads in each place (its name, its selector), then for what they may have done."""
        for (place, selector), payloads in expected.items():
            wanted = {payload: _tidy(payload) for payload in payloads}
            texts = self._texts_of(selector, wanted.values())
            self.found.wanted += len(wanted)
            self.found.places.add(f"{page}: {place}")
            self.found.missing += [
                (f"{page}: {place}", payload) for payload, text in wanted.items() if text not in texts
            ]
        self._look_for_traces(page)

    def _texts_of(self, selector: str, wanted: Iterable[str]) -> str:
        """All that stands there, once everything wanted does, or nothing more comes."""
        for _ in range(WAIT_MS // 100):
            texts = "\n".join(map(_squeezed, self.page.locator(selector).all_text_contents()))
            if all(text in texts for text in wanted):
                break
            self.page.wait_for_timeout(100)
        return texts

    def _look_for_traces(self, page: str) -> None:
        traces = self.page.evaluate(TRACES)
        for tag, text, attributes in traces["found"]:
            acting = [(name, value) for name, value in attributes if not self._is_harmless(name, value)]
            if acting or (text is not None and not self._is_whole(text)):
                self.found.elements.append(f"{page}: <{tag}> {acting or _squeezed(text)[:120]}")
        if traces["ran"]:
            self.found.ran.append(page)

    def _is_whole(self, text: str) -> bool:
        """Whether the word stands in whole payloads only: markup would have taken away some of one."""
        left = _squeezed(text)
        for payload in reversed(self._texts):
            left = left.replace(payload, "")
        return "evil" not in left.lower()

    def _is_harmless(self, name: str, value: str) -> bool:
        if name == "href":  # of a page of ours, whose parameters may say what they like
            parts = urlsplit(value)
            return not (parts.scheme or parts.netloc or "evil" in parts.path)
        return name in HARMLESS or name.startswith("data-")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        self.found.requests += 1
        if parts.scheme not in HOSTLESS and parts.hostname != "127.0.0.1":
            self.found.away.append(url)
        if "evil" in (parts.netloc + parts.path) or parts.scheme in ("file", "javascript", "ftp"):
            self.found.asked.append(url)


def _quoted(text: str) -> list[str]:
    """A payload in errors, which quote the beginning of what an address asked for."""
    return [repr(part)[1:-1] for part in (text[:40], text[:80], text)]


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _tidy(text: str) -> str:
    """A payload as the app shows it."""
    return _squeezed(literal(text))


def visit_everything(browser: Browser, url: str, hostile: Hostile, *, thorough: bool) -> Deceived:
    """Every payload in every place; `thorough`: on every page, and the page of every image."""
    from tests.browser.payloads import PAYLOADS

    visit = Visit(browser, url, PAYLOADS.values())
    for place, batch in enumerate(hostile.batches):
        visit_batch(visit, batch, hostile.folders, every_page=thorough or place == 0)
        images = [*batch.photographs, *(p for p in batch.payloads if p not in batch.photographs)]
        visit_images(visit, batch, images if thorough else images[:1])
    mistaken = list(PAYLOADS.values())
    visit_mistakes(visit, hostile.batches[0], mistaken if thorough else mistaken[18::30])
    visit.context.close()
    return visit.found


def visit_batch(visit: Visit, batch: Batch, folders: Sequence[str], *, every_page: bool) -> None:
    runs: dict[str, Any] = {"runs": list(batch.run_ids)}
    named = batch.payloads
    visit.go("", **runs)
    left_out = "[data-testid=stSidebar] [data-testid=stExpander]"
    visit.look("overview", {("runs", CELL): named, ("folders that are no runs", left_out): folders})
    visit.go("pair", true=TENCH, taken=GOLDFISH, **runs)
    cards = {
        ("titles of cards", "article.card > a > span:last-child"): named,
        ("answers", ".model > p"): named,
        ("heat maps", "figcaption"): named[1:],
        ("chosen model", CHOSEN): named[:1],
    }
    visit.look("pair", cards)
    if not every_page:
        return
    visit.go("confusions", **runs)
    visit.look("confusions", {("names of columns", "[data-testid=stDataFrame] th"): named})
    visit.page.get_by_role("combobox", name="Made by").click()
    visit.look("confusions", {("made by", "[role=option]"): named[:5]})
    visit.go("confusions", form="matrix", made_by=f"only {literal(named[-1])}", **runs)
    visit.look("matrix", {("made by", "[data-testid=stSelectbox]"): ()})
    visit.go("two_models", **runs)
    visit.look("two models", {})
    visit.go("coding", of=batch.run_ids[0], **runs)
    visit.look("coding", {("readers", CELL): readers(named), ("names of columns", "th"): readers(named)[:1]})


def visit_images(visit: Visit, batch: Batch, image_ids: Iterable[str]) -> None:
    """The first of them is that which was probed."""
    for place, image_id in enumerate(image_ids):
        visit.go("image", id=image_id, runs=list(batch.run_ids))
        expected: dict[tuple[str, str], Iterable[str]] = {
            ("title", "h1"): [image_id],
            ("answers", CELL): batch.payloads,
            ("facts", CELL): [image_id],
        }
        if place == 0:
            expected |= {("curves", ".js-plotly-plot .xtick"): batch.payloads[:1]}
        visit.look("image", expected)


def visit_mistakes(visit: Visit, batch: Batch, payloads: Iterable[str]) -> None:
    """Addresses that say what nobody may mean."""
    runs: dict[str, Any] = {"runs": list(batch.run_ids[:1])}
    for payload in payloads:
        visit.go("pair", true=payload, taken=payload, **runs)
        visit.look("pair", {})
        visit.go("image", id=payload + "?", **runs)
        visit.look("image", {})
        visit.go("", runs=[payload, batch.run_ids[0]])
        visit.look("overview", {("unknown run", "[data-testid=stAlert]"): [payload]})


def pictures_of(browser: Browser, url: str, run_ids: Iterable[str]) -> list[tuple[int, str]]:
    """By run, how many photographs are shown on the page of its image, and all that the page says."""
    context = browser.new_context()
    context.set_default_timeout(3 * WAIT_MS)
    page = context.new_page()
    found = []
    for run in run_ids:
        page.goto(f"{url}/image?{urlencode({'id': IMAGE_ID, 'runs': run})}")
        settled(page)
        page.get_by_text("What is known of it").wait_for()
        settled(page)
        found.append((page.locator("[data-testid=stImage] img").count(), page.content()))
    context.close()
    return found
