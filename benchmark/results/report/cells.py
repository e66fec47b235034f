"""Parts of a wide table: one cell per number, one line per tokenizer."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

import numpy as np
from scipy.stats import t as student_t

from benchmark.results.report.layouts import shown_as
from benchmark.results.row import Row
from benchmark.results.trainings import trainings
from benchmark.types import Kind

CellStatus = Literal["ok", "partly NC", "NC", "failed", "n/a", "missing"]
SEVERITY: tuple[CellStatus, ...] = ("failed", "missing", "NC", "partly NC", "ok", "n/a")
"""Statuses by severity; a line has the first of these that one of its cells has. "partly NC": the number is
of the seeds that converged, and does not compete."""

MAX_MISSING_SHARE = 0.1
"""Share of utterances without a score above which a number does not compete: a mean over the utterances that
a tokenizer can be scored on favours one that has no score on the hard ones."""


@dataclass(frozen=True)
class Cell:
    """One number of a table with its interval and counts, or the reason why there is none."""

    status: CellStatus
    value: float | None = None
    lo: float | None = None
    hi: float | None = None
    n_scored: int = 0
    n_failed: int = 0
    n_abstained: int = 0
    reason: str = ""
    remark: str = ""
    rows: tuple[Row, ...] = ()
    """Rows behind the number, one per seed."""
    n_seeds: int = 0
    """Seeds that ran, of which `rows` may hold fewer."""

    @property
    def n_trainings(self) -> int:
        """Number of trainings behind the number, one per seed; 0 if it depends on none."""
        return trainings(self.rows)

    @property
    def spread(self) -> float | None:
        """Standard deviation over the trainings; None for fewer than two."""
        values = [row.value for row in self.rows if row.value is not None]
        return stdev(values) if self.n_trainings > 1 and len(values) > 1 else None

    @property
    def missing_share(self) -> float:
        """Share of the utterances that have no score, because a step failed or the metric abstained."""
        missing = self.n_failed + self.n_abstained
        return missing / max(1, self.n_scored + missing)

    @property
    def missing(self) -> str:
        """Utterances without a score in words, such as "2 of 60 utterances failed, 4 abstained"; or empty."""
        counts = (self.n_failed, "failed"), (self.n_abstained, "abstained")
        first, *more = [f"{count} {what}" for count, what in counts if count] or [""]
        total = self.n_scored + self.n_failed + self.n_abstained
        return ", ".join([first.replace(" ", f" of {total} utterances "), *more])


@dataclass(frozen=True)
class Line:
    """One tokenizer, on one corpus if the table has several; `cells` holds its numbers by metric.

    Attributes:
        bitrate: Bits per second of the codes, and of side information that is sent beside them.
        base: Tokenizer whose codes a floor shuffles; empty for other tokenizers.
        bitrate_remark: Footnote to the bitrate; empty for none.
    """

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
    base: str = ""
    bitrate_remark: str = ""

    @property
    def corpus(self) -> tuple[str, str]:
        """Dataset and split; joined by "+" when tasks with different corpora share the line."""
        return self.dataset, self.split

    @property
    def bitrate_kbps(self) -> float | None:
        """Bitrate in kbit/s."""
        return None if self.bitrate is None else self.bitrate / 1000

    @property
    def status(self) -> CellStatus:
        """The most severe status among the cells."""
        return min((cell.status for cell in self.cells.values()), key=SEVERITY.index)

    @property
    def scored(self) -> tuple[int, int]:
        """Fewest and most utterances scored, over all metrics that were attempted."""
        counts = [c.n_scored for c in self.cells.values() if c.status in ("ok", "partly NC", "NC", "failed")]
        return min(counts, default=0), max(counts, default=0)

    @property
    def n_trainings(self) -> tuple[int, int]:
        """Fewest and most trainings behind a number, over the metrics that depend on any; (0, 0) if none."""
        counts = [count for cell in self.cells.values() if (count := cell.n_trainings)]
        return min(counts, default=0), max(counts, default=0)

    @property
    def n_failed(self) -> int:
        """Largest number of failed utterances, over all metrics."""
        return max(cell.n_failed for cell in self.cells.values())

    @property
    def n_abstained(self) -> int:
        """Largest number of utterances that a metric is not defined for, over all metrics."""
        return max(cell.n_abstained for cell in self.cells.values())


def combine(rows: Iterable[Row]) -> Cell:
    """Combine the rows of one metric: over several seeds, their mean and an interval around it.

    The interval covers the choice of utterances and of seeds. Seeds that did not converge (NC) are left out
    if others did; the cell is then "partly NC".
    """
    ran = list(rows)
    status: CellStatus = min((row.status for row in ran), key=SEVERITY.index)
    rows = [row for row in ran if row.status == "ok"] if status == "NC" else ran
    status = "partly NC" if rows and len(rows) < len(ran) else status
    rows = rows or ran
    values = [row.value for row in rows if row.value is not None]
    lo, hi = _interval(rows)
    return Cell(
        status=status,
        value=fmean(values) if values else None,
        lo=lo,
        hi=hi,
        n_scored=min(row.n_scored for row in rows),
        n_failed=max(row.n_failed for row in rows),
        n_abstained=max(row.n_abstained for row in rows),
        reason=_told(row.reason for row in ran),
        remark=_told("; ".join(filter(None, (row.remark, _search_note(row)))) for row in ran),
        rows=tuple(rows),
        n_seeds=len(ran),
    )


def _told(texts: Iterable[str]) -> str:
    """Join the texts of all seeds, each with the number of its seeds unless it holds for all."""
    told = list(texts)
    return "; ".join(
        text if count == len(told) else f"{count} of {len(told)} seeds: {text}"
        for text, count in Counter(filter(None, told)).items()
    )


def _search_note(row: Row) -> str:
    """Return the note on the learning rate of the probe behind a row, if its training left one."""
    notes = row.notes.get("heads", {}).get(row.metric, row.notes)  # of several probes, the metric's own
    note: str = notes.get("training", {}).get("learning_rate", {}).get("at_edge", "")
    return note


def _interval(rows: list[Row]) -> tuple[float | None, float | None]:
    """Return bounds around the mean over seeds, adding two independent uncertainties as squares.

    The first is the choice of scored utterances: the mean of the rows' own bounds, because all seeds share
    one test set. The second is the choice of seeds: Student's t interval of their mean. The bounds end where
    the metric does.
    """
    scored = [(row.value, row.lo, row.hi) for row in rows if row.value is not None]
    if not scored or any(None in bounds for bounds in scored):
        return None, None  # bounds of some seeds would not lie around the mean of all
    values, lows, highs = np.array(scored, dtype=float).T
    if len(scored) == 1:
        return float(lows[0]), float(highs[0])
    mean = values.mean()
    seeds = student_t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    shown = shown_as(rows[0].metric, rows)
    return (
        float(max(shown.least, mean - np.hypot((values - lows).mean(), seeds))),
        float(min(shown.most, mean + np.hypot((highs - values).mean(), seeds))),
    )
