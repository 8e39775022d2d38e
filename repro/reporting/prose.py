"""Sentences under headings, in every form that tables have; names in them stand literally."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill

from repro.reporting.table import html_text, latex_text, literal, markdown_text

Sections = Mapping[str, Sequence[str]]


def print_sentences(sections: Sections) -> None:
    """Prints for the eye on a terminal, wrapped there alone."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console.file.write(_text(sections))
        return
    for heading, sentences in sections.items():
        console.print(Text(literal(heading), style="bold"))
        for sentence in sentences:
            console.print(Text(fill(literal(sentence), console.width, subsequent_indent="  ")))
        console.print()


def sentences_as(form: str, sections: Sections) -> str:
    return _FORMS[form](sections)


def _text(sections: Sections) -> str:
    return "\n".join(
        f"{literal(heading)}\n\n" + "".join(f"{literal(one)}\n" for one in sentences)
        for heading, sentences in sections.items()
    )


def _markdown(sections: Sections) -> str:
    return "\n".join(
        f"**{markdown_text(heading)}**\n\n" + "".join(f"- {markdown_text(one)}\n" for one in sentences)
        for heading, sentences in sections.items()
    )


def _latex(sections: Sections) -> str:
    return "\n".join(
        f"\\paragraph{{{latex_text(heading)}}}\n" + "\n".join(latex_text(one) for one in sentences) + "\n"
        for heading, sentences in sections.items()
    )


def _html(sections: Sections) -> str:
    return "".join(
        f"<h3>{html_text(heading)}</h3>\n<ul>\n"
        + "".join(f"<li>{html_text(one)}</li>\n" for one in sentences)
        + "</ul>\n"
        for heading, sentences in sections.items()
    )


_FORMS: Mapping[str, Callable[[Sections], str]] = {
    "text": _text,
    "markdown": _markdown,
    "latex": _latex,
    "html": _html,
}
