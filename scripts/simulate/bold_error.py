"""Simulate how often a table marks a number bold: by mistake among equal tokenizers, and rightly.

    python -m scripts.simulate.bold_error                 # the table in docs/explanation/statistics.md
    python -m scripts.simulate.bold_error --tables 200

Every tokenizer of a simulated table has three trainings; under "mixed" every other one has none, and in the
lines without training noise all have none. The tests are those of the reports. Training noise, the standard
deviation over trainings, is given in standard errors by speakers of a difference between two tokenizers.
Power is the share of tables that mark a tokenizer that is better than the others by `ADVANTAGE` of these
standard errors. Both leave out the noise of single utterances.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from benchmark.metrics.statistics.significance import better_than_all, paired_test

SEEDS = 3
TOKENIZERS = (2, 3, 5)
ADVANTAGE = 6.0
UTTERANCES = (5, 15)
"""Fewest and most utterances of a speaker."""
WORDS = (3, 25)
"""Fewest and most words of an utterance."""
DRAWS = 999
"""Random exchanges of one test; reports draw ten times as many."""
POWER_TABLES = 5
"""One table for the power for this many for the errors."""


@dataclass(frozen=True)
class Setting:
    """Chances of a simulated table.

    Attributes:
        metric: "mean", scores by utterance such as PESQ, or "ratio", a corpus rate such as WER.
        speakers: Number of speakers.
        noise: Standard deviation over trainings, in standard errors by speakers; None if no tokenizer has a
            training.
        advantage: Lead of the first tokenizer, in standard errors by speakers.
        mixed: Whether every other tokenizer, beginning with the second, has no training.
    """

    metric: str
    speakers: int
    noise: float | None
    advantage: float = 0.0
    mixed: bool = False

    def seeds(self, place: int) -> int:
        """Return the number of seeds of a tokenizer; one if it has no training."""
        return 1 if self.noise is None or (self.mixed and place % 2) else SEEDS


Scores = tuple[np.ndarray, np.ndarray]
"""Numerators and denominators of one tokenizer, (seeds, speakers) each."""


def tables(setting: Setting, count: int, rng: np.random.Generator) -> Iterator[list[Scores]]:
    """Draw the scores of all tokenizers of `count` tables; lower is better.

    A speaker is hard for all tokenizers alike, and for each a little more or less. An utterance scatters anew
    with every training.
    """
    shape = (count, max(TOKENIZERS), SEEDS, setting.speakers)
    seeds = np.array([setting.seeds(place) for place in range(shape[1])])
    hard = rng.normal(size=(count, 1, 1, setting.speakers))
    own = rng.normal(size=(*shape[:2], 1, setting.speakers))
    error = np.sqrt(2 / setting.speakers)
    level = (setting.noise or 0.0) * error * rng.normal(size=(*shape[:3], 1))
    level[:, seeds == 1] = 0.0
    level[:, 0] -= setting.advantage * error
    utterances = rng.integers(*UTTERANCES, size=hard.shape, endpoint=True)
    if setting.metric == "mean":
        below = np.broadcast_to(utterances, shape).astype(float)
        above = (2 * hard + own + level) * below + rng.normal(size=shape) * np.sqrt(below)
    else:
        words = rng.normal(sum(WORDS) / 2 * utterances, (WORDS[1] - WORDS[0]) / 12**0.5 * utterances**0.5)
        below = np.broadcast_to(np.maximum(words.round(), WORDS[0]), shape)
        log_odds = -2.0 + 0.6 * hard + 0.25 * (own + level)
        above = rng.binomial(below.astype(int), 1 / (1 + np.exp(-log_odds))).astype(float)
    for tops, bottoms in zip(above, below, strict=True):
        yield [(top[:n], bottom[:n]) for top, bottom, n in zip(tops, bottoms, seeds, strict=True)]


def marked(table: Sequence[Scores]) -> int | None:
    """Return the place of the tokenizer whose number a report would print bold; None if there is none."""
    values = [float((above.sum(axis=1) / below.sum(axis=1)).mean()) for above, below in table]
    best = int(np.argmin(values))
    top, bottom = table[best]
    tests = (
        paired_test(top, above, units=(bottom, below), draws=DRAWS)
        for place, (above, below) in enumerate(table)
        if place != best
    )
    return best if better_than_all(tests, sign=-1) else None


def shares(
    setting: Setting, count: int, tokenizers: Sequence[int] = TOKENIZERS, seed: int = 0
) -> list[float]:
    """Return the shares of tables with a bold number, for each number of tokenizers.

    If the first tokenizer is better, its numbers alone count.
    """
    drawn = tables(setting, count, np.random.default_rng(seed))
    found = [[marked(table[:number]) for number in tokenizers] for table in drawn]
    wanted = [[place == 0 if setting.advantage else place is not None for place in each] for each in found]
    return [float(each) for each in np.mean(wanted, axis=0)]


def main() -> None:
    """Print one line per metric, number of speakers and training noise, in percent."""
    parser = argparse.ArgumentParser("python -m scripts.simulate.bold_error", description=__doc__)
    parser.formatter_class = argparse.RawTextHelpFormatter
    parser.add_argument("--tables", type=int, default=1000, help="number of tables without a difference")
    count = parser.parse_args().tables
    names = [*(f"wrong, {k}" for k in TOKENIZERS), "mixed, 2", *(f"power, {k}" for k in TOKENIZERS)]
    print("| metric | speakers | training noise | " + " | ".join(names) + " |")
    print("| --- |" + " --: |" * (len(names) + 2))
    for metric, speakers, noise in product(("mean", "ratio"), (6, 10, 40), (None, 0.3, 1.0, 2.0)):
        null = Setting(metric, speakers, noise)
        wrong = shares(null, count)
        mixed = (
            shares(replace(null, mixed=True), count, TOKENIZERS[:1]) if noise is not None else [float("nan")]
        )
        power = shares(replace(null, advantage=ADVANTAGE), max(1, count // POWER_TABLES))
        percent = ["–" if each != each else f"{100 * each:.1f}" for each in (*wrong, *mixed, *power)]
        noisy = "none" if noise is None else f"{noise:g}"
        print(f"| {' | '.join((metric, str(speakers), noisy, *percent))} |", flush=True)


if __name__ == "__main__":
    main()
