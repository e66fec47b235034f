"""Numbers of parameters of the networks that a sweep trains, counted without allocating the networks."""

from dataclasses import dataclass

import torch
from torch import nn

from benchmark.models.probes.config import ProbeConfig
from benchmark.models.vocoder.config import PromptConfig, VocoderConfig
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.frontend import Frontend, TokenVectors
from benchmark.models.vocoder.mel import N_MELS
from benchmark.models.vocoder.prenet import build_prenet
from benchmark.storage.hashing import digest
from benchmark.storage.identity import describe
from benchmark.tasks.costs import ProbeHead
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import TokenizerSpec

PROMPT_WIDTH = {"mel": N_MELS, "wavlm": 1024, "whisper": 1280}
"""Number of features per prompt frame, that of the large models."""


@dataclass(frozen=True)
class Size:
    """Numbers of parameters of a network, and of networks trained beside it and discarded afterwards."""

    kept: int
    beside: int = 0
    per_frame: int = 0
    """Number of the parameters in `kept` that take part in the computation of every frame."""


_known: dict[str, Size] = {}


def vocoder_size(config: VocoderConfig, source: Tokenizer) -> Size:
    """Return the size of a vocoder for the codes of `source`, and of its discriminators.

    Raises: UserError if the vocoder cannot use such codes.
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
                config.generator.build(config.frontend.dim, width, hop_length),
            ]
            beside = [config.discriminators.build()] if config.discriminators else []
        kept = sum(map(_parameters, parts)) - (0 if learned else tokens.vectors.numel())
        _known[key] = Size(kept, sum(map(_parameters, beside)))
    return _known[key]


def probe_size(config: ProbeConfig, head: ProbeHead, spec: TokenizerSpec) -> Size:
    """Return the size of a probe with this head."""
    key = digest([describe(config), head.kind, spec.codebook_sizes, spec.continuous, spec.frame_rate])
    if key not in _known:
        with torch.device("meta"):
            probe = head.network(spec, config)
        kept = _parameters(probe)
        tables = sum(_parameters(part) for part in probe.modules() if isinstance(part, nn.Embedding))
        _known[key] = Size(kept, per_frame=kept - tables)
    return _known[key]


def prompt_width(config: PromptConfig) -> int:
    """Return the largest number of features that a prompt frame can have."""
    return PROMPT_WIDTH[config.features]


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
