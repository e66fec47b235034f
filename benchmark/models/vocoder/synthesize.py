"""Synthesis of speech from codes with a trained vocoder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn.utils.rnn import pad_sequence

from benchmark.data.batching import cut
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.generator import finalise
from benchmark.models.vocoder.model import WEIGHTS, CTXVec2Wav
from benchmark.types import SAMPLE_RATE, TokenizerSpec

BATCH_SECONDS = 90.0
"""Maximum seconds of speech and prompts decoded at once, padding counted, unless two utterances alone have
more. At the published sizes, half a minute of either takes gigabytes."""


class Vocoder:
    """A trained vocoder ready for synthesis: dropout off, weight norm folded."""

    def __init__(self, model: CTXVec2Wav, rates: FrameRates, device: str) -> None:
        self.model = model.to(device).eval()
        finalise(self.model.generator)
        self.rates = rates
        self.device = device

    @classmethod
    def load(
        cls,
        folder: Path,
        spec: TokenizerSpec,
        codebook_vectors: torch.Tensor | None,
        config: VocoderConfig,
        device: str = "cpu",
    ) -> "Vocoder":
        """Load the vocoder that `train_vocoder` wrote; other arguments as in training."""
        rates = FrameRates.of(spec)
        model = CTXVec2Wav(config, rates, spec.codebook_sizes, codebook_vectors)
        model.load_state_dict(load_file(folder / WEIGHTS))
        return cls(model, rates, device)

    def synthesize(
        self,
        codes: Sequence[np.ndarray],
        prompts: Sequence[np.ndarray],
        num_samples: Sequence[int],
        batch_size: int = 8,
    ) -> list[np.ndarray]:
        """Decode utterances; an output does not depend on the other utterances of its batch.

        Args:
            codes: (K, L) int64 each, at the tokenizer's frame rate.
            prompts: (T,) float32 samples at 16 kHz each, in the target voice; used as a whole.
            num_samples: Length of each output.
            batch_size: Maximum number of utterances decoded at once.

        Returns:
            (num_samples[i],) float32 each, aligned sample by sample with the recording behind the codes;
            silent before a `frame_offset`, and after codes that end early.
        """
        frames = [self.rates.expand(sequence) for sequence in codes]
        outputs: list[np.ndarray] = [np.zeros(0, np.float32)] * len(codes)
        contents = np.array([sequence.shape[1] for sequence in frames])
        heard = np.array([len(prompt) for prompt in prompts]) // self.rates.hop_length
        most = round(BATCH_SECONDS * SAMPLE_RATE / self.rates.hop_length)
        order = np.argsort(-contents, kind="stable")
        for batch in cut(order, contents + heard, batch_size, most):
            wavs = self._decode([frames[i] for i in batch], [prompts[i] for i in batch])
            for index, decoded in zip(batch, wavs, strict=True):
                wav = self.rates.from_first_sample(decoded)
                outputs[index] = np.pad(wav, (0, max(0, num_samples[index] - len(wav))))[: num_samples[index]]
        return outputs

    @torch.inference_mode()
    def _decode(self, codes: list[np.ndarray], prompts: list[np.ndarray]) -> list[np.ndarray]:
        """Decode (K, M) codes at the model's frame rate to (M * hop_length,) samples."""
        lengths = torch.tensor([sequence.shape[1] for sequence in codes])
        padded = pad_sequence([torch.from_numpy(sequence.T) for sequence in codes], batch_first=True)
        prompt = pad_sequence([torch.from_numpy(wav) for wav in prompts], batch_first=True)
        prompt_lengths = torch.tensor([len(wav) for wav in prompts])
        tensors = (padded.transpose(1, 2), lengths, prompt, prompt_lengths)
        wav, _ = self.model(*(tensor.to(self.device) for tensor in tensors))
        samples = (lengths * self.rates.hop_length).tolist()
        return [row[:count].cpu().numpy() for row, count in zip(wav, samples, strict=True)]
