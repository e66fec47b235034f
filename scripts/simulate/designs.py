"""Test sets to simulate: scores of utterances of several speakers, with the number that they estimate."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmark.metrics.statistics.bounds import Range

UTTERANCES = 10
"""Largest number of utterances of a speaker."""
WORDS = (5, 26)
"""Words of an utterance, from the first to below the last, all equally likely."""
Scores = tuple[np.ndarray, np.ndarray]
"""Numerators and denominators of utterances, (simulations, speakers, utterances) each."""
Draw = Callable[[np.random.Generator, int, int], Scores]


@dataclass(frozen=True)
class Design:
    """One kind of test set.

    Attributes:
        kind: "mean", "share" or "ratio".
        name: The metric that it is like, and its law.
        truth: The number that the scores estimate.
        within: Range of the number.
        draw: Draws the scores of a number of test sets with a number of speakers.
    """

    kind: str
    name: str
    truth: float
    within: Range
    draw: Draw


def normal(similarity: float) -> Design:
    """Return a mean of normal scores, of which speakers explain the share `similarity` of the variance."""

    def draw(rng: np.random.Generator, simulations: int, speakers: int) -> Scores:
        own = rng.normal(size=(simulations, speakers, 1)) * np.sqrt(similarity)
        scores = own + rng.normal(size=(simulations, speakers, UTTERANCES)) * np.sqrt(1 - similarity)
        return scores, np.ones_like(scores)

    return Design("mean", f"normal, ICC {similarity:g}", 0.0, Range(), draw)


def bounded(name: str, mean: float, between: float, inside: float, within: Range) -> Design:
    """Return a mean of beta-distributed scores on a range.

    Args:
        name: A metric that such scores are like.
        mean: Mean of the scores.
        between: Standard deviation between speakers.
        inside: Standard deviation within a speaker, at most.
        within: Range of the scores.
    """
    span = within.most - within.least
    centre, wide, narrow = (mean - within.least) / span, between / span, inside / span

    def draw(rng: np.random.Generator, simulations: int, speakers: int) -> Scores:
        weight = centre * (1 - centre) / wide**2 - 1
        own = rng.beta(centre * weight, (1 - centre) * weight, (simulations, speakers, 1))
        own = np.clip(own, 1e-3, 1 - 1e-3)
        inner = np.maximum(own * (1 - own) / narrow**2 - 1, 1.0)
        shape = simulations, speakers, UTTERANCES
        scores = within.least + span * rng.beta(own * inner, (1 - own) * inner, shape)
        return scores, np.ones_like(scores)

    return Design("mean", f"{name} about {mean:g}", mean, within, draw)


def share(mean: float, similarity: float) -> Design:
    """Return a share of right answers in percent, whose speakers differ by a beta law with this ICC."""
    weight = 1 / similarity - 1

    def draw(rng: np.random.Generator, simulations: int, speakers: int) -> Scores:
        own = rng.beta(mean * weight, (1 - mean) * weight, (simulations, speakers, 1))
        hits = 100.0 * (rng.random((simulations, speakers, UTTERANCES)) < own)
        return hits, np.ones_like(hits)

    within = Range(0.0, 100.0, event=100.0)
    return Design("share", f"{100 * mean:g} % right, ICC {similarity:g}", 100 * mean, within, draw)


def errors(mean: float, weight: float, loops: float = 0.0, size: float = 0.0, loopers: float = 1.0) -> Design:
    """Return a corpus WER in percent over 4 to 10 utterances of each speaker.

    Args:
        mean: Mean error rate of the speakers, which follow a beta law.
        weight: Sum of the parameters of the beta law: the smaller, the more do speakers differ.
        loops: Share of a looper's utterances in which the recogniser repeats itself.
        size: Mean number of words that are then inserted.
        loopers: Share of speakers to whom this happens.
    """

    def draw(rng: np.random.Generator, simulations: int, speakers: int) -> Scores:
        shape = simulations, speakers, UTTERANCES
        words = rng.integers(*WORDS, size=shape)
        words[np.arange(UTTERANCES) >= rng.integers(4, UTTERANCES + 1, (simulations, speakers, 1))] = 0
        own = rng.beta(mean * weight, (1 - mean) * weight, (simulations, speakers, 1))
        edits = rng.binomial(words, np.broadcast_to(own, shape)).astype(float)
        looper = rng.random((simulations, speakers, 1)) < loopers
        looped = (rng.random(shape) < loops) & looper & (words > 0)
        return 100 * (edits + looped * rng.poisson(size, shape)), words.astype(float)

    inserted = loopers * loops * size / np.mean(np.arange(*WORDS))
    name = f"WER {100 * mean:g} %, speakers' SD {100 * np.sqrt(mean * (1 - mean) / (weight + 1)):.1f}"
    if loops:
        name += f", {100 * loops:g} % loops of {size:g} words"
    if loopers < 1:
        name += f" in {100 * loopers:g} % of speakers"
    return Design("ratio", name, 100 * (mean + inserted), Range(least=0.0, event=100.0), draw)


DESIGNS = (
    normal(0.1),
    normal(0.5),
    normal(0.9),
    bounded("PESQ", 1.35, 0.2, 0.05, Range(0.999, 4.644)),
    bounded("STOI", 0.8, 0.05, 0.03, Range(-1.0, 1.0)),
    bounded("GPE", 22.0, 20.0, 9.0, Range(0.0, 100.0)),
    bounded("F0 corr", 0.4, 0.33, 0.16, Range(-1.0, 1.0)),
    errors(0.3, 10),
    errors(0.05, 100),
    errors(0.05, 20),
    errors(0.2, 20, loops=0.02, size=20),
    errors(0.2, 20, loops=0.05, size=40),
    errors(0.1, 20, loops=0.2, size=30, loopers=0.1),
    share(0.5, 0.1),
    share(0.75, 0.02),
    share(0.9, 0.05),
    share(0.976, 0.05),
)
"""Designs of the published table, with spreads as in results/reference/mini."""
