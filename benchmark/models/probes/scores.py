"""Dev scores of a probe, the answers that never look at the tokens, and whether it beats them.

Errors are counted on the probe's own alphabet: both sides are already normalised.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import jiwer
import numpy as np

from benchmark.metrics.statistics.intervals import ratio_interval

CANDIDATES = 50
"""How many of the most frequent transcripts, and of the most frequent words, are tried as constants."""


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Σ word edits / Σ reference words."""
    return float(jiwer.wer(list(references), list(hypotheses)))


def char_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Σ character edits / Σ reference characters, spaces included."""
    return float(jiwer.cer(list(references), list(hypotheses)))


def word_edits(reference: str, hypothesis: str) -> int:
    """Substitutions, deletions and insertions that make the one from the other."""
    result = jiwer.process_words(reference, hypothesis)
    return result.substitutions + result.deletions + result.insertions


def frames_wrong(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Frames whose phone is another one; a phone that training never showed is never right."""
    return sum(own != other for own, other in zip(reference, hypothesis, strict=True))


def constant_transcript(train: Iterable[str], dev: Sequence[str]) -> str:
    """The constant answer with the lowest WER on dev.

    Tried are the empty transcript (100 %), the most frequent training transcripts, and the most
    frequent words alone, which is what a CTC head falls back on. Choosing on dev favours the floor.
    """
    transcripts, words = Counter[str](), Counter[str]()
    for text in train:
        transcripts[text] += 1
        words.update(text.split())
    candidates = [text for counts in (transcripts, words) for text, _ in counts.most_common(CANDIDATES)]
    return min(["", *candidates], key=lambda text: word_error_rate(dev, [text] * len(dev)))


def most_frequent(labels: Iterable[str]) -> str:
    """The majority class, the first in alphabetical order where several are."""
    return min(Counter(labels).items(), key=lambda item: (-item[1], item[0]))[0]


def verdict(
    history: Sequence[dict[str, float]],
    errors: Sequence[float],
    floor_errors: Sequence[float],
    units: Sequence[float],
) -> tuple[Literal["ok", "NC"], str]:
    """Whether a training converged, and why not.

    NC is a run that diverged, or whose errors on dev are not below those of the best constant
    answer: the 95 % bootstrap interval of the paired difference reaches zero.

    Args:
        history: Scalars by epoch.
        errors: Of the probe, by utterance.
        floor_errors: Of the constant answer, by utterance.
        units: What errors are counted in, by utterance: words, frames, or 1.
    """
    for row in history:
        for name, value in row.items():
            if not math.isfinite(value):
                return "NC", f"diverged: {name} is {value} in epoch {row['epoch']:.0f}"
    gain = ratio_interval(np.subtract(errors, floor_errors), units)
    if gain.hi < 0:
        return "ok", ""
    own, floor = (100 * sum(counts) / sum(units) for counts in (errors, floor_errors))
    return "NC", (
        f"not above the floor: {own:.1f} % errors on dev, a constant answer has {floor:.1f} % "
        f"(difference {100 * gain.value:.1f}, 95 % interval {100 * gain.lo:.1f} to {100 * gain.hi:.1f})"
    )
