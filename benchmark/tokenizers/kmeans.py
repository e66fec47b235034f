"""K-means and residual codebooks: fitted by faiss, searched exactly in torch."""

from typing import Any, Literal

import faiss
import numpy as np
import torch

CHUNK = 8192
"""Frames searched at once, which bounds memory to CHUNK × codebook size distances."""

Seeding = Literal["random", "kmeans++"]
"""Method that draws the first centroids: random frames, or frames far from one another (Arthur and
Vassilvitskii 2007). On LibriSpeech, three seeds each, k-means++ left the same held-out error as random frames
for Whisper's states and MFCC, and 0.5 % more for log-mel, so random is the default."""
_SEEDING = {
    "random": faiss.ClusteringInitMethod_RANDOM,
    "kmeans++": faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
}


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
    """Fit Lloyd's k-means from `size` distinct frames; a cluster that empties splits a large one.

    Args:
        frames: (N, D) float32, N at least `size`.
        size: Number of centroids.
        seed: Fixes the initial centroids.
        restarts: Number of fits from different initial centroids; the best one is kept.
        iterations: Lloyd iterations.
        seeding: Method that draws the initial centroids.

    Returns:
        centroids: (1, size, D) float32.
        report: See `fit_residual`.
    """
    faiss.omp_set_num_threads(torch.get_num_threads())
    kmeans = faiss.Kmeans(frames.shape[1], size)
    _configure(kmeans.cp, len(frames), seed, restarts, iterations, seeding)
    kmeans.train(frames)
    codebooks = np.asarray(kmeans.centroids, np.float32)[None]
    return codebooks, _report(frames, codebooks)


def fit_residual(
    frames: np.ndarray,
    num_codebooks: int,
    size: int,
    seed: int,
    restarts: int = 1,
    iterations: int = 25,
    seeding: Seeding = "random",
) -> tuple[np.ndarray, dict[str, Any]]:
    """Fit residual vector quantization: each codebook is fitted on the residual of those before it.

    `faiss.ResidualQuantizer` runs with a beam of one, because the codes are searched greedily too, as in
    neural codecs. The held-out error equals that of k-means run level by level within 0.5 %.

    Args:
        frames: (N, D) float32, N at least `size`.
        num_codebooks: Levels, K.
        size: Centroids per level, a power of two.
        seed: Fixes the initial centroids.
        restarts: Number of fits of each level; the best one is kept.
        iterations: Lloyd iterations per level.
        seeding: Method that draws the initial centroids of a level.

    Returns:
        codebooks: (K, size, D) float32.
        report: `frames`, the number fitted on; per level `mse`, the remaining squared error per dimension
            on these frames, and `empty`, the number of centroids that no frame chose.
    """
    faiss.omp_set_num_threads(torch.get_num_threads())
    bits = size.bit_length() - 1
    if 1 << bits != size:
        raise ValueError(f"a residual codebook's size must be a power of two, not {size}")
    quantizer = faiss.ResidualQuantizer(frames.shape[1], num_codebooks, bits)
    quantizer.train_type = faiss.ResidualQuantizer.Train_default
    quantizer.max_beam_size = 1
    _configure(quantizer.cp, len(frames), seed, restarts, iterations, seeding)
    quantizer.train(np.ascontiguousarray(frames))
    codebooks = faiss.vector_to_array(quantizer.codebooks).reshape(num_codebooks, size, -1)
    return codebooks, _report(frames, codebooks)


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
    return torch.cat([_quantize_chunk(chunk, codebooks.double())[0] for chunk in frames.split(CHUNK)])


def _quantize_chunk(frames: torch.Tensor, codebooks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes (N, K), and the squared error per dimension after each level, (N, K)."""
    residual = frames.double()
    codes, errors = [], []
    for codebook in codebooks:
        nearest = (codebook.square().sum(1) - 2 * residual @ codebook.T).argmin(1)
        residual = residual - codebook[nearest]
        codes.append(nearest)
        errors.append(residual.square().mean(1))
    return torch.stack(codes, 1), torch.stack(errors, 1)


def _configure(
    parameters: faiss.ClusteringParameters,
    points: int,
    seed: int,
    restarts: int,
    iterations: int,
    seeding: Seeding,
) -> None:
    parameters.init_method = _SEEDING[seeding]
    parameters.seed = seed
    parameters.niter = iterations
    parameters.nredo = restarts
    # No subsampling by faiss: the caller has sampled already, and the report counts frames per centroid.
    parameters.max_points_per_centroid = points
    parameters.min_points_per_centroid = 1


def _report(frames: np.ndarray, codebooks: np.ndarray) -> dict[str, Any]:
    books = torch.from_numpy(codebooks).double()
    parts = [_quantize_chunk(chunk, books) for chunk in torch.from_numpy(frames).split(CHUNK)]
    codes = torch.cat([codes for codes, _ in parts])
    errors = torch.cat([errors for _, errors in parts])
    size = codebooks.shape[1]
    return {
        "frames": len(frames),
        "mse": errors.mean(0).tolist(),
        "empty": [size - len(level.unique()) for level in codes.T],
    }
