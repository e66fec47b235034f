"""Metrics of the codes of a split, from how often each code and each pair of successive codes occurs."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from benchmark.metrics.codes.codebook_usage import CodebookUsage
from benchmark.metrics.codes.held_out import HeldOutBigram
from benchmark.metrics.reported import ReportedMetric
from benchmark.metrics.statistics.intervals import Interval, jackknife_interval
from benchmark.types import TokenizerSpec

PLUG_IN = "plug-in estimate, biased low on short data"


class Codes(NamedTuple):
    """Counts of all codes of a split, and what the tokenizer declares of its codebooks."""

    usage: CodebookUsage
    spec: TokenizerSpec


@dataclass(frozen=True, kw_only=True)
class CodeMetric(ReportedMetric):
    """A number of all codes of a split together."""

    higher_is_better: ClassVar[bool | None] = None
    least: ClassVar[float] = 0.0

    @abstractmethod
    def score(self, codes: Codes) -> float:
        """Return the number; NaN where there is none."""

    def without_each(self, codes: Codes) -> np.ndarray:
        """Return the number without each group of speakers (groups,), for the interval; empty for none."""
        groups = range(len(codes.usage.groups))
        return np.array([self.score(Codes(codes.usage.without(group), codes.spec)) for group in groups])

    def absent(self, codes: Codes) -> str:  # noqa: ARG002
        """Return the reason why the codes have no such number; empty where they have one."""
        return ""

    def interval(self, codes: Codes, counts: tuple[int, int]) -> Interval:
        """Return the number with its interval, the jackknife over groups of speakers.

        Args:
            codes: All codes of the split.
            counts: Utterances with codes, and without.
        """
        return jackknife_interval(self.score(codes), self.without_each(codes), counts, self.facts.within)


@dataclass(frozen=True, kw_only=True)
class UsedEntries(CodeMetric):
    """Codebook entries that occur."""

    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool | None] = True
    decimals: ClassVar[int] = 1
    most: ClassVar[float] = 100.0
    order_free: ClassVar[bool] = True

    label: str = "Used"

    @property
    def definition(self) -> str:
        """See `ReportedMetric.definition`."""
        return "codebook entries that occur at all, mean over codebooks"

    def score(self, codes: Codes) -> float:
        """See `CodeMetric.score`."""
        return 100 * float(np.mean(codes.usage.used_fraction))


@dataclass(frozen=True, kw_only=True)
class Perplexity(CodeMetric):
    """Number of equally likely codes that would be as uncertain."""

    decimals: ClassVar[int] = 1
    least: ClassVar[float] = 1.0
    order_free: ClassVar[bool] = True

    label: str = "Perplexity"

    @property
    def definition(self) -> str:
        """See `ReportedMetric.definition`."""
        return f"2 to the power of the order-0 entropy, mean over codebooks; {PLUG_IN}"

    def score(self, codes: Codes) -> float:
        """See `CodeMetric.score`."""
        return float(np.mean(codes.usage.perplexity))


@dataclass(frozen=True, kw_only=True)
class CodeEntropy(CodeMetric):
    """Order-0 entropy of the codes."""

    unit: ClassVar[str] = "bit/token"
    decimals: ClassVar[int] = 2
    order_free: ClassVar[bool] = True

    label: str = "Entropy"

    @property
    def definition(self) -> str:
        """See `ReportedMetric.definition`."""
        return f"order-0 entropy of the codes, mean over codebooks; {PLUG_IN}"

    def score(self, codes: Codes) -> float:
        """See `CodeMetric.score`."""
        return float(np.mean(codes.usage.entropy))


@dataclass(frozen=True, kw_only=True)
class NominalRate(CodeMetric):
    """Bitrate of codes that are all equally likely."""

    unit: ClassVar[str] = "kbit/s"
    order_free: ClassVar[bool] = True

    label: str = "Nominal rate"

    @property
    def definition(self) -> str:
        """See `ReportedMetric.definition`."""
        return "frame rate × Σ log2 of codebook sizes"

    def score(self, codes: Codes) -> float:
        """See `CodeMetric.score`."""
        return codes.spec.bitrate / 1000

    def without_each(self, codes: Codes) -> np.ndarray:  # noqa: ARG002
        """Return nothing: a fact of the tokenizer has no interval."""
        return np.zeros(0)


@dataclass(frozen=True, kw_only=True)
class EntropyRate(CodeMetric):
    """Bitrate of codes that are coded by how often each occurs."""

    unit: ClassVar[str] = "kbit/s"
    order_free: ClassVar[bool] = True

    label: str = "Order-0 rate"

    @property
    def definition(self) -> str:
        """See `ReportedMetric.definition`."""
        return f"frame rate × Σ order-0 entropy over codebooks; {PLUG_IN}"

    def score(self, codes: Codes) -> float:
        """See `CodeMetric.score`."""
        return float(np.dot(codes.spec.frame_rates, codes.usage.entropy)) / 1000


@dataclass(frozen=True, kw_only=True)
class ConditionalRate(CodeMetric):
    """Bitrate of codes that are coded given the one before each, see `HeldOutBigram`."""

    unit: ClassVar[str] = "kbit/s"

    label: str = "Order-1 rate"

    @property
    def definition(self) -> str:
        """See `ReportedMetric.definition`."""
        return (
            "frame rate × Σ over codebooks of the bits for a code given the one before it in the same "
            "codebook, by a bigram model with absolute discounting of the other speakers' codes; an upper "
            "bound, close where speech is plenty"
        )

    def score(self, codes: Codes) -> float:
        """See `CodeMetric.score`."""
        return self._rate(codes, [pairs.entropy for pairs in self._pairs(codes)])

    def without_each(self, codes: Codes) -> np.ndarray:
        """Return the rate without the bits of each group of speakers; the models stay as they are."""
        coded = [pairs.coded for pairs in self._pairs(codes)]
        with np.errstate(divide="ignore", invalid="ignore"):
            left = [(book.bits.sum() - book.bits) / (book.codes.sum() - book.codes) for book in coded]
        return np.array([self._rate(codes, bits) for bits in np.transpose(left)])

    def absent(self, codes: Codes) -> str:
        """See `CodeMetric.absent`."""
        reasons = ((book, pairs.too_few) for book, pairs in enumerate(self._pairs(codes)))
        return next((f"codebook {book}: {reason}" for book, reason in reasons if reason), "")

    def _pairs(self, codes: Codes) -> list[HeldOutBigram]:
        return codes.usage.successions

    @staticmethod
    def _rate(codes: Codes, bits: Sequence[float]) -> float:
        return float(np.dot(codes.spec.frame_rates, bits)) / 1000


@dataclass(frozen=True, kw_only=True)
class PermutedRate(ConditionalRate):
    """Order-1 rate of codes in random order: what the estimate makes of codes that predict nothing."""

    label: str = "Order-1 chance"

    @property
    def definition(self) -> str:
        """See `ReportedMetric.definition`."""
        return "the order-1 rate of the same codes, permuted in time within each utterance"

    def _pairs(self, codes: Codes) -> list[HeldOutBigram]:
        return codes.usage.permuted


@dataclass(frozen=True, kw_only=True)
class RunLength(CodeMetric):
    """Mean duration of runs of equal codes."""

    unit: ClassVar[str] = "ms"
    decimals: ClassVar[int] = 0

    label: str = "Run"

    @property
    def definition(self) -> str:
        """See `ReportedMetric.definition`."""
        return "mean duration of a run of equal codes, mean over codebooks"

    def score(self, codes: Codes) -> float:
        """See `CodeMetric.score`."""
        return 1000 * float(np.mean(np.divide(codes.usage.run_length, codes.spec.frame_rates)))
