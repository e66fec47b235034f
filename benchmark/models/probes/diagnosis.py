"""A rule that names why a training did not converge, from its codes, CTC feasibility and loss."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from benchmark.storage.token_store import TokenStore
from benchmark.types import TokenizerSpec

Cause = Literal["codebook collapse", "CTC infeasible", "unstable", "did not learn"]

COLLAPSED = 0.25
"""Share of the nominal bits below which the entropy of the codes counts as a collapse."""
INFEASIBLE = 0.5
"""Share of training utterances without any alignment from which CTC counts as the cause."""
UNSTABLE = 2.0
"""Ratio of an epoch's training loss to the untrained probe's loss above which a run counts as unstable."""


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


def diagnose(
    use: dict[str, Any], infeasible: float, untrained_loss: float, losses: Sequence[float]
) -> tuple[Cause, str]:
    """Return the cause of an NC (not converged) and the evidence in words, by the first rule that applies.

    Args:
        use: Result of `codebook_use`.
        infeasible: Share of training utterances that have no CTC alignment.
        untrained_loss: Loss of the initial weights.
        losses: Training loss by epoch.

    Returns:
        "codebook collapse": the entropy of the codes is below `COLLAPSED` of the nominal bits; "CTC
            infeasible": at least `INFEASIBLE` of the utterances have no alignment; "unstable": a loss is not
            finite, or above `UNSTABLE` times that of the untrained probe, as with a learning rate far too
            high; "did not learn": the tokens were used and could be aligned, and the loss was calm.
    """
    if use and use["bits"] < COLLAPSED * use["nominal_bits"]:
        bits, nominal = use["bits"], use["nominal_bits"]
        return "codebook collapse", f"{bits:.2g} of {nominal:.3g} bits per frame are used"
    if infeasible >= INFEASIBLE:
        return "CTC infeasible", f"{100 * infeasible:.0f} % of the training utterances have no alignment"
    worst = max(losses, key=lambda loss: loss if np.isfinite(loss) else np.inf)
    if not worst <= UNSTABLE * untrained_loss:
        return "unstable", f"training loss up to {worst:.3g}, {untrained_loss:.3g} before training"
    return "did not learn", f"training loss {losses[0]:.3g} in the first epoch, {losses[-1]:.3g} in the last"
