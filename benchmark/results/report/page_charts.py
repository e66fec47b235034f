"""Data of the page's charts, which `page/charts.js` draws, and the drawing library."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from benchmark.results.report.figures import code_shares
from benchmark.results.report.printed import heading
from benchmark.results.report.tables import Table

MOST_RANKS = 160
"""Maximum number of codes drawn in a histogram, evenly spread over the ranks."""
MOST_BOOKS = 8


@cache
def library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, from the wheel of vl-convert."""
    import vl_convert  # 30 MB of code that only a report needs

    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script


def rates(tables: Iterable[Table]) -> list[dict[str, Any]]:
    """Return every number with its interval, by table and line, as JSON-able data for scatter plots."""
    return [
        {
            "name": table.name,
            "title": table.layout.title,
            "axis": table.layout.axis,
            "metrics": [[metric, heading(shown)] for metric, shown in table.metrics.items()],
            "lines": [
                {
                    "tokenizer": line.tokenizer,
                    "kind": line.kind,
                    "corpus": "/".join(line.corpus),
                    "kbps": line.bitrate_kbps if line.kind not in ("topline", "floor") else None,
                    "cells": {
                        metric: [_short(x) for x in (cell.value, cell.lo, cell.hi)] + [cell.status]
                        for metric, cell in line.cells.items()
                        if cell.value is not None
                    },
                }
                for line in table.lines
            ],
        }
        for table in tables
    ]


def histograms(usage: Mapping[str, pd.DataFrame], sizes: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the relative frequency of the codes by rank, per codebook and tokenizer, as JSON-able data."""
    found = []
    for label in sorted(usage):
        points = []
        for book, shares in list(code_shares(usage[label]).items())[:MOST_BOOKS]:
            count = len(shares)
            ranks = np.unique(np.linspace(0, count - 1, min(count, MOST_RANKS)).round().astype(int)).tolist()
            points += [{"book": f"book {book}", "rank": r + 1, "share": _short(shares[r])} for r in ranks]
        found.append({"label": label, "size": sizes[label], "points": points})
    return found


def growth(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> list[dict[str, Any]]:
    """Return used share and perplexity by hours of speech, per tokenizer, as JSON-able data."""
    return [
        {
            "tokenizer": label,
            "hours": _short(hours),
            "used": _short(100 * used),
            "perplexity": _short(perplexity),
        }
        for label in sorted(curves)
        for hours, used, perplexity in zip(
            *(curves[label][name] for name in ("hours", "used", "perplexity")), strict=True
        )
    ]


def reduction(curves: Mapping[str, Mapping[str, Sequence[Any]]]) -> list[dict[str, Any]]:
    """Return the rates of tokens in Hz by vocabulary, per tokenizer, as JSON-able data."""
    return [
        {
            "tokenizer": label,
            "vocabulary": size,
            **{name: _short(curves[label][name][place]) for name in ("bpe", "dedup_bpe")},
        }
        for label in sorted(curves)
        for place, size in enumerate(curves[label]["vocabulary"])
    ]


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.6g}")
