"""Dev scores of a probe, of constant answers that ignore the tokens, and the test that separates them.

Errors are counted on the probe's own alphabet: both sides are already normalised.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import jiwer
import numpy as np

from benchmark.metrics.statistics.intervals import ratio_interval

CANDIDATES = 50
"""Number of most frequent transcripts, and of most frequent words, tried as constant answers."""


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Return Σ word edits / Σ reference words."""
    return float(jiwer.wer(list(references), list(hypotheses)))


def char_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Return Σ character edits / Σ reference characters, spaces included."""
    return float(jiwer.cer(list(references), list(hypotheses)))


def word_edits(reference: str, hypothesis: str) -> int:
    """Count the substitutions, deletions and insertions that turn one text into the other."""
    result = jiwer.process_words(reference, hypothesis)
    return result.substitutions + result.deletions + result.insertions


def labels_wrong(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Count wrong labels, such as phones of frames; one that does not occur in training is always wrong."""
    return sum(own != other for own, other in zip(reference, hypothesis, strict=True))


def constant_transcript(train: Iterable[str], dev: Sequence[str]) -> str:
    """Return the constant answer with the lowest WER on dev.

    Candidates are the empty transcript (100 %), the most frequent training transcripts, and the most frequent
    single words, which a CTC head falls back on. Choosing on dev favours the floor.
    """
    transcripts, words = Counter[str](), Counter[str]()
    for text in train:
        transcripts[text] += 1
        words.update(text.split())
    candidates = [text for counts in (transcripts, words) for text, _ in counts.most_common(CANDIDATES)]
    return min(["", *candidates], key=lambda text: word_error_rate(dev, [text] * len(dev)))


def most_frequent(labels: Iterable[str]) -> str:
    """Return the majority class; ties go to the first in alphabetical order."""
    return min(Counter(labels).items(), key=lambda item: (-item[1], item[0]))[0]


def at_floor(errors: Sequence[float], floor_errors: Sequence[float], units: Sequence[float]) -> str:
    """Say in words that dev errors are not below those of the best constant answer; empty if they are.

    They are below if the 95 % interval of the paired difference stays below zero.

    Args:
        errors: Errors of the probe, by utterance.
        floor_errors: Errors of the constant answer, by utterance.
        units: Number of units that errors are counted in (words, frames, or 1), by utterance.
    """
    gain = ratio_interval(np.subtract(errors, floor_errors), units)
    if gain.hi < 0:
        return ""
    own, floor = (100 * sum(counts) / sum(units) for counts in (errors, floor_errors))
    return (
        f"dev not above the floor: {own:.1f} % errors, a constant answer has {floor:.1f} % "
        f"(difference {100 * gain.value:.1f}, 95 % interval {100 * gain.lo:.1f} to {100 * gain.hi:.1f})"
    )
