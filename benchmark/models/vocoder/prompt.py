"""What the vocoder hears of the prompt: a normalised log-mel, or a layer of a frozen encoder.

None is a module: nothing here belongs to the vocoder's parameters, checkpoints or weights.
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
    """From prompts to feature frames; `features` is their width."""

    features: int

    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, T) zero-padded samples at 16 kHz and (B,) lengths to (B, S, features) and (B,) frames.

        Every utterance gets the frames that it has alone; those beyond are undefined.
        """
        ...


class MelPrompt:
    """Frames of the normalised log-mel that the model also predicts."""

    features = N_MELS

    def __init__(self, mel: NormalisedMel) -> None:
        self.mel = mel

    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `PromptEncoder.__call__`."""
        return self.mel(wav), lengths // self.mel.hop_length


class WavLMPrompt:
    """Hidden states of one transformer layer of WavLM, 50 frames per second."""

    def __init__(self, wavlm: WavLMLayer) -> None:
        self.wavlm = wavlm
        self.features = wavlm.width

    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `PromptEncoder.__call__`."""
        return self.wavlm(wav, lengths)


class WhisperPrompt:
    """Hidden states of Whisper's encoder (Radford et al., 2022), 50 frames per second.

    Attention would hear padding, so every prompt is encoded alone, at its own length.
    """

    def __init__(self, whisper: WhisperFeatures) -> None:
        self.whisper = whisper
        self.features = whisper.width

    @torch.no_grad()
    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `PromptEncoder.__call__`, of the whole hops that a prompt has, at least one."""
        self.whisper.to(wav.device)
        frames = (lengths // HOP).clamp(min=1)
        wav = torch.nn.functional.pad(wav, (0, max(0, HOP - wav.shape[1])))
        with torch.autocast(wav.device.type, enabled=False):
            states = [self.whisper(row[None, : n * HOP])[0] for row, n in zip(wav, frames, strict=True)]
        return pad_sequence(states, batch_first=True), frames


def build_prompt(config: PromptConfig, mel: NormalisedMel) -> PromptEncoder:
    """The encoder that the config names.

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
