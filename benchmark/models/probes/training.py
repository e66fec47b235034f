"""Everything that one training of a probe is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmark.models.probes.config import ProbeConfig
from benchmark.storage.token_store import TokenStore
from benchmark.training.config import TrainerConfig
from benchmark.types import TokenizerSpec


class Examples(NamedTuple):
    """Codes of a split, with the right answers."""

    tokens: TokenStore
    answers: Mapping[str, Any]
    """Transcript, class, or phones of all frames, by utterance id; may lack ids or hold empty answers."""


@dataclass(frozen=True, kw_only=True)
class ProbeTraining:
    """Data, config and destination of one training.

    Attributes:
        spec: Tokenizer behind the codes.
        train: The training split.
        dev: The dev split, which selects the learning rate and the epoch, and yields the verdict.
        config: Size and schedule of the probe.
        trainer: Device and precision.
        seed: Fixes initialisation, batches, substitutions and dropout.
        folder: Destination of all files; a killed training resumes from those that are there.
        vectors: Codebook vectors (K, V, D) of the tokenizer, for `init: codebook`.
    """

    spec: TokenizerSpec
    train: Examples
    dev: Examples
    config: ProbeConfig
    trainer: TrainerConfig
    seed: int
    folder: Path
    vectors: torch.Tensor | None = None
