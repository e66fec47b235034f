"""The speech tokenizer of GLM-4-Voice (Zeng et al. 2024, arXiv 2412.02612), with the network written here."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import torch

from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.kmeans import quantize
from benchmark.tokenizers.networks.glm4_voice import BlockCausalEncoder
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

if TYPE_CHECKING:
    from transformers import WhisperFeatureExtractor

FRAME = 320
"""Samples per frame that attention works on."""
HOP = 4 * FRAME
SEGMENT = 30 * SAMPLE_RATE
"""Samples. Longer speech is cut into segments of 30 s, each encoded on its own."""
CODEBOOK_SIZE = 16_384
WEIGHTS = "model.safetensors"
UNUSED = ("ema_count", "ema_weight", "embed_positions2.weight")
"""Tensors for training and for the layers after the quantizer, ignored when loading."""


@dataclass(kw_only=True)
class Glm4Voice(Pretrained):
    """One code of 14 bits every 80 ms, from a Whisper encoder fine-tuned for recognition.

    GLM-4-Voice decodes with a separate system of a diffusion model and a vocoder. Here the benchmark's
    vocoder decodes.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.glm4_voice.Glm4Voice"

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Not causal, because attention looks ahead within blocks of 4 s.

        Utterances are encoded one by one, so batches may be of unequal lengths.
        """
        return self.make_spec(
            kind="semantic-supervised",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(CODEBOOK_SIZE,),
            causal=False,
            can_decode=False,
            supports_padding=True,
        )

    @cached_property
    def _extractor(self) -> "WhisperFeatureExtractor":
        from transformers import WhisperFeatureExtractor

        return WhisperFeatureExtractor.from_pretrained(self.folder, local_files_only=True)

    @cached_property
    def _encoder(self) -> BlockCausalEncoder:
        config = json.loads(self.file("config.json").read_text())
        self.check(
            quantize_vocab_size=(config.get("quantize_vocab_size"), CODEBOOK_SIZE),
            pooling=((config.get("pooling_type"), config.get("pooling_kernel_size")), ("avg", HOP // FRAME)),
            pooling_position=(config.get("pooling_position"), config.get("quantize_position")),
            max_source_positions=(config.get("max_source_positions"), SEGMENT // FRAME),
            encoder_causal_convolution=(config.get("encoder_causal_convolution"), True),
            encoder_causal_attention=(config.get("encoder_causal_attention"), False),
            quantize_causal_encoder=(config.get("quantize_causal_encoder"), False),
        )
        encoder = BlockCausalEncoder(config)
        path = self.file(WEIGHTS)
        state = {name: tensor for name, tensor in load_tensors(path).items() if name not in UNUSED}
        load_into(encoder, state, path)
        return encoder.to(self.device)

    def codebook_vectors(self) -> torch.Tensor:
        """Return the codebook, (1, 16384, D) float32."""
        return self._encoder.codebook.weight[None].cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = zip(wav, lengths.tolist(), strict=True)
        codes = [self._utterance(row[:samples]) for row, samples in rows]
        padded = torch.nn.utils.rnn.pad_sequence(codes, batch_first=True)
        return padded[:, None], (lengths + HOP - 1) // HOP

    def _utterance(self, wav: torch.Tensor) -> torch.Tensor:
        """Encode samples (T,) to codes (T',).

        As upstream does, the last of several segments is padded to the length of the others before its
        spectrogram is computed. The end of its spectrogram then sees silence; that of a lone segment sees
        the mirrored signal.
        """
        segments = wav.split(SEGMENT)
        mel = self._extractor(
            [segment.cpu().numpy() for segment in segments],
            sampling_rate=SAMPLE_RATE,
            padding="longest",
            pad_to_multiple_of=HOP,
            return_tensors="pt",
        ).input_features
        samples = torch.tensor([len(segment) for segment in segments], device=self.device)
        vectors = self._encoder(mel.to(self.device), (samples + FRAME - 1) // FRAME)
        frames = ((samples + HOP - 1) // HOP).tolist()
        kept = torch.cat([row[:count] for row, count in zip(vectors, frames, strict=True)])
        return quantize(kept, self._encoder.codebook.weight[None])[:, 0]
