"""How many parameters the networks have that a sweep trains, counted without making them."""

from dataclasses import dataclass

import torch
from torch import nn

from benchmark.models.probes.config import ProbeConfig
from benchmark.models.vocoder.config import PromptConfig, VocoderConfig
from benchmark.models.vocoder.discriminators import build_discriminators
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.frontend import Frontend, TokenVectors
from benchmark.models.vocoder.generator import build_generator
from benchmark.models.vocoder.mel import N_MELS
from benchmark.models.vocoder.prenet import build_prenet
from benchmark.storage.hashing import digest
from benchmark.storage.identity import describe
from benchmark.tasks.costs import ProbeHead
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import TokenizerSpec

PROMPT_WIDTH = {"mel": N_MELS, "wavlm": 1024, "whisper": 1280}
"""Features of a prompt frame: those of the large models."""


@dataclass(frozen=True)
class Size:
    """Parameters of a network, and of what is trained beside it and thrown away."""

    kept: int
    beside: int = 0
    per_frame: int = 0
    """Those of `kept` that every frame is multiplied by."""


_known: dict[str, Size] = {}


def vocoder_size(config: VocoderConfig, source: Tokenizer) -> Size:
    """Of a vocoder for the codes of `source`, and its discriminators.

    Raises: UserError where it takes no such codes.
    """
    spec = source.spec
    hop_length = FrameRates.of(spec).hop_length
    learned = type(source).codebook_vectors is Tokenizer.codebook_vectors
    key = digest([describe(config), spec.codebook_sizes, hop_length, learned])
    if key not in _known:
        width = PROMPT_WIDTH[config.prompt.features]
        with torch.device("meta"):
            tokens = TokenVectors(spec.codebook_sizes, config.frontend.table_dim, None)
            parts = [
                Frontend(config.frontend, tokens, config.auxiliary),
                build_prenet(config.prompt, width, config.frontend.dim),
                build_generator(config.generator, config.frontend.dim, width, hop_length),
            ]
            beside = [build_discriminators(config.discriminators)] if config.discriminators else []
        kept = sum(map(_parameters, parts)) - (0 if learned else tokens.vectors.numel())
        _known[key] = Size(kept, sum(map(_parameters, beside)))
    return _known[key]


def probe_size(config: ProbeConfig, head: ProbeHead, spec: TokenizerSpec) -> Size:
    """Of a probe with this head."""
    key = digest([describe(config), head.kind, spec.codebook_sizes, spec.continuous, spec.frame_rate])
    if key not in _known:
        with torch.device("meta"):
            probe = head.network(spec, config)
        kept = _parameters(probe)
        tables = sum(_parameters(part) for part in probe.modules() if isinstance(part, nn.Embedding))
        _known[key] = Size(kept, per_frame=kept - tables)
    return _known[key]


def prompt_width(config: PromptConfig) -> int:
    """Features of a prompt frame, at most."""
    return PROMPT_WIDTH[config.features]


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
