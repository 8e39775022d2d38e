"""One file that shows a study to others: HTML that needs nothing beside it, and the same in Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from repro.analysis.claim_verdict import ClaimVerdict
from repro.analysis.ledger import Ledger
from repro.reporting.gallery import RULE, TURNED_RULE, Gallery, gallery_table
from repro.reporting.ledger import COLOURS
from repro.reporting.prose import Sections, sentences_as
from repro.reporting.table import Column, Group, Table, literal, markdown_text, to_html, to_markdown

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Nothing is loaded, nothing is run: not even what a name might smuggle in."""

TELLING = (
    ClaimVerdict.OTHER_BASE,
    ClaimVerdict.WRONG_NETWORK,
    ClaimVerdict.DIFFERS,
    ClaimVerdict.SUPERSEDED,
    ClaimVerdict.CONTRADICTION,
    ClaimVerdict.STUDY,
)


@dataclass(frozen=True)
class Part:
    """A section: sentences, pictures (SVG) and tables, in this order."""

    heading: str
    sentences: Sections | None = None
    pictures: tuple[tuple[str, bytes], ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z]+", "-", self.heading.lower()).strip("-")


@dataclass(frozen=True)
class Report:
    """What stands in the report; `limit` is how many errors of a run the galleries show at most.

    `turned` are galleries of errors that a probe turned right.
    """

    title: str
    about: str
    parts: tuple[Part, ...]
    galleries: tuple[Gallery, ...]
    limit: int
    turned: tuple[Gallery, ...] = ()

    @property
    def shown(self) -> tuple[tuple[str, str, tuple[Gallery, ...]], ...]:
        """The galleries under their headings, each with the rule by which its errors were chosen."""
        errors = ("The errors themselves", RULE.format(limit=self.limit), self.galleries)
        turned = ("Errors that a probe turned right", TURNED_RULE, self.turned)
        return (errors, turned) if self.turned else (errors,)


def ledger_brief(ledger: Ledger) -> Table:
    """The claims that were judged and do not simply hold, and those that this study is asked about."""
    telling = [entry for entry in ledger.entries if entry.finding.verdict in TELLING]
    rows = tuple(
        (
            entry.claim.id,
            entry.claim.says,
            entry.finding.stated,
            entry.finding.found,
            str(entry.finding.verdict),
            "; right is: ".join(filter(None, (entry.finding.reason, entry.finding.right))),
        )
        for entry in telling
    )
    return Table(
        title="What the sources claim, in short",
        columns=(
            Column("Claim"),
            Column("Says"),
            Column("Stated", "right"),
            Column("Found", "right"),
            Column("Verdict", colours=COLOURS),
            Column("Why"),
        ),
        groups=(Group("", rows),),
        notes=(ledger.statement + ".", "All of them: repro claims."),
    )


def to_page(report: Report) -> bytes:
    """The HTML file."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    text = files("repro.reporting").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # What these make is escaped where it is made: each cell, each sentence, and by matplotlib what is text.
    filters: dict[str, Callable[..., str]] = {
        "literal": literal,
        "table": lambda table: Markup(to_html(table)),
        "prose": lambda sections: Markup(sentences_as("html", sections)),
        "picture": lambda svg: Markup(inline_svg(svg)),
    }
    environment.filters |= filters
    return environment.from_string(text).render(report=report, policy=POLICY).encode()


def inline_svg(svg: bytes) -> str:
    """The element alone: what stands before it, and metadata that names other places, have no use here."""
    text = svg.decode()
    element = text[text.index("<svg") :]
    return re.sub(r"\s*<metadata>.*?</metadata>", "", element, flags=re.DOTALL)


def to_twin(report: Report) -> bytes:
    """The same in Markdown, without its pictures."""
    parts = [f"# {markdown_text(report.title)}\n", f"{markdown_text(report.about)}\n"]
    for part in report.parts:
        parts.append(f"## {markdown_text(part.heading)}\n")
        if part.sentences:
            parts.append(sentences_as("markdown", part.sentences))
        parts += [f"*{markdown_text(caption)}: drawn in the HTML file.*\n" for caption, _ in part.pictures]
        parts += [to_markdown(table) for table in part.tables]
    for heading, rule, galleries in report.shown:
        parts += [f"## {heading}\n", to_markdown(gallery_table(heading, galleries, rule))]
    return "\n".join(parts).encode()
