"""ASR by NVIDIA NeMo models.

NeMo conflicts with the pinned versions of this package, so the tests of this module cover only the refusal.
NeMo needs a separate environment with this package, without its constraints, and `nemo_toolkit[asr]`.
"""

import importlib.util
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.errors import UserError
from benchmark.extractors.asr.extractors import Listener, Transcript
from benchmark.extractors.clips import of_one_length
from benchmark.storage.checkpoints import resolve
from benchmark.storage.weights import weights_digest
from benchmark.types import SAMPLE_RATE

ARCHIVE = "*.nemo"


@dataclass(frozen=True, kw_only=True)
class Nemo(Transcript):
    """A CTC or transducer model with NeMo's default decoding, in float32.

    An archive names the classes that NeMo instantiates, so use archives only from sources whose code you
    would run. Clips of equal length are decoded together.
    """

    library: ClassVar[str] = "nemo"
    shortest: ClassVar[int] = SAMPLE_RATE // 10

    @property
    def method(self) -> str:
        """See `Transcript.method`."""
        return "NeMo's default decoding"

    @property
    def source(self) -> str:
        """See `Transcript.source`."""
        return f"{self.checkpoint} (NeMo float32)"

    @cached_property
    def folder(self) -> Path:
        """See `Transcript.folder`."""
        return resolve(self.checkpoint, self.revision, [ARCHIVE])

    def identity(self) -> dict[str, Any]:
        """See `Transcript.identity`."""
        return {
            "class": type(self).__name__,
            "version": self.version,
            "weights": weights_digest(self.folder, [ARCHIVE]),
        }

    def listener(self, device: str) -> Listener:
        """See `Transcript.listener`."""
        if importlib.util.find_spec(self.library) is None:
            raise UserError(
                f"ASR {self.name} needs NeMo, which conflicts with the pinned versions: in another "
                "environment, pip install speech-token-benchmark 'nemo_toolkit[asr]'"
            )
        archives = sorted(self.folder.glob(ARCHIVE))
        if len(archives) != 1:
            raise UserError(f"{self.checkpoint} must hold one {ARCHIVE} file, not {len(archives)}")
        from nemo.collections.asr.models import ASRModel

        model = ASRModel.restore_from(str(archives[0]), map_location=device).float().eval()

        def transcribe(wavs: list[np.ndarray]) -> list[str]:
            texts = [""] * len(wavs)
            for positions in of_one_length(wavs, self.batch_size):
                clips = [wavs[position] for position in positions]
                heard = model.transcribe(clips, batch_size=len(clips), verbose=False)
                heard = heard[0] if isinstance(heard, tuple) else heard  # transducers: (best, all hypotheses)
                for position, text in zip(positions, heard, strict=True):
                    texts[position] = getattr(text, "text", text).strip()
            return texts

        return transcribe
