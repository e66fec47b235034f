"""Search of the nearest code vector, as the published code of several codecs computes it."""

import torch


def nearest(vectors: torch.Tensor, book: torch.Tensor) -> torch.Tensor:
    """Return for each vector (…, D) the index of the nearest entry of `book` (V, D), (…) int64.

    The order of operations is that of the published code, so that near-ties are broken in the same way.
    """
    distances = vectors.pow(2).sum(-1, keepdim=True) - 2 * vectors @ book.T + book.pow(2).sum(1)
    return distances.argmin(-1)
