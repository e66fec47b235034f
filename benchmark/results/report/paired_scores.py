"""Scores of a number by utterance and seed, and the test of two numbers on their common utterances."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.metrics.statistics.significance import PairedTest, paired_test
from benchmark.results.report.cells import Cell
from benchmark.results.report.layouts import counts_of
from benchmark.results.row import Row

Utterances = Callable[[Row], pd.DataFrame]
"""Looks up the per-utterance scores of the job that a row belongs to; an empty frame if there are none."""


@dataclass(frozen=True)
class Scores:
    """Numerators and denominators of a number: a line per utterance and speaker, a column per seed.

    A score that a seed lacks is NaN.
    """

    above: pd.DataFrame
    below: pd.DataFrame


@dataclass(frozen=True)
class Pair:
    """Two numbers on all utterances of either, in one order; (S, N) for S seeds and N utterances."""

    first: tuple[np.ndarray, np.ndarray]
    """Numerators and denominators of the first number."""
    second: tuple[np.ndarray, np.ndarray]
    speakers: np.ndarray
    """Speaker of each utterance (N,)."""

    @classmethod
    def of(cls, first: Scores, second: Scores) -> "Pair":
        """Align two numbers; an utterance that one of them lacks is NaN."""
        index = first.above.index.union(second.above.index)
        sides = [
            (side.above.reindex(index).to_numpy().T, side.below.reindex(index).to_numpy().T)
            for side in (first, second)
        ]
        return cls(sides[0], sides[1], np.asarray(index.get_level_values("speaker_id")))

    def test(self) -> PairedTest:
        """Test the difference, first minus second."""
        units = self.first[1], self.second[1]
        return paired_test(self.first[0], self.second[0], self.speakers, units)

    def values(self) -> tuple[float, float]:
        """Return both numbers over the utterances that every seed of either has a score of."""
        both = np.isfinite(np.concatenate((*self.first, *self.second))).all(axis=0)
        own, their = (
            float((above[:, both].sum(axis=1) / below[:, both].sum(axis=1)).mean())
            for above, below in (self.first, self.second)
        )
        return own, their


def scores_of(cell: Cell, utterances: Utterances) -> Scores | None:
    """Return the scores of a number by seed, or None when a job keeps no scores per utterance."""
    above_by_seed, below_by_seed = [], []
    for row in cell.rows:
        frame = utterances(row)
        metric, _, condition = row.metric.partition("/")
        above, below = (
            f"{metric}:{name}" if f"{metric}:{name}" in frame else name  # one frame may hold several heads
            for name in counts_of(metric, [row]) or (metric, "")
        )
        if above not in frame or (below and below not in frame):
            return None
        if condition:
            frame = frame[frame["condition"] == condition]
        table = frame.set_index(["utterance_id", "speaker_id"])
        top, bottom = table[above], table[below] if below else pd.Series(1.0, table.index)
        if f"{metric}:weight" in table:
            bottom = table[f"{metric}:weight"]
            top = table[metric] * bottom
        above_by_seed.append(top.astype(float))
        below_by_seed.append(bottom.astype(float))
    seeds = range(len(above_by_seed))
    return Scores(
        pd.concat(above_by_seed, axis=1, keys=seeds),
        pd.concat(below_by_seed, axis=1, keys=seeds),
    )
