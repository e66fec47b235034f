"""Mel + BigVGAN (Lee et al. 2023, arXiv 2206.04658): the continuous topline of Guo et al. 2025, Table I."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch.nn.utils.rnn import pad_sequence

from benchmark.storage.feature_codes import from_codes, to_codes
from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.networks.bigvgan import BANDS, HOP, SAMPLE_RATE, WINDOW, BigVgan, Mel, rename
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import TokenizerSpec

CONFIG, WEIGHTS = "config.json", "bigvgan_generator.pt"
EXPECTED: dict[str, Any] = {
    "sampling_rate": SAMPLE_RATE,
    "num_mels": BANDS,
    "hop_size": HOP,
    "n_fft": WINDOW,
    "win_size": WINDOW,
    "fmin": 0,
    "fmax": None,
    "resblock": "1",
    "activation": "snakebeta",
    "snake_logscale": True,
    "use_tanh_at_final": False,
    "use_bias_at_final": False,
}
"""Facts of the published config file that are fixed here."""


@dataclass(kw_only=True)
class MelBigVgan(Pretrained):
    """The logarithm of 100 mel bands as float16 features, and BigVGAN v2, which turns them back into speech.

    Each band is one continuous "codebook", as in `Continuous`; rounding moves an amplitude by at most 0.4 %.
    Speech is padded with zeros to whole frames, where upstream drops an incomplete last frame.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.mel_bigvgan.MelBigVgan"

    encodes_without_weights: ClassVar[bool] = True

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. A window of 1024 samples reaches beyond both ends of its hop."""
        return self.make_spec(
            kind="topline",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(2**16,) * BANDS,
            causal=False,
            can_decode=True,
            supports_padding=True,
            continuous=True,
        )

    @property
    def has_network(self) -> bool:
        """False: the spectrum is computed without one."""
        return False

    def weights_digest(self) -> str | None:
        """Return None: the features do not depend on the weights."""
        return None

    def decoder_identity(self) -> dict[str, Any]:
        """Return the digest of BigVGAN's weights."""
        return {"weights": super().weights_digest()}

    @cached_property
    def _mel(self) -> Mel:
        return Mel().to(self.device)

    @cached_property
    def _model(self) -> BigVgan:
        path = self.file(WEIGHTS)
        with self.reading(self.checkpoint, "BigVGAN"):
            config = json.loads(self.file(CONFIG).read_text())
            self.check(**{name: (config.get(name), value) for name, value in EXPECTED.items()})
            model, state = BigVgan.of_config(config), rename(load_tensors(path)["generator"])
        load_into(model, state, path)
        return model.to(self.device)

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode one utterance at a time, because both of its ends are mirrored."""
        frames = (lengths + HOP - 1) // HOP
        rows = [self._mel(row[None, : int(count) * HOP])[0] for row, count in zip(wav, frames, strict=True)]
        codes = pad_sequence([to_codes(row.T) for row in rows], batch_first=True)
        return codes.transpose(1, 2), frames

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Decode one utterance at a time, so that none sees the padding of another."""
        rows = [
            self._model(from_codes(row[None, :, : int(count)]))[0]
            for row, count in zip(codes, lengths, strict=True)
        ]
        return pad_sequence(rows, batch_first=True)
