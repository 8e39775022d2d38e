"""A table, and its forms: terminal, plain text, Markdown, LaTeX, HTML, CSV.

Every text stands literally in every form: nothing in a model's, a file's or a class's name is taken
for markup, for a formula or for a control character.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape as escape_html
from io import StringIO
from typing import TYPE_CHECKING, Literal

from tabulate import LATEX_ESCAPE_RULES, tabulate

if TYPE_CHECKING:
    import rich.table
    from rich.console import Console

_INVISIBLE = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
"""Unicode's categories of what acts on the text instead of being seen: controls, bidi marks, surrogates, …"""

_LATEX = {**LATEX_ESCAPE_RULES, "|": r"\textbar{}"}
"""LaTeX's default fonts have a dash in the bar's place."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Column:
    """A column. Its cells are `footnotes` where people read a number, and the text under the table.

    A terminal too narrow for all columns leaves out those with the largest `drop` first, never those
    with 0. `colours` are a terminal's styles by cell text.
    """

    header: str
    justify: Literal["left", "right"] = "left"
    footnotes: bool = False
    drop: int = 0
    colours: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under a heading; no heading, no line for it."""

    heading: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """`grouped_by` heads the column of the groups' headings in CSV; without it they are left out there."""

    title: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()
    grouped_by: str = ""


def literal(text: str) -> str:
    r"""`text` with every character that would act instead of being seen written as `\u202e`."""
    if text.isprintable():  # most are, and some are long
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _INVISIBLE else c for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def print_table(table: Table, console: Console | None = None) -> None:
    """Prints for the eye on a terminal, as plain aligned text into a pipe or a file."""
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    if not console.is_terminal:
        console.file.write(to_text(table))
        return
    shown = _fitted(_numbered(table), console.width)
    console.print(Text(literal(shown.title), style="bold"), end="\n\n")
    console.print(_rich_table(shown))
    console.print()
    for note in shown.notes:
        console.print(Text(literal(note)))


def to_text(table: Table) -> str:
    shown = _numbered(table)
    grid = _grid(shown, "simple", literal, lambda text: f"{text}:", _stacked(shown.columns))
    notes = "".join(f"{literal(note)}\n" for note in shown.notes)
    return f"{literal(shown.title)}\n\n{grid}\n\n{notes}"


def to_markdown(table: Table) -> str:
    """GitHub's Markdown."""
    shown = _numbered(table)
    grid = _grid(shown, "pipe", markdown_text, lambda text: f"**{text}**")
    notes = "".join(f"\n{markdown_text(note)}\n" for note in shown.notes)
    return f"**{markdown_text(shown.title)}**\n\n{grid}\n{notes}"


def to_latex(table: Table) -> str:
    """A `table` float that needs no package."""
    shown = _numbered(table)
    grid = _grid(shown, "latex_raw", latex_text, lambda text: rf"\textbf{{{text}}}")
    columns = "".join(column.justify[0] for column in shown.columns)
    grid = grid.replace(r"\begin{tabular}{}", rf"\begin{{tabular}}{{{columns}}}", 1)  # where it has no rows
    notes = "".join(f"\n\\par {latex_text(note)}" for note in shown.notes)
    return f"\\begin{{table}}\n\\caption{{{latex_text(shown.title)}}}\n{grid}{notes}\n\\end{{table}}\n"


def to_html(table: Table) -> str:
    """A fragment: a heading, the table, a paragraph for each note."""
    shown = _numbered(table)
    notes = "".join(f"<p>{html_text(note)}</p>\n" for note in shown.notes)
    padded = _grid(shown, "unsafehtml", html_text, lambda text: f"<b>{text}</b>")
    grid = re.sub(r" *(</?t[dh][^>]*>) *", r"\1", padded)
    return f"<h2>{html_text(shown.title)}</h2>\n{grid}\n{notes}"


def to_csv(table: Table) -> str:
    """The rows alone, footnotes in full, safe to open in a spreadsheet."""
    headers = [column.header for column in table.columns]
    records = [headers, *(row for group in table.groups for row in group.rows)]
    if table.grouped_by:
        headings = [table.grouped_by, *(group.heading for group in table.groups for _ in group.rows)]
        records = [[heading, *record] for heading, record in zip(headings, records, strict=True)]
    file = StringIO()
    csv.writer(file, lineterminator="\n").writerows([_csv(text) for text in record] for record in records)
    return file.getvalue()


FORMATS: Mapping[str, Callable[[Table], str]] = {
    "text": to_text,
    "markdown": to_markdown,
    "latex": to_latex,
    "html": to_html,
    "csv": to_csv,
}


def markdown_text(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|&~#!$])", r"\\\1", literal(text))


def latex_text(text: str) -> str:
    escaped = "".join(_LATEX.get(c, c) for c in literal(text))
    escaped = re.sub("-(?=-)", "-{}", escaped)  # else `--models` becomes a dash
    return re.sub(r"^(?=\s*[\[*])", "{}", escaped)  # else they are arguments of the line's end before them


def html_text(text: str) -> str:
    return escape_html(literal(text))


def _csv(text: str) -> str:
    """A leading apostrophe keeps spreadsheets from taking a text for a formula."""
    shown = literal(text)
    is_formula = shown.lstrip().startswith(("=", "+", "-", "@")) and not _NUMBER.fullmatch(shown)
    return f"'{shown}" if is_formula else shown


def _numbered(table: Table) -> Table:
    """Footnotes become numbers, equal ones the same, and move under the table."""
    numbers: dict[str, int] = {}

    def cell(column: Column, text: str) -> str:
        if not (column.footnotes and text):
            return text
        return str(numbers.setdefault(text, len(numbers) + 1))

    groups = tuple(
        replace(group, rows=tuple(tuple(map(cell, table.columns, row)) for row in group.rows))
        for group in table.groups
    )
    footnotes = (f"{number}. {text}" for text, number in numbers.items())
    return replace(table, groups=groups, notes=(*footnotes, *table.notes))


def _grid(
    table: Table,
    form: str,
    escape: Callable[[str], str],
    emphasise: Callable[[str], str],
    headers: Sequence[str] = (),
) -> str:
    """The bare grid; a group's heading stands in a row of its own."""
    rows: list[list[str]] = []
    for group in table.groups:
        if group.heading:
            rows.append([emphasise(escape(group.heading)), *[""] * (len(table.columns) - 1)])
        rows += [[escape(text) for text in row] for row in group.rows]
    return tabulate(
        rows,
        headers or [escape(column.header) for column in table.columns],
        tablefmt=form,
        colalign=[column.justify for column in table.columns],
        disable_numparse=True,
        preserve_whitespace=True,
    )


def _stacked(columns: Sequence[Column]) -> list[str]:
    """The headers with their words below each other, all ending on the same line."""
    words = [[literal(word) for word in column.header.split(" ")] for column in columns]
    height = max(map(len, words))
    return ["\n".join([*[""] * (height - len(header)), *header]) for header in words]


def _fitted(table: Table, width: int) -> Table:
    """The table without the columns for which `width` characters do not suffice; a note names them."""
    widths = [_width(column, position, table) for position, column in enumerate(table.columns)]
    kept = list(range(len(widths)))
    for level in sorted({column.drop for column in table.columns if column.drop}, reverse=True):
        if sum(widths[i] for i in kept) + len(kept) - 1 > width:
            kept = [i for i in kept if table.columns[i].drop < level]
    if len(kept) == len(widths):
        return table
    missing = ", ".join(column.header for i, column in enumerate(table.columns) if i not in kept)
    return replace(
        table,
        columns=tuple(table.columns[i] for i in kept),
        groups=tuple(
            replace(group, rows=tuple(tuple(row[i] for i in kept) for row in group.rows))
            for group in table.groups
        ),
        notes=(*table.notes, f"Left out on a terminal {width} characters wide: {missing}."),
    )


def _width(column: Column, position: int, table: Table) -> int:
    """Characters a column needs on a terminal."""
    from rich.cells import cell_len

    cells = [literal(row[position]) for group in table.groups for row in group.rows]
    return max(map(cell_len, [*column.header.split(" "), *cells]))


def _rich_table(table: Table) -> rich.table.Table:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for column, header in zip(table.columns, _stacked(table.columns), strict=True):
        grid.add_column(Text(header), justify=column.justify, overflow="fold")
    for group in table.groups:
        if group.heading:
            grid.add_row(Text(literal(group.heading), style="bold italic"))
        for row in group.rows:
            cells = zip(table.columns, row, strict=True)
            grid.add_row(*(Text(literal(text), style=column.colours.get(text, "")) for column, text in cells))
        grid.add_section()
    return grid
