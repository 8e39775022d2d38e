"""A table in every form: what is written can be read back, and no name acts instead of being seen."""

import csv
import re
import subprocess
import sys
import unicodedata
from html.parser import HTMLParser
from io import StringIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console
from tabulate import LATEX_ESCAPE_RULES

from repro.reporting.table import (
    FORMATS,
    Column,
    Group,
    Table,
    literal,
    print_table,
    to_csv,
    to_html,
    to_text,
)
from tests.reporting.snapshots import assert_snapshot

HOSTILE = [
    "a|b",
    "=1+1",
    "@SUM(A1)",
    "-2+3",
    "+1",
    "\t=1",
    " =1",
    "[red]x[/red]",
    ":smile:",
    "<script>alert(1)</script>",
    "&amp;",
    "*a* _b_ `c` ~~d~~",
    "[x](http://x.example)",
    "\\textbf{x} $y$ % #1 ^ {z}",
    "--models",
    "`` '' ---",
    "\\",
    "\\|",
    "a\nb\r\nc",
    "\x1b[31mred",
    "\u202egpj.exe",
    "\ud800",
    "\x01",
    "\u2028",
    "3",
    "-0.050",
    "nan",
]


def table_of(*rows, headings=("",), columns=None, notes=(), grouped_by=""):
    """One group a heading, each with all `rows`."""
    columns = columns or tuple(Column(f"column {i}") for i in range(len(rows[0])))
    return Table("A title", columns, tuple(Group(h, rows) for h in headings), notes, grouped_by)


def terminal(table, width=120):
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    print_table(table, console)
    return console.file.getvalue()


class _HtmlCells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.cells, self.tags, self.open = [], set(), False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in {"td", "th"}:
            self.cells.append("")
            self.open = True

    def handle_endtag(self, tag):
        self.open = self.open and tag not in {"td", "th"}

    def handle_data(self, data):
        if self.open:
            self.cells[-1] += data


def html_cells(html):
    parser = _HtmlCells()
    parser.feed(html)
    return parser.cells, parser.tags


def literal_in_html(name):
    cells, tags = html_cells(to_html(table_of((name, "end"))))
    assert tags <= {"h2", "table", "thead", "tbody", "tr", "th", "td", "p"}
    return cells[2]


def literal_in_markdown(name):
    text = FORMATS["markdown"](table_of((name, "end")))
    cells, tags = html_cells(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))
    assert tags <= {"p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    return cells[2]


def literal_in_latex(name):
    line = FORMATS["latex"](table_of((name, "end"))).splitlines()[6]
    cell = line.removesuffix(r"\\").strip().removesuffix("end").strip().removesuffix("&")
    assert not cell.startswith(("[", "*"))
    cell = cell.removeprefix("{}")
    tokens = {v: k for k, v in LATEX_ESCAPE_RULES.items()} | {"-{}": "-", r"\textbar{}": "|"}
    pattern = "|".join(map(re.escape, sorted(tokens, key=len, reverse=True)))
    assert not re.search(r"[\\{}$&#^_%~|<>]|--", re.sub(pattern, "", cell))
    return re.sub(pattern, lambda match: tokens[match[0]], cell)


def literal_in_csv(name):
    rows = list(csv.reader(StringIO(to_csv(table_of((name, "end"))))))
    assert rows[1][1] == "end"
    if guarded := rows[1][0].startswith("'") and not name.startswith("'"):
        assert name.lstrip()[0] in "=+-@"
    return rows[1][0][guarded:]


def literal_in_text(name):
    return to_text(table_of((name, "end"))).splitlines()[-2].removesuffix("end")


def literal_on_terminal(name):
    return terminal(table_of((name, "end")), width=10_000).splitlines()[5].rstrip().removesuffix("end")


READERS = (
    literal_in_html,
    literal_in_markdown,
    literal_in_latex,
    literal_in_csv,
    literal_in_text,
    literal_on_terminal,
)

any_text = st.text(st.characters(exclude_categories=()), min_size=1, max_size=20)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stand_literally(read, name):
    assert read(name).strip() == literal(name).strip()


@pytest.mark.parametrize("read", READERS)
@given(name=any_text)
@example(name="a" * 60)
def test_any_name_stands_literally(read, name):
    assert read(name).strip() == literal(name).strip()


@given(any_text)
@example("".join(HOSTILE))
def test_nothing_invisible_is_left(name):
    table = Table(name, (Column(name),), (Group(name, ((name,),)),), (name,), name)
    for text in (*(write(table) for write in FORMATS.values()), terminal(table)):
        assert not {unicodedata.category(c) for c in text.replace("\n", "")} & {
            "Cc",
            "Cf",
            "Co",
            "Cs",
            "Zl",
            "Zp",
        }


@given(st.text(st.characters(exclude_categories=("C", "Zl", "Zp"))))
def test_visible_text_is_left_alone(text):
    assert literal(text) == text


def test_what_acts_is_shown_by_its_code():
    assert literal("\u202egpj\n\U000e0001") == "\\u202egpj\\u000a\\U000e0001"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd", "'+cmd"),
        ("-1-1", "'-1-1"),
        ("@x", "'@x"),
        (" =1", "' =1"),
        ("-inf", "'-inf"),
        ("-0.050", "-0.050"),
        ("+0.130", "+0.130"),
        ("79.94–80.64", "79.94–80.64"),
        ("", '""'),
    ],
)
def test_formulas_are_defused_in_csv_and_numbers_left(cell, written):
    assert to_csv(table_of((cell,))).splitlines()[1] == written


COLUMNS = (Column("Name"), Column("Wide header", "right", drop=1), Column("Note", footnotes=True))
NOTED = table_of(
    ("a", "1", "first"), ("b", "22", ""), ("c", "3", "second"), ("d", "4", "first"), columns=COLUMNS
)


def test_footnotes_are_numbered_once_and_stand_below():
    lines = to_text(NOTED).splitlines()
    assert [line.split() for line in lines[5:9]] == [
        ["a", "1", "1"],
        ["b", "22"],
        ["c", "3", "2"],
        ["d", "4", "1"],
    ]
    assert lines[-2:] == ["1. first", "2. second"]


def test_csv_keeps_footnotes_where_they_are():
    assert [row[2] for row in csv.reader(StringIO(to_csv(NOTED)))] == ["Note", "first", "", "second", "first"]


def test_csv_names_the_group_of_each_row_where_groups_have_a_name():
    table = table_of(("a",), ("b",), headings=("one", "two"), columns=(Column("Name"),))
    assert to_csv(table) == "Name\na\nb\na\nb\n"
    named = Table(table.title, table.columns, table.groups, grouped_by="Kind")
    assert to_csv(named) == "Kind,Name\none,a\none,b\ntwo,a\ntwo,b\n"


def test_a_table_without_rows_can_be_written():
    empty = Table("Nothing yet", (Column("Name"), Column("n", "right")), (Group("", ()),))
    for write in FORMATS.values():
        assert "Name" in write(empty)
    assert "Name" in terminal(empty)
    assert r"\begin{tabular}{lr}" in FORMATS["latex"](empty)


def test_a_narrow_terminal_leaves_out_what_may_be_left_out_and_says_so():
    columns = (Column("a"), Column("b", drop=1), Column("c", drop=2), Column("d"))
    table = table_of(("A" * 10, "B" * 10, "C" * 10, "D" * 10), columns=columns)
    whole = {
        width: [letter for letter in "ABCD" if letter * 10 in terminal(table, width)]
        for width in (43, 42, 31, 21)
    }
    assert whole == {43: list("ABCD"), 42: list("ABD"), 31: list("AD"), 21: list("AD")}
    assert terminal(table, 42).endswith("\nLeft out on a terminal 42 characters wide:\nc.\n")


def test_a_terminal_too_narrow_for_anything_still_loses_no_letter():
    shown = terminal(table_of(("A" * 10, "D" * 10)), 12)
    assert (shown.count("A"), shown.count("D")) == (11, 10)  # the title has an A of its own


def test_into_a_pipe_goes_plain_text():
    console = Console(file=StringIO(), width=20)
    print_table(NOTED, console)
    assert console.file.getvalue() == to_text(NOTED)


def test_colours_belong_to_cells_of_their_column():
    columns = (Column("Name"), Column("Verdict", colours={"SAME": "green"}))
    console = Console(file=StringIO(), width=80, force_terminal=True, color_system="standard")
    print_table(table_of(("SAME", "SAME"), columns=columns), console)
    assert console.file.getvalue().count("\x1b[32mSAME") == 1


@pytest.mark.parametrize("form", FORMATS)
def test_forms(form):
    table = Table(
        title="Models & <friends>",
        columns=(Column("Model"), Column("Params (M)", "right"), Column("Note", footnotes=True)),
        groups=(
            Group("pooling", (("poolformer_s12", "11.915", ""), ("poolformer_s24", "21.389", "see --help"))),
            Group("a|b", (("=evil", "-0.5", "100 %"),)),
        ),
        notes=("Counted by fvcore.",),
        grouped_by="Token mixer",
    )
    assert_snapshot(f"table-{form}.txt", FORMATS[form](table))


def test_the_table_is_cheap_to_import():
    code = (
        "import sys, repro.reporting.table; print(*{'numpy', 'pandas', 'pyarrow', 'scipy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
