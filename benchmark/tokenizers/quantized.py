"""Tokenizers that consist of a feature extractor and a nearest-centroid search."""

import hashlib
import json
import logging
from abc import abstractmethod
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from benchmark.errors import UserError, unknown
from benchmark.storage.hashing import file_digest
from benchmark.storage.identity import KEY_UNLESS_DEFAULT
from benchmark.tokenizers.base import NOT_IDENTITY, FittedTokenizer
from benchmark.tokenizers.kmeans import FIT_VERSION, FrameReservoir, Seeding, fit_residual, quantize
from benchmark.tokenizers.position_means import PositionMeans

log = logging.getLogger(__name__)

CODEBOOK, REPORT = "codebook.safetensors", "report.json"


@dataclass(kw_only=True)
class QuantizedFeatures(FittedTokenizer):
    """Features of 16 kHz speech, quantized by k-means (K = 1) or residual k-means (K > 1).

    Attributes:
        num_codebooks: K.
        codebook_size: Entries per codebook.
        max_frames: Maximum number of frames that the fit uses, a uniform sample of the training speech.
        iterations: Lloyd iterations.
        restarts: Number of fits from different initial centroids; the best is kept.
        seeding: Method of drawing the initial centroids, "random" or "kmeans++".
        centroids: Published centroids to use instead of a fit: a safetensors file with `codebooks`
            (K, V, D), which `python -m scripts.convert_kmeans` makes from a pickled k-means.
    """

    standardise: ClassVar[bool] = False
    """True brings features to zero mean and unit variance per dimension before the search."""

    num_codebooks: int = 1
    codebook_size: int = 256
    max_frames: int = 200_000
    iterations: int = 25
    restarts: int = 1
    seeding: Seeding = field(default="random", metadata=KEY_UNLESS_DEFAULT)
    centroids: str | None = field(default=None, metadata=NOT_IDENTITY)  # `identity` has its digest

    def __post_init__(self) -> None:
        self._codebook: dict[str, torch.Tensor] | None = None
        self._report: dict[str, Any] = {}
        if self.num_codebooks < 1 or self.codebook_size < 2:
            raise UserError(
                f"{self.name}: num_codebooks must be at least 1 and codebook_size at least 2, "
                f"not {self.num_codebooks} and {self.codebook_size}"
            )
        if self.seeding not in get_args(Seeding):
            raise unknown("seeding", self.seeding, get_args(Seeding))

    @property
    def is_published(self) -> bool:
        """True if `centroids` are given."""
        return self.centroids is not None

    def identity(self) -> dict[str, Any]:
        """Add the version of the fit or, if given, the digest of the published centroids."""
        if self.centroids is None:
            return {**super().identity(), "fit": FIT_VERSION}
        return {**super().identity(), "centroids": file_digest(self._centroids_file)}

    @property
    def _centroids_file(self) -> Path:
        path = Path(self.centroids or "")
        if not path.is_file():
            raise UserError(
                f"{self.name}: tokenizer.centroids={self.centroids!r} is no file; make one of a published "
                "k-means by python -m scripts.convert_kmeans, or set it to null to fit one"
            )
        return path

    @abstractmethod
    def features(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute continuous features.

        Args:
            wav: (B, T) at 16 kHz on the tokenizer's device, T a whole number of hops, zero beyond
                `lengths`.
            lengths: (B,) samples.

        Returns:
            features: (B, T', D) float32.
            feature_lengths: (B,) frames.
        """

    @property
    def num_positions(self) -> int | None:
        """Number of positions whose mean feature is subtracted before the search; None subtracts none."""
        return None

    def places(self, frames: int) -> np.ndarray:
        """Return the position of every frame of an utterance, (frames,).

        Here an utterance is one window; a subclass may cut utterances into several.
        """
        return np.arange(frames)

    @property
    def fit_report(self) -> dict[str, Any]:
        """Frames seen and used, and for each level the error and the centroids that no frame chose.

        The report is JSON-able, and empty before the fit.
        """
        return self._report

    def fit(self, wavs: Iterable[np.ndarray], seed: int) -> Self:
        """Fit on a uniform sample of the frames of `wavs`, a stream of (T,) float32 at 16 kHz.

        Returns:
            A copy of this tokenizer with the codebook; both share the model that computes the features.

        Raises:
            UserError: the speech has fewer frames than the codebook has entries.
        """
        reservoir = FrameReservoir(self.max_frames, seed)
        means = PositionMeans(self.num_positions) if self.num_positions else None
        for wav in wavs:
            features = self._features_of(wav)
            if means:  # known only at the end of the stream, so each frame keeps its place until then
                places = self.places(len(features))
                means.add(features, places)
                features = np.column_stack([features, places.astype(np.float32)])
            reservoir.add(features)
        frames, positions = reservoir.frames, {}
        if len(frames) < self.codebook_size:
            raise UserError(
                f"{self.name}: {len(frames)} frames of training speech cannot fit a codebook of "
                f"{self.codebook_size}; lower tokenizer.codebook_size or give more speech"
            )
        if means:
            positions = {"positions": means.table()}
            frames = frames[:, :-1] - positions["positions"][frames[:, -1].astype(int)]
        mean, scale = self._statistics(frames)
        frames = (frames - mean) / scale
        how = self.restarts, self.iterations, self.seeding
        codebooks, report = fit_residual(frames, self.num_codebooks, self.codebook_size, seed, *how)
        levels = (
            f"level {level}: squared error {error:.3g} per dimension, {empty} of {self.codebook_size} unused"
            for level, (error, empty) in enumerate(zip(report["mse"], report["empty"], strict=True), 1)
        )
        what = f"fitted the codebook of {self.name} on {len(frames):,} of {reservoir.seen:,} frames"
        log.info("%s; %s", what, "; ".join(levels))
        arrays = {"codebooks": codebooks, "mean": mean, "scale": scale, **positions}
        codebook = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return self._with(codebook, {**report, "frames_seen": reservoir.seen, "seed": seed})

    def save_codebook(self, folder: Path) -> None:
        """Write the codebook as safetensors and the report of the fit as JSON."""
        (folder / CODEBOOK).write_bytes(save(self._loaded()))
        (folder / REPORT).write_text(json.dumps(self._report, indent=1))

    def with_codebook(self, folder: Path) -> Self:
        """Return a copy with the codebook that `save_codebook` wrote.

        Raises:
            ValueError: the shape of the codebook differs from that of this tokenizer.
        """
        codebook = load((folder / CODEBOOK).read_bytes())
        if codebook["codebooks"].shape[:2] != (self.num_codebooks, self.codebook_size):
            raise ValueError(
                f"{folder} holds codebooks {tuple(codebook['codebooks'].shape)}; {self.name} expects "
                f"({self.num_codebooks}, {self.codebook_size}, D)"
            )
        fitted = self._with(codebook, json.loads((folder / REPORT).read_text()))
        fitted.codebook_digest = folder.name
        return fitted

    def codebook_vectors(self) -> torch.Tensor:
        """Return the centroids, (K, V, D) float32, in standardised units if features are standardised."""
        return self._loaded()["codebooks"]

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features, frames = self.features(wav, lengths)
        return self.codes_of(features), frames

    def codes_of(self, features: torch.Tensor) -> torch.Tensor:
        """Quantize features of whole utterances, (B, T', D), to codes (B, K, T')."""
        codebook = {name: tensor.to(features.device) for name, tensor in self._loaded().items()}
        if "positions" in codebook:
            features = features - codebook["positions"][self.places(features.shape[1])]
        scaled = (features - codebook["mean"]) / codebook["scale"]
        codes = quantize(scaled.flatten(0, 1), codebook["codebooks"])
        return codes.unflatten(0, features.shape[:2]).transpose(1, 2)

    @torch.no_grad()
    def _features_of(self, wav: np.ndarray) -> np.ndarray:
        """Return the features (T', D) of one utterance (T,)."""
        padded = torch.nn.functional.pad(torch.from_numpy(wav), (0, -len(wav) % self.spec.hop_length))
        features, frames = self.features(padded[None].to(self.device), torch.tensor([len(wav)]))
        return features[0, : int(frames[0])].cpu().numpy()

    def _statistics(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and scale per dimension, (D,) float32; a constant dimension gets scale 1."""
        dimensions = frames.shape[1]
        if not self.standardise:
            return np.zeros(dimensions, np.float32), np.ones(dimensions, np.float32)
        deviation = frames.std(0, dtype=np.float64)
        scale = np.where(deviation > 1e-6, deviation, 1.0)
        return frames.mean(0, dtype=np.float64).astype(np.float32), scale.astype(np.float32)

    def _with(self, codebook: dict[str, torch.Tensor], report: dict[str, Any]) -> Self:
        fitted = copy(self)  # shallow, so that both share a loaded model
        fitted._codebook, fitted._report = codebook, report
        fitted.codebook_digest = hashlib.sha256(save(codebook)).hexdigest()[:16]
        return fitted

    def _published(self) -> dict[str, torch.Tensor]:
        """Load the published centroids and check them against the arguments of this tokenizer.

        Raises: UserError if the file cannot be read, or is for other arguments.
        """
        path = self._centroids_file
        try:
            with safe_open(path, "pt") as file:
                facts, codebooks = file.metadata() or {}, file.get_tensor("codebooks").float()
        except Exception as error:  # safetensors raises exceptions of its own
            raise UserError(f"{self.name}: {path} is no file of centroids: {error}") from error
        expected = (self.num_codebooks, self.codebook_size)
        if codebooks.shape[:2] != expected:
            raise UserError(
                f"{self.name}: {path} holds {tuple(codebooks.shape[:2])} centroids, not {expected}"
            )
        for name, value in facts.items():
            own = getattr(self, name, value)
            if str(own) != value:
                raise UserError(
                    f"{self.name}: the centroids of {path} are for {name}={value}, not for {name}={own}"
                )
        dimensions = codebooks.shape[2]
        return {"codebooks": codebooks, "mean": torch.zeros(dimensions), "scale": torch.ones(dimensions)}

    def _loaded(self) -> dict[str, torch.Tensor]:
        if self._codebook is None and self.is_published:
            self._codebook = self._published()
        if self._codebook is None:
            raise RuntimeError(
                f"{self.name} has no codebook yet: fit() on speech or with_codebook() returns one that has"
            )
        return self._codebook
