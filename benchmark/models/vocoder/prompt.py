"""Encoders of the vocoder's prompt: a normalised log-mel, or a layer of a frozen encoder.

None is an `nn.Module`, so that nothing here belongs to the parameters, checkpoints or weights of the vocoder.
"""

from typing import Protocol

import torch
from torch.nn.utils.rnn import pad_sequence

from benchmark.extractors.encoders.wavlm import WavLMLayer, load_wavlm, random_wavlm
from benchmark.extractors.encoders.whisper import HOP, WhisperFeatures
from benchmark.models.vocoder.config import PromptConfig
from benchmark.models.vocoder.mel import N_MELS, NormalisedMel
from benchmark.storage.checkpoints import resolve


class PromptEncoder(Protocol):
    """Encoder from prompts to feature frames; `features` is their width."""

    features: int

    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode (B, T) zero-padded samples at 16 kHz with (B,) lengths to (B, S, features) and (B,) frames.

        Every utterance gets the frames that it has alone; frames beyond are undefined.
        """
        ...


class MelPrompt:
    """Encoder by the normalised log-mel that the model also predicts."""

    features = N_MELS

    def __init__(self, mel: NormalisedMel) -> None:
        self.mel = mel

    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode the samples; see `PromptEncoder.__call__`."""
        return self.mel(wav), lengths // self.mel.hop_length


class WavLMPrompt:
    """Encoder by the hidden states of one transformer layer of WavLM, 50 frames per second."""

    def __init__(self, wavlm: WavLMLayer) -> None:
        self.wavlm = wavlm
        self.features = wavlm.width

    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode the samples; see `PromptEncoder.__call__`."""
        return self.wavlm(wav, lengths)


class WhisperPrompt:
    """Encoder by the hidden states of Whisper's encoder (Radford et al., 2022), 50 frames per second.

    Whisper would attend to padding, so every prompt is encoded alone, at its own length.
    """

    def __init__(self, whisper: WhisperFeatures) -> None:
        self.whisper = whisper
        self.features = whisper.width

    @torch.no_grad()
    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode the whole hops of each prompt, at least one; see `PromptEncoder.__call__`."""
        self.whisper.to(wav.device)
        frames = (lengths // HOP).clamp(min=1)
        wav = torch.nn.functional.pad(wav, (0, max(0, HOP - wav.shape[1])))
        with torch.autocast(wav.device.type, enabled=False):
            states = [self.whisper(row[None, : n * HOP])[0] for row, n in zip(wav, frames, strict=True)]
        return pad_sequence(states, batch_first=True), frames


def build_prompt(config: PromptConfig, mel: NormalisedMel) -> PromptEncoder:
    """Build the prompt encoder that the config names.

    Raises: UserError when its checkpoint cannot be loaded or has no such layer.
    """
    if config.features == "mel":
        return MelPrompt(mel)
    if config.random_weights:
        return WavLMPrompt(random_wavlm(config.layer or 0))
    checkpoint = config.checkpoint or ""
    if config.features == "whisper":
        folder = resolve(checkpoint, config.revision)
        return WhisperPrompt(WhisperFeatures(folder, config.layer, device="cpu"))
    return WavLMPrompt(load_wavlm(checkpoint, config.revision, config.layer or 0))
