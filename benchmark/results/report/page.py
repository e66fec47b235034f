"""The report as a single, self-contained page: `report.html`."""

import base64
import hashlib
import json
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from benchmark.results.report.content import REPRODUCTION, Content
from benchmark.results.report.page_audio import FLAC, collect
from benchmark.results.report.page_charts import growth, histograms, library, rates, reduction
from benchmark.results.report.page_facts import jobs, meanings, problems, provenance, versions
from benchmark.results.report.page_tables import View, downloads, view
from benchmark.results.report.page_utterances import cases, ids, jobs_of
from benchmark.results.report.tables import OVERVIEW, Table

FILES = Path(__file__).parent / "page"


def make_page(folder: Path, content: Content) -> str:
    """Return the HTML of the page; the same results give the same text.

    Args:
        folder: The results folder, with recordings in its subfolder `audio`.
        content: Everything that the page shows.
    """
    rows, apart = content.rows, [table for name, table in content.tables.items() if name != OVERVIEW]
    by_job = jobs_of(rows)
    sounds = collect(folder / "audio", sorted(ids(by_job, content.utterances).items()))
    found = cases(by_job, content.utterances, sounds)
    numbers = {
        "tables": rates(apart),
        "usage": histograms(content.codes.counts, content.codes.sizes),
        "growth": growth(content.codes.growth),
        "reduction": reduction(content.codes.rates),
    }
    beside = content.grids.get(REPRODUCTION)
    charts = {
        "rates": any(line["cells"] for table in numbers["tables"] for line in table["lines"]),
        "trade_off": {"speech", "content"} <= {table.layout.axis for table in apart},
        "usage": numbers["usage"],
        "growth": numbers["growth"],
        "reduction": numbers["reduction"],
        "cases": any(job["metrics"] for job in found),
        "listen": bool(sounds.clips),
        "reproduction": beside is not None,
    }
    told = meanings(apart)
    scripts = [_script(FILES / "tables.js"), _script(FILES / "cases.js"), _safe(library())]
    scripts.append(_script(FILES / "charts.js"))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FILES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html").render(
        policy=_policy(scripts),
        css=Markup((FILES / "report.css").read_text(encoding="utf-8")),
        profile=rows[0].profile,
        facts={
            "tokenizers": len({row.label for row in rows}),
            "corpora": _listed({f"{row.dataset} ({row.split})" for row in rows}),
        },
        sections=_sections(charts),
        tables=[
            _table(view(table, content.grids[name], content.files[name]), table)
            for name, table in content.tables.items()
        ],
        charts=charts,
        reproduction=beside and {"grid": beside, "downloads": downloads(content.files[REPRODUCTION])},
        refused=content.refused,
        problems=problems(apart),
        meanings=[(title, list(group)) for title, group in groupby(told, key=lambda each: each.table)],
        provenance=provenance(rows),
        jobs=jobs(rows),
        versions=versions(rows),
        left_out=sounds.left_out,
        lossless=sounds.kind == FLAC,
        data={
            "numbers": _json(numbers),
            "cases": _json(found),
            "sounds": _json({"kind": sounds.kind, "clips": sounds.clips}),
        },
        scripts=[Markup(script) for script in scripts],
    )


def _table(shown: View, table: Table) -> dict[str, Any]:
    """Return a table as the template reads it; a search matches the texts in `words`."""
    return {
        **{
            name: getattr(shown, name)
            for name in ("name", "title", "groups", "columns", "notes", "footnotes", "downloads")
        },
        "kinds": list(dict.fromkeys(line.kind for line in table.lines)),
        "lines": [
            {
                "cells": cells,
                "kind": line.kind,
                "words": " ".join(
                    [cell.entry.value for cell in cells if not cell.is_number]
                    + [line.kind, line.decoder, *line.corpus, line.status]
                ).lower(),
            }
            for cells, line in zip(shown.lines, table.lines, strict=True)
        ],
    }


def _sections(charts: Mapping[str, Any]) -> list[tuple[str, str]]:
    sections = {
        "charts": ("Charts", charts["rates"] or charts["trade_off"]),
        "tables": ("Tables", True),
        "reproduction": ("Published numbers", charts["reproduction"]),
        "listen": ("Listen", charts["listen"]),
        "utterances": ("Worst and best utterances", charts["cases"]),
        "codebooks": ("Codebooks", charts["usage"] or charts["growth"]),
        "reduction": ("Length reduction", charts["reduction"]),
        "problems": ("Missing or failed", True),
        "definitions": ("Definitions", True),
        "provenance": ("Provenance", True),
    }
    return [(anchor, name) for anchor, (name, present) in sections.items() if present]


def _listed(texts: set[str]) -> str:
    *first, last = sorted(texts)
    return f"{', '.join(first)} and {last}" if first else last


def _json(content: Any) -> Markup:
    """Encode JSON in which no text can end a script element or start a comment."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _script(path: Path) -> str:
    return _safe(path.read_text(encoding="utf-8"))


def _safe(script: str) -> str:
    """Return a script unchanged.

    Raises: ValueError for a script that would end its own element.
    """
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("the script would end its element early")
    return script


def _policy(scripts: list[str]) -> str:
    """Return a content security policy that allows no network at all, and no scripts but these."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    return "; ".join(
        [
            "default-src 'none'",
            "script-src " + " ".join(f"'sha256-{each}'" for each in hashes),
            "style-src 'unsafe-inline'",
            "img-src data:",
            "media-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
