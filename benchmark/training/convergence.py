"""The rule that says whether a training converged, with the cause and the evidence where it did not.

A training is NC (not converged) if it diverged, if its loss never fell below that of an answer that ignores
the codes, or if its score on dev is at the floor and the codes explain that: they have collapsed, or CTC
cannot align them. An overfitted network converged. Its number stands, with a remark.

Dev selects the epoch. For this reason dev alone decides on no status.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from benchmark.storage.token_store import TokenStore
from benchmark.types import TokenizerSpec

Cause = Literal["codebook collapse", "CTC infeasible", "diverged", "did not learn", "overfitted"]

COLLAPSED = 0.25
"""Share of the nominal bits below which the entropy of the codes counts as a collapse."""
INFEASIBLE = 0.5
"""Share of training utterances without any alignment from which CTC counts as the cause."""
DIVERGED = 2.0
"""Ratio of an epoch's training loss to the loss of the initial weights above which a run has diverged."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Curves, floors and codebook use of a training, from which the verdict follows.

    Attributes:
        history: Scalars by epoch.
        loss: Name of the training loss in `history`.
        floor: That loss for the best answer that ignores the codes.
        margin: Distance below `floor` that chance alone could reach.
        untrained: Loss of the initial weights; 0 if unknown.
        at_floor: Words that say that dev is not above its floor; empty if dev is.
        use: Result of `codebook_use`.
        infeasible: Share of training utterances that have no CTC alignment.
    """

    history: Sequence[Mapping[str, float]]
    loss: str
    floor: float
    margin: float = 0.0
    untrained: float = 0.0
    at_floor: str
    use: Mapping[str, Any] = field(default_factory=dict)
    infeasible: float = 0.0

    @property
    def lowest(self) -> float:
        """Lowest training loss of an epoch."""
        return min(
            (row[self.loss] for row in self.history if math.isfinite(row[self.loss])), default=math.inf
        )

    @property
    def not_finite(self) -> str:
        """The first scalar that is not finite, in words; empty if all are finite."""
        for epoch, row in enumerate(self.history):
            for name, value in row.items():
                if not math.isfinite(value):
                    return f"{name} is {value} in epoch {epoch}"
        return ""


@dataclass(frozen=True)
class Verdict:
    """Status of a training. `reason` is also given for status "ok" with a cause, as a remark."""

    status: Literal["ok", "NC"]
    cause: Cause | Literal[""] = ""
    reason: str = ""


def judge(evidence: Evidence) -> Verdict:
    """Decide whether a training converged, and name the cause by the first rule that applies.

    Returns:
        NC with "codebook collapse": the entropy of the codes is below `COLLAPSED` of the nominal bits; with
            "CTC infeasible": at least `INFEASIBLE` of the utterances have no alignment; with "diverged": a
            scalar is not finite, or the loss rose above `DIVERGED` times that of the initial weights and
            never fell; with "did not learn": the loss was calm and never fell. The first two need a dev score
            at the floor or a loss that never fell. "ok" with "overfitted": the loss fell, and dev is at the
            floor. "ok" without a cause otherwise.
    """
    broken = evidence.not_finite
    fell = evidence.lowest < evidence.floor - evidence.margin
    if not broken and fell and not evidence.at_floor:
        return Verdict("ok")
    cause, words = _cause(evidence, broken, fell)
    reason = "; ".join(part for part in (f"{cause} ({words})", evidence.at_floor) if part)
    return Verdict("ok" if cause == "overfitted" else "NC", cause, reason)


def _cause(evidence: Evidence, broken: str, fell: bool) -> tuple[Cause, str]:
    use, floor = evidence.use, evidence.floor
    if use and use["bits"] < COLLAPSED * use["nominal_bits"]:
        bits, nominal = use["bits"], use["nominal_bits"]
        return "codebook collapse", f"{bits:.2g} of {nominal:.3g} bits per frame are used"
    if evidence.infeasible >= INFEASIBLE:
        share = 100 * evidence.infeasible
        return "CTC infeasible", f"{share:.0f} % of the training utterances have no alignment"
    if broken:
        return "diverged", broken
    without = f"{floor:.3g} for an answer that ignores the codes"
    if fell:
        return "overfitted", f"training loss fell to {evidence.lowest:.3g}, {without}"
    highest = max(row[evidence.loss] for row in evidence.history)
    if highest > DIVERGED * max(floor, evidence.untrained):
        return "diverged", f"training loss up to {highest:.3g}, {without}"
    return "did not learn", f"training loss {evidence.lowest:.3g} at best, {without}"


def codebook_use(tokens: TokenStore, ids: Sequence[str], spec: TokenizerSpec) -> dict[str, Any]:
    """Measure how much of each codebook the training set uses.

    Returns:
        A dict with `used`, the share of each codebook's entries that occur; `perplexity` of each codebook;
        `bits`, the summed order-0 entropy of all codebooks per frame; and `nominal_bits`, the largest that
        this sum could be. Empty for continuous features.
    """
    if spec.continuous:
        return {}
    counts = [np.zeros(size, np.int64) for size in spec.codebook_sizes]
    for key in ids:
        for count, row in zip(counts, tokens[key], strict=True):
            count += np.bincount(row, minlength=len(count))
    shares = [count / max(1, count.sum()) for count in counts]
    bits = [float(-(share[share > 0] * np.log2(share[share > 0])).sum()) for share in shares]
    return {
        "used": [float((count > 0).mean()) for count in counts],
        "perplexity": [2**value for value in bits],
        "bits": sum(bits),
        "nominal_bits": float(sum(np.log2(size) for size in spec.codebook_sizes)),
    }
