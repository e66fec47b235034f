"""Figures drawn from rows: codebook use, rates of tokens, quality against bitrate, and two tasks."""

import io
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from benchmark.results.report.cells import Cell, Line
from benchmark.results.report.printed import heading
from benchmark.results.report.tables import Table

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
"""Palette of Okabe and Ito, with a grey instead of its yellow, which is too faint for a line."""
MARKERS = "osD^vPX*<>"
PLAIN = matplotlib.style.context("default")
"""Matplotlib's default style, whatever the settings of the user."""
PANEL = (4.0, 3.2)
"""Width and height of one panel in inches."""


logging.getLogger("fontTools").setLevel(logging.WARNING)  # at INFO it reports every glyph of a PDF


class Drawn(NamedTuple):
    """Contents of the two files of a figure."""

    png: bytes
    pdf: bytes


@PLAIN
def codebook_histogram(usage: Mapping[str, pd.DataFrame], sizes: Mapping[str, int]) -> Drawn:
    """Draw the relative frequency of each code by rank, one panel per tokenizer, one line per codebook.

    Args:
        usage: By label, the columns `codebook`, `code`, `count`; unused codes may be absent.
        sizes: Codebook size by label; a dashed line marks uniform use of that many codes.
    """
    figure, axes = _make_panels(len(usage))
    for axis, (label, counts) in zip(axes, sorted(usage.items()), strict=True):
        shares = code_shares(counts)
        for place, (book, frequencies) in enumerate(shares.items()):
            shade = matplotlib.colormaps["viridis"](0.9 * place / max(1, len(shares) - 1))
            named = f"book {book}" if place in (0, len(shares) - 1) else None
            axis.plot(np.arange(1, len(frequencies) + 1), frequencies, color=shade, label=named)
        axis.axhline(1 / sizes[label], color=COLOURS[-1], linestyle="--", linewidth=1, label="uniform")
        axis.set(title=label, xlabel="code, by rank", ylabel="relative frequency", yscale="log")
        axis.set_xlim(0, sizes[label] + 1)
        axis.legend(fontsize=8)
    return _render(figure)


def counts_codes(utterances: pd.DataFrame) -> bool:
    """Return whether a job keeps counts of codes, for `codebook_histogram`, in place of utterances."""
    return {"codebook", "code", "count"} <= set(utterances.columns)


def code_shares(counts: pd.DataFrame) -> dict[int, np.ndarray]:
    """Return the relative frequencies of the used codes of each codebook, most frequent first."""
    shares = {}
    for book, uses in counts[counts["count"] > 0].groupby("codebook")["count"]:
        ranked = np.sort(uses.to_numpy())[::-1]
        shares[int(book)] = ranked / ranked.sum()
    return shares


@PLAIN
def codebook_growth(growth: Mapping[str, Mapping[str, Sequence[float]]]) -> Drawn:
    """Draw the used share and the perplexity against the amount of speech, one line per tokenizer.

    Args:
        growth: By label, equally long lists: `hours`, `used` (0 to 1) and `perplexity`.
    """
    figure, (used, perplexity) = _make_panels(2)
    styles = _assign_styles(sorted(growth))
    for label, style in styles.items():
        curve, look = growth[label], {**style, "markersize": 4, "linewidth": 1}
        used.plot(curve["hours"], 100 * np.array(curve["used"]), **look)
        perplexity.plot(curve["hours"], curve["perplexity"], **look)
    used.set(ylabel="entries used (%), mean over books", ylim=(0, 105))
    perplexity.set(ylabel="perplexity, mean over books", yscale="log")
    for axis in (used, perplexity):
        axis.set(xlabel="hours of speech", xscale="log")
        axis.xaxis.set_major_formatter("{x:g}")
    _draw_legend(figure, styles, hollow=False)
    return _render(figure)


@PLAIN
def rate_vocabulary(curves: Mapping[str, Mapping[str, Sequence[Any]]]) -> Drawn:
    """Draw the average rate of tokens against the size of the vocabulary, one line per tokenizer.

    Each line starts at the tokenizer's own vocabulary, and ends with its share of the rate there.

    Args:
        curves: By label, equally long lists: `vocabulary`, and the rates in Hz `bpe`, of byte pairs, and
            `dedup_bpe`, of byte pairs after deduplication; None beyond the end of the merges.
    """
    panels = {"bpe": "byte-pair encoding", "dedup_bpe": "deduplication first"}
    figure, axes = _make_panels(len(panels))
    styles = _assign_styles(sorted(curves))
    for axis, (name, title) in zip(axes, panels.items(), strict=True):
        for label, style in styles.items():
            rates = [rate for rate in curves[label][name] if rate is not None]
            sizes = curves[label]["vocabulary"][: len(rates)]
            axis.plot(sizes, rates, **style, markersize=4, linewidth=1)
            share = f"{rates[-1] / curves[label]['bpe'][0]:.3f}×"
            axis.annotate(share, (sizes[-1], rates[-1]), (3, 3), textcoords="offset points", fontsize=7)
        axis.set(title=title, xlabel="vocabulary", ylabel="average frame rate (Hz)", yscale="log")
        axis.set_xscale("log", base=4)
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("")  # its own labels would lie on one another
        axis.margins(x=0.12)
    _draw_legend(figure, styles, hollow=False)
    return _render(figure)


@PLAIN
def rate_quality(table: Table) -> Drawn | None:
    """Draw each metric of a table against the bitrate; return None when nothing was scored.

    Toplines, floors and lines without a bitrate are drawn as dashed lines, since a rate would mean nothing
    for them.
    """
    corpora = sorted({line.corpus for line in table.lines})
    panels = [
        (metric, corpus)
        for corpus in corpora
        for metric in table.metrics
        if any(line.cells[metric].value is not None for line in table.lines if line.corpus == corpus)
    ]
    if not panels:
        return None
    figure, axes = _make_panels(len(panels))
    drawn = [line for line in table.lines if any(cell.value is not None for cell in line.cells.values())]
    styles = _assign_styles([line.tokenizer for line in drawn])
    levels = {line.tokenizer for line in drawn if not line.bitrate or line.kind in ("topline", "floor")}
    for axis, (metric, corpus) in zip(axes, panels, strict=True):
        for line in (line for line in drawn if line.corpus == corpus):
            cell, style = line.cells[metric], styles[line.tokenizer]
            if cell.value is not None and line.tokenizer in levels:
                axis.axhline(cell.value, color=style["color"], linestyle="--", linewidth=1)
            elif cell.value is not None:
                _draw_point(axis, style, x=Cell("ok", line.bitrate_kbps), y=cell)
        axis.set(xlabel="bitrate (kbps)", ylabel=heading(table.metrics[metric]))
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_title("/".join(corpus) if len(corpora) > 1 else "")
    _draw_legend(figure, styles, levels)
    return _render(figure)


@PLAIN
def trade_off(speech: Table, content: Table) -> Drawn | None:
    """Draw the WER of decoded speech against the WER of a probe on the same tokens; None without such a pair.

    Lines are paired by tokenizer and corpus, or by tokenizer alone if the corpora have none in common.
    """
    scored = [
        (spoken, read)
        for spoken, read in _pairs(speech.lines, content.lines)
        if "wer" in spoken.cells and "probe_wer" in read.cells
        if None not in (spoken.cells["wer"].value, read.cells["probe_wer"].value)
    ]
    if not scored:
        return None
    figure, axes = _make_panels(1)
    styles = _assign_styles([spoken.tokenizer for spoken, _ in scored])
    for spoken, read in scored:
        _draw_point(axes[0], styles[spoken.tokenizer], x=spoken.cells["wer"], y=read.cells["probe_wer"])
    spoken_on, read_on = (
        "; ".join(sorted({"/".join(x.corpus) for x in side})) for side in zip(*scored, strict=True)
    )
    axes[0].set_xlabel(f"{speech.layout.title.lower()} {heading(speech.metrics['wer'])}\n{spoken_on}")
    axes[0].set_ylabel(f"{heading(content.metrics['probe_wer'])}\n{read_on}")
    _draw_legend(figure, styles)
    return _render(figure)


def _pairs(left: Sequence[Line], right: Sequence[Line]) -> list[tuple[Line, Line]]:
    same = [(a, b) for a in left for b in right if a.tokenizer == b.tokenizer]
    return [(a, b) for a, b in same if a.corpus == b.corpus] or same


def _assign_styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Assign a colour and a marker to each tokenizer, in the order of the table."""
    return {
        name: {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
        for place, name in enumerate(dict.fromkeys(names))
    }


def _draw_point(axis: Axes, style: dict[str, Any], x: Cell, y: Cell) -> None:
    """Draw a value with its intervals; the marker is hollow when a training behind it did not converge."""
    hollow = "NC" in (x.status, y.status)
    axis.errorbar(
        np.array([x.value], dtype=float),
        np.array([y.value], dtype=float),
        xerr=_bars(x),
        yerr=_bars(y),
        markerfacecolor="none" if hollow else style["color"],
        linestyle="none",
        capsize=2,
        **style,
    )


def _bars(cell: Cell) -> np.ndarray | None:
    """Return the (2, 1) distances from the value down and up to the bounds of its interval."""
    if cell.value is None or cell.lo is None or cell.hi is None:
        return None
    return np.maximum([[cell.value - cell.lo], [cell.hi - cell.value]], 0.0)


def _draw_legend(
    figure: Figure, styles: dict[str, dict[str, Any]], levels: Collection[str] = (), hollow: bool = True
) -> None:
    """Name every point and every dashed line of `levels` beside the panels; explain hollow points."""
    handles = [
        Line2D([], [], linestyle="--", color=style["color"], label=name)
        if name in levels
        else Line2D([], [], linestyle="none", label=name, **style)
        for name, style in styles.items()
    ]
    if hollow:
        circle = Line2D([], [], linestyle="none", marker="o", color=COLOURS[-1], markerfacecolor="none")
        circle.set_label("hollow: NC")
        handles.append(circle)
    figure.legend(handles=handles, loc="outside right upper", fontsize=8)


def _make_panels(count: int) -> tuple[Figure, list[Axes]]:
    """Create a figure of `count` panels in at most three columns."""
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(PANEL[0] * columns + 1.2, PANEL[1] * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    for axis in axes[:count]:
        axis.grid(alpha=0.3)
    return figure, axes[:count]


def _render(figure: Figure) -> Drawn:
    """Render the files of a figure without a date or a version, so that the same rows give the same bytes."""
    png, pdf = io.BytesIO(), io.BytesIO()
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    with matplotlib.rc_context({"pdf.fonttype": 42}):  # TrueType, since publishers refuse Type 3 fonts
        FigureCanvasPdf(figure).print_pdf(
            pdf, metadata={"Creator": None, "Producer": None, "CreationDate": None}
        )
    return Drawn(png.getvalue(), pdf.getvalue())
