"""Parts of a wide table: one cell per number, one line per tokenizer."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
from scipy.stats import t as student_t

from benchmark.results.report.layouts import shown_as
from benchmark.results.row import Row
from benchmark.types import Kind

CellStatus = Literal["ok", "NC", "failed", "n/a", "missing"]
SEVERITY: tuple[CellStatus, ...] = ("failed", "missing", "NC", "ok", "n/a")
"""Statuses by severity; a line has the first of these that one of its cells has."""


@dataclass(frozen=True)
class Cell:
    """One number of a table with its interval and counts, or the reason why there is none."""

    status: CellStatus
    value: float | None = None
    lo: float | None = None
    hi: float | None = None
    n_scored: int = 0
    n_failed: int = 0
    reason: str = ""
    rows: tuple[Row, ...] = ()
    """Rows behind the number, one per seed."""

    @property
    def remark(self) -> str:
        """Remark of the trainings behind the number, such as a learning rate at the edge of those tried."""
        return _told([text for row in self.rows if (text := _search_note(row))], len(self.rows))


@dataclass(frozen=True)
class Line:
    """One tokenizer, on one corpus if the table has several; `cells` holds its numbers by metric."""

    tokenizer: str
    kind: Kind
    decoder: str
    frame_rate: float | None
    num_codebooks: int | None
    codebook_size: int | None
    bitrate: float | None
    dataset: str
    split: str
    cells: dict[str, Cell]

    @property
    def corpus(self) -> tuple[str, str]:
        """Dataset and split; joined by "+" when tasks with different corpora share the line."""
        return self.dataset, self.split

    @property
    def bitrate_kbps(self) -> float | None:
        """Nominal bitrate in kbit/s."""
        return None if self.bitrate is None else self.bitrate / 1000

    @property
    def status(self) -> CellStatus:
        """The most severe status among the cells."""
        return min((cell.status for cell in self.cells.values()), key=SEVERITY.index)

    @property
    def scored(self) -> tuple[int, int]:
        """Fewest and most utterances scored, over all metrics that were attempted."""
        counts = [c.n_scored for c in self.cells.values() if c.status in ("ok", "NC", "failed")]
        return min(counts, default=0), max(counts, default=0)

    @property
    def n_failed(self) -> int:
        """Largest number of utterances without a score, over all metrics."""
        return max(cell.n_failed for cell in self.cells.values())


def combine(rows: Iterable[Row]) -> Cell:
    """Combine the rows of one metric: over several seeds, their mean and an interval around it.

    The interval covers the choice of utterances and of seeds.
    """
    rows = list(rows)
    values = [row.value for row in rows if row.value is not None]
    lo, hi = _interval(rows)
    status = min((row.status for row in rows), key=SEVERITY.index)
    return Cell(
        status=status,
        value=fmean(values) if values else None,
        lo=lo,
        hi=hi,
        n_scored=min(row.n_scored for row in rows),
        n_failed=max(row.n_failed for row in rows),
        reason=_told([row.reason for row in rows if row.reason], len(rows)),
        rows=tuple(rows),
    )


def _told(texts: Iterable[str], rows: int) -> str:
    """Join texts of several rows, each once, with the number of seeds unless all have it."""
    counts = Counter(texts).items()
    return "; ".join(
        text if rows in (1, count) else f"{count} of {rows} seeds: {text}" for text, count in counts
    )


def _search_note(row: Row) -> str:
    """Return the note on the learning rate of the probe behind a row, if its training left one."""
    notes = row.notes.get("heads", {}).get(row.metric, row.notes)  # of several probes, the metric's own
    note: str = notes.get("training", {}).get("learning_rate", {}).get("at_edge", "")
    return note


def _interval(rows: list[Row]) -> tuple[float | None, float | None]:
    """Return bounds around the mean over seeds, adding two independent uncertainties as squares.

    The first is the choice of scored utterances: the mean of the rows' own bounds, because all seeds share
    one test set. The second is the choice of seeds: Student's t interval of their mean. Percentages are
    clipped at 0 and, where higher is better, at 100 %.
    """
    scored = [(row.value, row.lo, row.hi) for row in rows if row.value is not None]
    if not scored or any(None in bounds for bounds in scored):
        return None, None  # bounds of some seeds would not lie around the mean of all
    values, lows, highs = np.array(scored, dtype=float).T
    if len(scored) == 1:
        return float(lows[0]), float(highs[0])
    mean = values.mean()
    seeds = student_t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    least, most = _range(rows)
    return (
        float(max(least, mean - np.hypot((values - lows).mean(), seeds))),
        float(min(most, mean + np.hypot((highs - values).mean(), seeds))),
    )


def _range(rows: list[Row]) -> tuple[float, float]:
    """Return the smallest and largest possible value of a metric, as far as its unit determines them."""
    definition = shown_as(rows[0].metric, rows)
    if definition.unit != "%":
        return -np.inf, np.inf
    return 0.0, 100.0 if definition.higher_is_better else np.inf
