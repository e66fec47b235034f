"""vq-wav2vec (Baevski et al. 2020, arXiv 1910.05453): discrete wav2vec features, with own network code."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import nn

from benchmark.errors import UserError, unknown
from benchmark.storage.weights import load_into, load_tensors
from benchmark.tokenizers.base import true_length
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP, RECEPTIVE_FIELD = 160, 465
LAYERS = ((10, 5), (8, 4), (4, 2), (4, 2), (4, 2), (1, 1), (1, 1), (1, 1))
"""Kernel and stride of each convolution (section 5.2 of the paper)."""
GROUPS, ENTRIES = 2, 320
ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}
ENCODER = "feature_extractor.conv_layers"

Quantizer = Literal["kmeans", "gumbel"]
FILES = {"kmeans": "vq-wav2vec_kmeans.pt", "gumbel": "vq-wav2vec.pt"}


@dataclass(kw_only=True)
class VqWav2Vec(Pretrained):
    """Two codes of 320 entries at 100 Hz, from a convolutional encoder alone.

    The encoder does not pad, so T samples give ⌊(T - 465) / 160⌋ + 1 frames, two or three fewer than T / 160.
    Frame i of the encoder is centred on hop i + 1. The first code is therefore repeated once, and the last
    as often as frames are missing.

    Attributes:
        quantizer: Rule by which the model chooses entries: "kmeans" takes the nearest, "gumbel" the most
            likely.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.vq_wav2vec.VqWav2Vec"

    quantizer: Quantizer = "kmeans"

    def __post_init__(self) -> None:
        if self.quantizer not in get_args(Quantizer):
            raise unknown(f"quantizer of {self.name}", self.quantizer, get_args(Quantizer))

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Group norms span the whole utterance, so batches must be of equal length."""
        return self.make_spec(
            kind="semantic-ssl",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            frame_offset=(RECEPTIVE_FIELD - HOP) // 2 - HOP,  # the first code is repeated
            codebook_sizes=(ENTRIES,) * GROUPS,
            causal=False,
            can_decode=False,
            supports_padding=False,
        )

    @cached_property
    def _model(self) -> "Model":
        path = self.file(FILES[self.quantizer])
        content = load_tensors(path)
        if not {"model_cfg", "model_weight"} <= content.keys():
            raise UserError(
                f"{self.name}: {path} has no model_cfg and model_weight; give a checkpoint that s3prl "
                "converted from fairseq's"
            )
        facts, state = content["model_cfg"], content["model_weight"]
        kernels = [state[f"{ENCODER}.{layer}.0.weight"].shape[-1] for layer in range(len(LAYERS))]
        self.check(
            quantizer=(facts["vq_type"], self.quantizer),
            groups=(facts["vq_groups"], GROUPS),
            entries=(facts["vq_vars"], ENTRIES),
            kernels=(tuple(kernels), tuple(kernel for kernel, _ in LAYERS)),
            skip_connections=(facts["skip_connections_feat"], False),
        )
        parts = ("feature_extractor.", "vector_quantizer.")  # the rest serves the training task only
        state = {name: tensor for name, tensor in state.items() if name.startswith(parts)}
        model = Model(facts, {name: tensor.shape for name, tensor in state.items()})
        load_into(model, state, path)
        return model.to(self.device)

    def codebook_vectors(self) -> torch.Tensor:
        """Return the vectors of both groups, (2, 320, D); the same ones twice where the groups share them."""
        return self._model.vector_quantizer.vectors().cpu()

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes = self._model(true_length(wav, lengths, at_least=RECEPTIVE_FIELD))
        frames = (lengths + HOP - 1) // HOP
        missing = max(0, int(frames[0]) - 1 - codes.shape[-1])
        codes = torch.cat([codes[..., :1], codes, codes[..., -1:].expand(-1, -1, missing)], -1)
        return codes[..., : int(frames[0])], frames


class Model(nn.Module):
    """The part of the published model that makes codes, with the published parameter names.

    Args:
        facts: The checkpoint's `model_cfg`.
        shapes: Shape of every parameter, from which widths and the sharing of vectors are read.
    """

    def __init__(self, facts: dict[str, Any], shapes: dict[str, torch.Size]) -> None:
        super().__init__()
        activation = ACTIVATIONS[facts["activation"]]
        widths = [1] + [shapes[f"{ENCODER}.{layer}.0.weight"][0] for layer in range(len(LAYERS))]
        self.feature_extractor = nn.ModuleDict(
            {
                "conv_layers": nn.Sequential(
                    *(
                        nn.Sequential(
                            nn.Conv1d(narrow, wide, kernel, stride, bias=False),
                            nn.Identity(),  # dropout in training
                            nn.GroupNorm(1, wide),
                            activation(),
                        )
                        for narrow, wide, (kernel, stride) in zip(widths, widths[1:], LAYERS, strict=False)
                    )
                )
            }
        )
        self.compress = facts["log_compression"]
        inner = {name.removeprefix("vector_quantizer."): shape for name, shape in shapes.items()}
        kind = NearestEntry if facts["vq_type"] == "kmeans" else LikeliestEntry
        self.vector_quantizer = kind(inner, activation)

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        """Encode (B, T) at 16 kHz to codes (B, 2, T')."""
        features = self.feature_extractor["conv_layers"](wav[:, None])
        if self.compress:
            features = (features.abs() + 1).log()
        return self.vector_quantizer(features)


class NearestEntry(nn.Module):
    """Quantizer that takes per group the entry nearest to a projection of the features."""

    def __init__(self, shapes: dict[str, torch.Size], activation: type[nn.Module]) -> None:  # noqa: ARG002
        super().__init__()
        width = shapes["projection.0.weight"][0]
        self.embedding = nn.Parameter(torch.empty(shapes["embedding"]))
        self.projection = nn.Sequential(
            nn.Conv1d(width, width, 1, groups=GROUPS, bias=False), nn.GroupNorm(GROUPS, width)
        )

    def vectors(self) -> torch.Tensor:
        """Return the entries of both groups, (2, 320, D)."""
        return self.embedding.transpose(0, 1).expand(GROUPS, -1, -1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Quantize features (B, D, T) to codes (B, 2, T)."""
        projected = self.projection(features).unflatten(1, (GROUPS, -1)).transpose(2, 3)
        # A matrix product would round more coarsely and break near-ties differently from the original.
        return torch.cdist(
            projected, self.vectors()[None].contiguous(), compute_mode="donot_use_mm_for_euclid_dist"
        ).argmin(-1)


class LikeliestEntry(nn.Module):
    """Quantizer that takes per group the entry with the highest score."""

    def __init__(self, shapes: dict[str, torch.Size], activation: type[nn.Module]) -> None:
        super().__init__()
        self.vars = nn.Parameter(torch.empty(shapes["vars"]))
        if "weight_proj.weight" in shapes:
            self.weight_proj: nn.Module = _linear(shapes["weight_proj.weight"])
            return
        depth = max(int(name.split(".")[1]) for name in shapes if name.startswith("weight_proj."))
        hidden = [
            nn.Sequential(_linear(shapes[f"weight_proj.{layer}.0.weight"]), activation())
            for layer in range(depth)
        ]
        self.weight_proj = nn.Sequential(*hidden, _linear(shapes[f"weight_proj.{depth}.weight"]))

    def vectors(self) -> torch.Tensor:
        """Return the entries of both groups, (2, 320, D)."""
        return self.vars.unflatten(1, (-1, ENTRIES))[0].expand(GROUPS, -1, -1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Quantize features (B, D, T) to codes (B, 2, T)."""
        scores = self.weight_proj(features.transpose(1, 2)).unflatten(-1, (GROUPS, ENTRIES))
        return scores.argmax(-1).transpose(1, 2)


def _linear(shape: torch.Size) -> nn.Linear:
    return nn.Linear(shape[1], shape[0])
