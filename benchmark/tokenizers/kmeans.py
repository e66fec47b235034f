"""K-means and residual codebooks: fitted by scikit-learn in float64, searched exactly in torch."""

import warnings
from typing import Any, Literal

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

CHUNK = 8192
"""Frames searched at once, which bounds memory to CHUNK × codebook size distances."""

Seeding = Literal["random", "kmeans++"]
"""Method that draws the first centroids: random frames, or frames far from one another (Arthur and
Vassilvitskii 2007). On LibriSpeech, three seeds each, k-means++ left the same held-out error as random frames
for Whisper's states and MFCC, and 0.5 % more for log-mel, so random is the default."""

_INIT: dict[str, Literal["random", "k-means++"]] = {"random": "random", "kmeans++": "k-means++"}

FIT_VERSION = 2
"""Version of the fit; a higher number makes the store ignore older codebooks."""


class FrameReservoir:
    """A uniform sample of at most `capacity` frames from a stream of any length (Vitter 1985, Alg. R)."""

    def __init__(self, capacity: int, seed: int) -> None:
        self.capacity = capacity
        self.seen = 0
        self._rng = np.random.default_rng(seed)
        self._frames: np.ndarray | None = None

    def add(self, frames: np.ndarray) -> None:
        """Offer frames (N, D) to the sample."""
        if self._frames is None:
            self._frames = np.empty((self.capacity, frames.shape[1]), np.float32)
        positions = np.arange(self.seen, self.seen + len(frames))
        slots = np.where(positions < self.capacity, positions, self._rng.integers(0, positions + 1))
        kept = slots < self.capacity
        self._frames[slots[kept]] = frames[kept]  # the last of several frames drawn for one slot stays
        self.seen += len(frames)

    @property
    def frames(self) -> np.ndarray:
        """The sampled frames, (min(seen, capacity), D) float32."""
        if self._frames is None:
            return np.empty((0, 0), np.float32)
        return self._frames[: min(self.seen, self.capacity)]


def fit_kmeans(
    frames: np.ndarray,
    size: int,
    seed: int,
    restarts: int = 1,
    iterations: int = 25,
    seeding: Seeding = "random",
) -> tuple[np.ndarray, dict[str, Any]]:
    """Fit Lloyd's k-means; a cluster that empties takes the frame farthest from its centroid.

    Distances and sums are taken in float64 by one thread, and the centroids are rounded to float32 once, at
    the end. The same frames then give the same bits on processors that round differently.

    Args:
        frames: (N, D) float32, N at least `size`.
        size: Number of centroids.
        seed: Fixes the initial centroids.
        restarts: Number of fits from different initial centroids; the best one is kept.
        iterations: Maximum number of Lloyd iterations; the fit ends before if no frame changes its centroid.
        seeding: Method that draws the initial centroids.

    Returns:
        centroids: (1, size, D) float32.
        report: See `fit_residual`.
    """
    return fit_residual(frames, 1, size, seed, restarts, iterations, seeding)


def fit_residual(
    frames: np.ndarray,
    num_codebooks: int,
    size: int,
    seed: int,
    restarts: int = 1,
    iterations: int = 25,
    seeding: Seeding = "random",
) -> tuple[np.ndarray, dict[str, Any]]:
    """Fit residual vector quantization: k-means of the frames, then of what each level leaves of them.

    Args:
        frames: (N, D) float32, N at least `size`.
        num_codebooks: Levels, K.
        size: Centroids per level.
        seed: Fixes the initial centroids.
        restarts: Number of fits of each level; the best one is kept.
        iterations: Maximum number of Lloyd iterations per level.
        seeding: Method that draws the initial centroids of a level.

    Returns:
        codebooks: (K, size, D) float32.
        report: `frames`, the number fitted on; per level `mse`, the remaining squared error per dimension
            on these frames, and `empty`, the number of centroids that no frame chose.
    """
    draws = np.random.RandomState(seed)  # the type that scikit-learn takes; its stream is frozen
    kmeans = KMeans(
        size, init=_INIT[seeding], n_init=restarts, max_iter=iterations, tol=0.0, random_state=draws
    )
    residual = torch.from_numpy(frames).double()
    codebooks, errors, empty = [], [], []
    for _ in range(num_codebooks):
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", ConvergenceWarning)  # the report counts unused centroids
            centroids = kmeans.fit(residual.numpy()).cluster_centers_.astype(np.float32)
        codes, residual = _nearest(residual, torch.from_numpy(centroids).double())
        codebooks.append(centroids)
        errors.append(float(residual.square().mean()))
        empty.append(size - len(codes.unique()))
    return np.stack(codebooks), {"frames": len(frames), "mse": errors, "empty": empty}


def quantize(frames: torch.Tensor, codebooks: torch.Tensor) -> torch.Tensor:
    """Compute greedy residual codes: per level the nearest centroid, the lowest index on a tie.

    Distances are taken in float64, so that rounding, which differs between batch shapes and
    machines, does not decide between centroids.

    Args:
        frames: (N, D) float.
        codebooks: (K, V, D) float.

    Returns:
        (N, K) int64.
    """
    residual, codes = frames.double(), []
    for codebook in codebooks.double():
        nearest, residual = _nearest(residual, codebook)
        codes.append(nearest)
    return torch.stack(codes, 1)


def _nearest(frames: torch.Tensor, codebook: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the nearest centroid of each frame, (N,) int64, and what it leaves of the frame, (N, D)."""
    norms = codebook.square().sum(1)
    nearest = torch.cat([(norms - 2 * chunk @ codebook.T).argmin(1) for chunk in frames.split(CHUNK)])
    return nearest, frames - codebook[nearest]
