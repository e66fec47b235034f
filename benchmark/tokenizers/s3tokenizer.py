"""S3 tokenizers of CosyVoice 1 to 3 (Du et al. 2024, arXiv 2407.05407, 2412.10117), run by s3tokenizer."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from benchmark.errors import UserError, unknown
from benchmark.storage.weights import load_into
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

MEL_HOP = 160
SHORTEST = 2 * MEL_HOP
"""Samples of the shortest clip that a spectrogram can be made of."""
WINDOW, OVERLAP = 3000, 400
"""Mel frames: 30 s, the encoder's limit, and 4 s, the overlap of the windows of longer speech."""
HEAD = 64
"""Width of one attention head in all versions."""
CODEBOOK = "quantizer._codebook.embed"


class Version(NamedTuple):
    """Facts of a published version."""

    name: str
    """Name in the package."""
    file: str
    frame_rate: int
    codebook_size: int


VERSIONS = {
    "v1_50hz": Version("speech_tokenizer_v1", "speech_tokenizer_v1.onnx", 50, 4096),
    "v1_25hz": Version("speech_tokenizer_v1_25hz", "speech_tokenizer_v1.onnx", 25, 4096),
    "v2": Version("speech_tokenizer_v2_25hz", "speech_tokenizer_v2.onnx", 25, 3**8),
    "v3": Version("speech_tokenizer_v3_25hz", "speech_tokenizer_v3.onnx", 25, 3**8),
}


@dataclass(kw_only=True)
class S3Tokenizer(Pretrained):
    """One codebook inside a speech recognizer's encoder, at 25 or 50 Hz; v2 and v3 are scalar quantizers.

    The weights are the published ONNX files. The only decoder is CosyVoice's flow model, which is not
    included. Speech over 30 s is encoded in windows of 30 s that overlap by 4 s and are joined in the
    middle of the overlap.

    Attributes:
        model: Key of `VERSIONS`.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.s3tokenizer.S3Tokenizer"

    library: ClassVar[str | None] = "s3tokenizer"
    extra: ClassVar[str | None] = "zoo"

    model: Literal["v1_50hz", "v1_25hz", "v2", "v3"]

    def __post_init__(self) -> None:
        if self.model not in VERSIONS:
            raise unknown(f"model of {self.name}", self.model, VERSIONS)

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Every layer masks padding, so batches may be of unequal lengths."""
        version = VERSIONS[self.model]
        return self.make_spec(
            kind="semantic-supervised",
            sample_rate=SAMPLE_RATE,
            frame_rate=version.frame_rate,
            codebook_sizes=(version.codebook_size,),
            causal=False,
            can_decode=False,
            supports_padding=True,
        )

    @cached_property
    def _model(self) -> Any:
        version = VERSIONS[self.model]
        weights = self.file(version.file)
        try:
            state, strides = _read(weights, self.model)
            width, mels, _ = state["encoder.conv1.weight"].shape
        except Exception as error:  # the ONNX parser and the package raise a dozen kinds
            raise UserError(f"{self.name}: {weights} is no S3 tokenizer {self.model}: {error!r}") from error
        # The 25 and 50 Hz models share a file name and all shapes; only the strides tell them apart.
        self.check(frame_rate=(SAMPLE_RATE / MEL_HOP / strides, version.frame_rate))
        blocks = {name.split(".")[2] for name in state if name.startswith("encoder.blocks.")}
        model = _network(self.model)(
            n_mels=mels,
            n_audio_state=width,
            n_audio_head=width // HEAD,
            n_audio_layer=len(blocks),
            n_codebook_size=len(state[CODEBOOK]) if CODEBOOK in state else version.codebook_size,
        )
        self.check(codebook_size=(model.quantizer.codebook_size, version.codebook_size))
        if self.model == "v3":  # its export omits weights of norms that are one or zero
            norms = {name: value for name, value in model.state_dict().items() if "_ln." in name}
            state = {**norms, **state}
        load_into(model, state, weights)
        return model.to(self.device)

    def codebook_vectors(self) -> torch.Tensor | None:
        """Return the codebook of version 1, (1, 4096, D); None for the scalar quantizers."""
        codebook = self._model.state_dict().get(CODEBOOK)
        return None if codebook is None else codebook[None].cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        from s3tokenizer import log_mel_spectrogram, merge_tokenized_segments, padding

        model, rate = self._model, VERSIONS[self.model].frame_rate
        parts: list[torch.Tensor] = []
        counts = []
        for row, samples in zip(wav, lengths.tolist(), strict=True):  # scaled by its own loudest frame
            mel = log_mel_spectrogram(row[: max(samples, SHORTEST)], n_mels=model.config.n_mels)
            starts = range(0, max(1, mel.shape[1] - OVERLAP), WINDOW - OVERLAP)
            parts += [mel[:, start : start + WINDOW] for start in starts]
            counts.append(len(starts))
        mels, mel_lengths = padding(parts)
        codes, code_lengths = model.quantize(mels, mel_lengths.to(mels.device))
        tokens = [part[:n].tolist() for part, n in zip(codes, code_lengths.tolist(), strict=True)]
        rows = []
        for count in counts:
            joined = merge_tokenized_segments(tokens[:count], OVERLAP * MEL_HOP // SAMPLE_RATE, rate)
            rows.append(torch.tensor(joined))
            tokens = tokens[count:]
        return pad_sequence(rows, batch_first=True)[:, None], torch.tensor([len(row) for row in rows])


def _read(file: Path, model: str) -> tuple[Mapping[str, torch.Tensor], int]:
    """Read the weights under the package's names, and the product of all convolutions' strides."""
    import onnx
    from s3tokenizer import onnx2torch, onnx2torch_v3

    state = (onnx2torch_v3 if model == "v3" else onnx2torch)(str(file))
    nodes = [node for node in onnx.load(str(file)).graph.node if node.op_type == "Conv"]
    strides = [a.ints for node in nodes for a in node.attribute if a.name == "strides"]
    return state, prod(prod(ints) for ints in strides)


def _network(model: str) -> Any:
    """Return a function that builds the package's network from its sizes.

    Each call makes a new configuration, because the package modifies the one it is given.
    """
    from s3tokenizer.model import ModelConfig, S3Tokenizer
    from s3tokenizer.model_v2 import ModelConfig as ModelConfigV2
    from s3tokenizer.model_v2 import S3TokenizerV2
    from s3tokenizer.model_v3 import ModelConfigV3, S3TokenizerV3

    kinds = {"v2": (S3TokenizerV2, ModelConfigV2), "v3": (S3TokenizerV3, ModelConfigV3)}
    kind, config = kinds.get(model, (S3Tokenizer, ModelConfig))
    return lambda **sizes: kind(VERSIONS[model].name, config(**sizes))
