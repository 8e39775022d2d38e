"""Results made to deceive, shown by the app in a browser: what became of their texts, what was opened."""

from __future__ import annotations

import tempfile
from pathlib import Path

from repro.results.runs import DATA_VARIABLE
from tests.proof.promises import Skipped


def check(n: int) -> dict[str, int]:
    """Looks for every payload in every place; with `n` not 0 on all pages of all runs and images.

    `strangers` are runs that lead to files of somebody else; `honest` is one that may show its image.

    Raises:
        Skipped: there is no browser.
    """
    from tests.browser.chromium import NoBrowser, launch_chromium
    from tests.browser.deceived import pictures_of, visit_everything
    from tests.browser.hostile import SECRET, write_elsewhere, write_hostile
    from tests.browser.payloads import PAYLOADS
    from tests.browser.spying import watched_app

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        hostile, elsewhere = write_hostile(folder / "texts"), write_elsewhere(folder / "paths")
        for name in ("first", "second"):
            (folder / name).mkdir()
        try:
            with launch_chromium() as browser:
                told = {DATA_VARIABLE: str(hostile.data)}
                with watched_app(folder / "first", hostile.runs, told) as app:
                    found = visit_everything(browser, app.url, hostile, thorough=bool(n))
                    outside = app.outside(hostile.runs, hostile.data)
                with watched_app(folder / "second", elsewhere.runs) as app:
                    honest, *others = pictures_of(browser, app.url, (elsewhere.honest, *elsewhere.run_ids))
        except NoBrowser as missing:
            raise Skipped(str(missing)) from missing
    return {
        "payloads": len(PAYLOADS),
        "places": len(found.places),
        "wanted": found.wanted,
        "literal": found.wanted - len(found.missing),
        "elements": len(found.elements),
        "ran": len(found.ran) + len(found.dialogs),
        "requests": len(found.asked) + len(found.away),
        "outside": len(outside),
        "strangers": len(others),
        "disclosed": sum(n_pictures > 0 or SECRET in said or "root:" in said for n_pictures, said in others),
        "honest": honest[0],
    }
