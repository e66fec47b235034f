"""Metrics of the codes of a split, from how often each code and each pair of successive codes occurs."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from benchmark.metrics.codes.codebook_usage import CodebookUsage
from benchmark.metrics.reported import ReportedMetric
from benchmark.types import TokenizerSpec

PLUG_IN = "plug-in estimate, biased low on short data"


class Codes(NamedTuple):
    """Counts of all codes of a split, and what the tokenizer declares of its codebooks."""

    usage: CodebookUsage
    spec: TokenizerSpec


@dataclass(frozen=True, kw_only=True)
class CodeMetric(ReportedMetric):
    """A number of all codes of a split together; it has no interval."""

    higher_is_better: ClassVar[bool | None] = None

    @abstractmethod
    def score(self, codes: Codes) -> float:
        """Return the number; NaN where there is none."""


@dataclass(frozen=True, kw_only=True)
class UsedEntries(CodeMetric):
    """Codebook entries that occur."""

    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool | None] = True
    decimals: ClassVar[int] = 1
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
    """Bitrate of codes that are coded given the one before each."""

    unit: ClassVar[str] = "kbit/s"

    label: str = "Order-1 rate"

    @property
    def definition(self) -> str:
        """See `ReportedMetric.definition`."""
        return (
            "frame rate × Σ over codebooks of the entropy of a code given the one before it in the same "
            f"codebook; {PLUG_IN}, more so than order 0"
        )

    def score(self, codes: Codes) -> float:
        """See `CodeMetric.score`."""
        return float(np.dot(codes.spec.frame_rates, codes.usage.conditional_entropy)) / 1000


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
