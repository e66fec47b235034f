"""The three files of a table: CSV for programs, Markdown for the screen, LaTeX for papers."""

import csv
import io
import re
import unicodedata

from benchmark.results.report.cells import Cell, Line
from benchmark.results.report.printed import Entry, Grid
from benchmark.results.report.tables import Table

FACTS = (
    "tokenizer",
    "kind",
    "decoder",
    "frame_rate_hz",
    "num_codebooks",
    "codebook_size",
    "bitrate_kbps",
)
"""First columns of every CSV table."""

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"$\mathdollar$",  # \$ needs a font that a small TeX installation lacks
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "→": r"$\rightarrow$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "−": "$-$",
    "Σ": r"$\Sigma$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "²": r"\textsuperscript{2}",
}
"""Characters that pdflatex reads as commands, or does not know without further packages."""


def to_csv(table: Table) -> str:
    """Format a table as CSV, one line per tokenizer and corpus.

    Numbers have six significant digits; a cell without a number is empty. Beside each number stand the
    standard deviation over its trainings and their number, which is 0 where the number depends on none, and
    in a table by condition the number of scored utterances. A text that a spreadsheet would run as a formula
    is prefixed with an apostrophe.
    """
    parts = ("", "_lo", "_hi", "_sd", "_seeds", *(["_n"] if table.layout.by_condition else []))
    metrics = [metric + part for metric in table.metrics for part in parts]
    counts = ["n_scored", "n_failed", "n_abstained", "status", "reason", "dataset", "split"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(harmless, [*FACTS, *metrics, *counts]))
    for line in table.lines:
        facts = [line.frame_rate, line.num_codebooks, line.codebook_size, line.bitrate_kbps]
        cells = [line.cells[metric] for metric in table.metrics]
        numbers = [x for c in cells for x in _numbers(c)[: len(parts)]]
        writer.writerow(
            [
                *(*map(harmless, (line.tokenizer, line.kind, line.decoder)), *map(digits, facts)),
                *(*map(digits, numbers), line.scored[0], line.n_failed, line.n_abstained),
                *map(harmless, (line.status, _reason(line), line.dataset, line.split)),
            ]
        )
    return text.getvalue()


def _numbers(cell: Cell) -> tuple[float | None, ...]:
    seeds = None if cell.value is None else cell.n_trainings
    return cell.value, cell.lo, cell.hi, cell.spread, seeds, cell.n_scored


def to_markdown(grid: Grid) -> str:
    """Format a grid as a pipe table with aligned columns, readable in a terminal, with its notes below."""
    cells = [[_markdown_entry(entry) for entry in row] for row in grid.body]
    header = [_markdown(text) for text in grid.header]
    if grid.groups:  # Markdown has one header row: the groups take it, and the header follows as a line
        cells.insert(0, header)
        header = [text for label, width in grid.groups for text in (_markdown(label), *[""] * (width - 1))]
    widths = [max(3, *map(len, column)) for column in zip(header, *cells, strict=True)]

    def line(texts: list[str]) -> str:
        padded = [
            text.rjust(width) if is_number else text.ljust(width)
            for text, width, is_number in zip(texts, widths, grid.is_number, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * (w - n) + ":" * n for w, n in zip(widths, grid.is_number, strict=True)]
    notes = [_markdown(text) for text in grid.notes]
    notes += [
        f"{str(mark).translate(SUPERSCRIPTS)} {_markdown(text)}"
        for mark, text in enumerate(grid.footnotes, 1)
    ]
    table = "\n".join([line(header), line(rule), *map(line, cells)])
    return f"### {_markdown(grid.title)}\n\n{table}\n\n" + "".join(f"- {note}\n" for note in notes)


def to_latex(grid: Grid) -> str:
    r"""Format a table with its notes for a document that uses booktabs and graphicx.

    A table wider than the text is shrunk to its width; such a table reads better on a page turned by lscape.
    """
    align = "".join("r" if is_number else "l" for is_number in grid.is_number)
    notes = [latex(text) for text in grid.notes]
    notes += [rf"\textsuperscript{{{m}}} {latex(text)}" for m, text in enumerate(grid.footnotes, 1)]
    lines = [
        rf"% {latex(grid.title)}. Needs \usepackage{{booktabs,graphicx}}.",
        r"\begin{minipage}{\linewidth}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        *_latex_groups(grid),
        " & ".join(map(latex, grid.header)) + r" \\",
        r"\midrule",
        *(" & ".join(map(_latex_entry, row)) + r" \\" for row in grid.body),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\par\smallskip\footnotesize\raggedright",
        *(rf"{note}\par" for note in notes),
        r"\end{minipage}",
    ]
    return "\n".join(lines) + "\n"


def _latex_groups(grid: Grid) -> list[str]:
    """Return the headings above the header, with a rule below each."""
    cells, rules, first = [], [], 1
    for label, width in grid.groups:
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{latex(label)}}}")
        if label:
            rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    return [" & ".join(cells) + r" \\", " ".join(rules)] if cells else []


def latex(text: str) -> str:
    """Escape text for pdflatex; a character that it cannot print is replaced by its Unicode name."""
    return "".join(LATEX.get(c) or (c if c.isascii() or _is_latin(c) else _named(c)) for c in _line(text))


def _is_latin(character: str) -> bool:
    """Return whether pdflatex prints this accented Latin-1 letter from UTF-8 in its default font encoding."""
    return "À" <= character <= "ÿ" and character not in "×÷ÐÞðþ"


def _named(character: str) -> str:
    return f"[{unicodedata.name(character, f'U+{ord(character):04X}').lower()}]"


def _line(text: str) -> str:
    """Join the text into one line, since a reason may be the message of an exception."""
    return " ".join(text.split())


def _markdown(text: str) -> str:
    return re.sub(r"([|*<\\])", r"\\\1", _line(text))


def _markdown_entry(entry: Entry) -> str:
    value = f"**{_markdown(entry.value)}**" if entry.bold else _markdown(entry.value)
    mark = "" if entry.mark is None else str(entry.mark).translate(SUPERSCRIPTS)
    return " ".join(filter(None, (value, entry.rest))) + mark


def _latex_entry(entry: Entry) -> str:
    value, rest = (re.sub(r"(?<![\w-])-(?=\d)", "$-$", latex(text)) for text in (entry.value, entry.rest))
    mark = "" if entry.mark is None else rf"\textsuperscript{{{entry.mark}}}"
    value = rf"\textbf{{{value}}}" if entry.bold else value
    return " ".join(filter(None, (value, rest))) + mark


def digits(number: float | None) -> str:
    """Format a number with six significant digits; an absent one is empty."""
    return "" if number is None else f"{number:.6g}"


def harmless(text: str) -> str:
    """Prefix text that a spreadsheet would run as a formula with an apostrophe, which marks it as text."""
    return f"'{text}" if text.lstrip(" \n").startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _reason(line: Line) -> str:
    """Describe every cell that is not plainly scored or has a remark; group metrics of one description."""
    metrics: dict[str, list[str]] = {}
    for metric, cell in line.cells.items():
        what = cell.status if cell.status != "ok" else cell.missing
        story = f"{what}: {_line(cell.reason)}".removesuffix(": ") if what else ""
        for text in filter(None, (story, _line(cell.remark))):
            metrics.setdefault(text, []).append(metric)
    return "; ".join(f"{' '.join(names)} {story}" for story, names in metrics.items())
