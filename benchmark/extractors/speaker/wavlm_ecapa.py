"""The speaker encoder behind SIM in papers on codecs and synthesis: ECAPA-TDNN on WavLM-large."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from benchmark.errors import UserError
from benchmark.extractors.encoders.waveform import normalised
from benchmark.extractors.encoders.wavlm_original import build_wavlm
from benchmark.extractors.speaker.ecapa_tdnn import EcapaTdnn
from benchmark.extractors.speaker.encoders import Embed, PretrainedEncoder
from benchmark.storage.weights import DIGESTS, load_into, load_tensors
from benchmark.types import SAMPLE_RATE

WAVLM = "feature_extract.model."
LAYER_WEIGHTS = "feature_weight"
ONLY_TRAINED_WITH = "loss_calculator."
"""Prefix of the weights that only training used."""
OFFSET = 1e-6
"""Number that the published code adds to features before it normalises them."""


@dataclass(frozen=True, kw_only=True)
class WavlmEcapa(PretrainedEncoder):
    """ECAPA-TDNN on a learned mean of WavLM-large's layers, fine-tuned together (Chen et al. 2022).

    The published file `wavlm_large_finetune.pth` of UniSpeech's speaker verification holds both. The networks
    are built here and only tensors are read. Clips are processed one at a time, as norms and pooling see a
    whole clip.

    Attributes:
        sha256: Digest that the file must have, in hexadecimal; None for any file. Part of no key.
    """

    width: ClassVar[int] = 256
    shortest: ClassVar[int] = SAMPLE_RATE // 10
    files: ClassVar[tuple[str, ...]] = ("wavlm_large_finetune.pth",)

    sha256: str | None = None

    @property
    def name(self) -> str:
        """See `SpeakerEncoder.name`."""
        return f"WavLM-large ECAPA-TDNN ({self.checkpoint})"

    def embedder(self, device: str) -> Embed:
        """See `SpeakerEncoder.embedder`."""
        path = self.folder / self.files[0]
        if self.sha256 is not None and (found := DIGESTS(path)) != self.sha256:
            raise UserError(
                f"{path} has sha256 {found}, not {self.sha256}: fetch the file again, "
                "or set sha256 of the speaker encoder to null for other weights"
            )
        content = load_tensors(path)
        try:
            network = _Network(content["model"], path).to(device)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise UserError(f"{path} is no speaker verification model of UniSpeech: {error}") from error
        if network.head.linear.out_features != self.width:
            wide = network.head.linear.out_features
            raise UserError(f"{path} gives vectors of {wide} numbers, not {self.width}")

        def embed(wavs: list[np.ndarray]) -> list[np.ndarray]:
            with torch.no_grad():
                clips = (torch.from_numpy(wav)[None].to(device) for wav in wavs)
                return [network(clip)[0].cpu().numpy() for clip in clips]

        return embed


class _Network(nn.Module):
    """WavLM, the mean of its layers, and ECAPA-TDNN."""

    weights: torch.Tensor

    def __init__(self, state: Mapping[str, torch.Tensor], source: object) -> None:
        super().__init__()
        wavlm, head = {}, {}
        for name, tensor in state.items():
            if name.startswith(WAVLM):
                wavlm[name.removeprefix(WAVLM)] = tensor
            elif name != LAYER_WEIGHTS and not name.startswith(ONLY_TRAINED_WITH):
                head[name] = tensor
        self.wavlm: Any = build_wavlm(wavlm, source)
        self.head = EcapaTdnn(head)
        load_into(self.head, head, source)
        states = self.wavlm.config.num_hidden_layers + 1
        if len(state[LAYER_WEIGHTS]) != states:
            raise ValueError(f"{len(state[LAYER_WEIGHTS])} layer weights for {states} layers")
        self.register_buffer("weights", state[LAYER_WEIGHTS].float().softmax(0))

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        """Map a clip (1, T) at 16 kHz to its embedding (1, E).

        Features are the input of each of WavLM's layers, and the output of the last one after the final norm.
        transformers lists that output without the norm.
        """
        inside = torch.ones_like(wav, dtype=torch.bool)
        found = self.wavlm(normalised(wav, inside), output_hidden_states=True)
        states = (*found.hidden_states[:-1], found.last_hidden_state)
        layers = (weight * state for weight, state in zip(self.weights, states, strict=True))
        features = sum(layers, start=torch.zeros_like(found.last_hidden_state))
        return self.head(features.mT + OFFSET)
