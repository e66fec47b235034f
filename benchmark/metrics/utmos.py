"""UTMOS: the naturalness of a recording, predicted without its original."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.base import Batch, Extractor, ModelExtractor, Side, Value
from benchmark.extractors.clips import on_sound_clips
from benchmark.extractors.libraries import require
from benchmark.metrics.base import Metric, Voice
from benchmark.metrics.signal_pair import Pair
from benchmark.storage.checkpoints import resolve
from benchmark.storage.weights import load_tensors, weights_digest
from benchmark.types import SAMPLE_RATE

WEIGHTS = "utmos_state_dict.pt"


@dataclass(frozen=True, kw_only=True)
class Utmos(ModelExtractor):
    """UTMOS22 strong learner (Saeki et al. 2022) without fairseq, by the package `utmos-pytorch`, (1, 1).

    Clips are scored one at a time, as the package's authors advise, because padding changes the score.

    Attributes:
        files: The checkpoint's file that is read.
        checkpoint: Hub id or folder with the package's `utmos_state_dict.pt`.
        revision: Commit of a hub id.
        licence: Licence of the weights, as their publisher states it; part of no key.
        size_mb: Approximate size of the download in MB; part of no key.
    """

    kind: ClassVar[str] = "utmos"
    library: ClassVar[str] = "utmos_pytorch"
    extra: ClassVar[str] = "mos"
    files: ClassVar[tuple[str, ...]] = (WEIGHTS,)

    checkpoint: str
    revision: str | None = None
    licence: str = ""
    size_mb: float | None = None

    @cached_property
    def folder(self) -> Path:
        """The checkpoint's folder on this machine.

        Raises: UserError if the checkpoint can neither be found nor fetched.
        """
        return resolve(self.checkpoint, self.revision, self.files)

    def identity(self) -> dict[str, Any]:
        """See `Extractor.identity`."""
        require(self.library, self.extra)
        return {
            "class": type(self).__name__,
            "version": self.version,
            "weights": weights_digest(self.folder, self.files),
            "package": version("utmos-pytorch"),
        }

    def load(self, device: str) -> Batch:
        """See `Extractor.load`."""
        require(self.library, self.extra)
        import torch
        from utmos_pytorch.utmos_torch import UTMOSModel

        path = self.folder / WEIGHTS
        state = load_tensors(path)
        model = UTMOSModel()
        try:
            lacks = model.load_state_dict(state, strict=False).missing_keys
        except (RuntimeError, AttributeError, TypeError) as error:
            raise UserError(f"{path} does not fit UTMOS: {str(error).splitlines()[-1].strip()}") from error
        if lacks:  # the package would use random weights instead
            raise UserError(
                f"{path} does not fit UTMOS: it lacks {', '.join(lacks[:3])}; "
                "give a checkpoint of utmos-pytorch"
            )
        model.eval().requires_grad_(False).to(device)
        domain, listener = torch.tensor([0], device=device), torch.tensor([288], device=device)

        def score(wavs: list[np.ndarray]) -> list[Value | AudioError]:
            values: list[Value | AudioError] = []
            with torch.no_grad():
                for wav in wavs:
                    frames = model(torch.from_numpy(wav)[None, None].to(device), domain, listener)
                    values.append(self.pack(2 * frames.mean().cpu().numpy() + 3))
            return values

        return lambda wavs: on_sound_clips(wavs, "UTMOS", score, SAMPLE_RATE // 2)


@dataclass(frozen=True, kw_only=True)
class UtmosScore(Metric):
    """UTMOS of the decoded signal, from 1 to 5; the original is not used.

    Silence and clips under half a second have no score.

    Attributes:
        extractor: Extractor of the scores.
    """

    family: ClassVar[str] = "opinion"
    voice: ClassVar[Voice] = "any"
    higher_is_better: ClassVar[bool | None] = True
    decimals: ClassVar[int] = 2

    label: str = "UTMOS"
    extractor: Utmos

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return (
            f"UTMOS22 strong learner ({self.extractor.checkpoint}) of the decoded signal alone, whole clips, "
            "mean over files"
        )

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """See `Metric.needs`."""
        yield "decoded", self.extractor

    def identity(self) -> dict[str, Any]:
        """See `Metric.identity`; the model's weights count, but not their location."""
        return super().identity() | {"extractor": self.extractor.key}

    def score(self, pair: Pair) -> float:
        """See `Metric.score`."""
        return float(np.asarray(pair.value("decoded", self.extractor))[0, 0])
