"""What a wide table consists of: one number per cell, one tokenizer per line."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from benchmark.results.row import Row
from benchmark.types import Kind

CellStatus = Literal["ok", "NC", "failed", "n/a", "missing"]
SEVERITY: tuple[CellStatus, ...] = ("failed", "missing", "NC", "ok", "n/a")
"""The status of a line is the first of these that one of its cells has."""


@dataclass(frozen=True)
class Cell:
    """One number of a table, its interval, its counts and, where there is none, why."""

    status: CellStatus
    value: float | None = None
    lo: float | None = None
    hi: float | None = None
    n_scored: int = 0
    n_failed: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Line:
    """One tokenizer, on one corpus where the table has several; `cells` by metric."""

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
        """Dataset and split, several joined by "+" where tasks with a corpus each share the line."""
        return self.dataset, self.split

    @property
    def bitrate_kbps(self) -> float | None:
        """Nominal bitrate in kbit/s."""
        return None if self.bitrate is None else self.bitrate / 1000

    @property
    def status(self) -> CellStatus:
        """The gravest status among the cells."""
        return min((cell.status for cell in self.cells.values()), key=SEVERITY.index)

    @property
    def scored(self) -> tuple[int, int]:
        """Fewest and most utterances scored over the metrics that were tried."""
        counts = [c.n_scored for c in self.cells.values() if c.status in ("ok", "NC", "failed")]
        return min(counts, default=0), max(counts, default=0)

    @property
    def n_failed(self) -> int:
        """Most utterances without a score over the metrics."""
        return max(cell.n_failed for cell in self.cells.values())


def combine(rows: Iterable[Row]) -> Cell:
    """The cell of one metric: over several seeds the mean, and an interval that spans the seeds' own."""
    rows = list(rows)
    values = [row.value for row in rows if row.value is not None]
    lows = [row.lo for row in rows if row.lo is not None]
    highs = [row.hi for row in rows if row.hi is not None]
    return Cell(
        status=min((row.status for row in rows), key=SEVERITY.index),
        value=fmean(values) if values else None,
        lo=min(lows, default=None),
        hi=max(highs, default=None),
        n_scored=min(row.n_scored for row in rows),
        n_failed=max(row.n_failed for row in rows),
        reason="; ".join(dict.fromkeys(row.reason for row in rows if row.reason)),
    )
