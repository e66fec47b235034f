"""What the vocoder hears of the prompt: a normalised log-mel, or a layer of a frozen WavLM.

Neither is a module: nothing here belongs to the vocoder's parameters, checkpoints or weights.
"""

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import Wav2Vec2FeatureExtractor, WavLMModel

from benchmark.checkpoints import resolve
from benchmark.errors import UserError
from benchmark.vocoder.attention import frame_mask
from benchmark.vocoder.config import PromptConfig
from benchmark.vocoder.mel import N_MELS, NormalisedMel


class MelPrompt:
    """Frames of the normalised log-mel that the model also predicts."""

    features = N_MELS

    def __init__(self, mel: NormalisedMel) -> None:
        self.mel = mel

    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, T) zero-padded samples and (B,) lengths to (B, S, features) and (B,) frames."""
        return self.mel(wav), lengths // self.mel.hop_length


class WavLMPrompt:
    """Hidden states of one transformer layer of WavLM (Chen et al., 2022), 50 frames per second."""

    def __init__(self, checkpoint: str, revision: str | None, layer: int) -> None:
        """Raises: UserError when the checkpoint cannot be loaded or has no such layer."""
        self.layer = layer
        folder = resolve(checkpoint, revision)
        try:
            self.wavlm = WavLMModel.from_pretrained(folder).eval().requires_grad_(False)
            extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise UserError(f"{checkpoint!r} in {folder} holds no WavLM: {error}") from error
        depth = self.wavlm.config.num_hidden_layers
        if not 0 <= layer <= depth:
            raise UserError(f"{checkpoint!r} has layers 0 to {depth}; the prompt asks for {layer}")
        self.features: int = self.wavlm.config.hidden_size
        self.normalise: bool = extractor.do_normalize

    @torch.no_grad()
    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `MelPrompt.__call__`."""
        self.wavlm.to(wav.device)
        if self.wavlm.config.feat_extract_norm == "group" and len(wav) > 1:
            # The norm of the first convolution would count the padding: one utterance at a time.
            alone = [self(row[None, :length], length[None]) for row, length in zip(wav, lengths, strict=True)]
            return pad_sequence([row[0] for row, _ in alone], batch_first=True), torch.cat(
                [frames for _, frames in alone]
            )
        mask = frame_mask(lengths, wav.shape[1])
        if self.normalise:
            wav = _zero_mean_unit_variance(wav, mask)
        states = self.wavlm(wav, attention_mask=mask.long(), output_hidden_states=True).hidden_states
        return states[self.layer].float(), self.wavlm._get_feat_extract_output_lengths(lengths)


def _zero_mean_unit_variance(wav: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    count = mask.sum(dim=1, keepdim=True)
    centred = (wav - (wav * mask).sum(dim=1, keepdim=True) / count) * mask
    variance = centred.square().sum(dim=1, keepdim=True) / count
    return centred * torch.rsqrt(variance + 1e-7)


def build_prompt(config: PromptConfig, mel: NormalisedMel) -> MelPrompt | WavLMPrompt:
    """The extractor the config names."""
    if config.features == "mel":
        return MelPrompt(mel)
    return WavLMPrompt(config.checkpoint, config.revision, config.layer)
