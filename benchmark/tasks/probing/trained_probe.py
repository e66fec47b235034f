"""The probe of one tokenizer as an artifact: trained once, whoever asks."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.frontend import FEATURES_VERSION
from benchmark.storage.identity import describe
from benchmark.tasks.base import RunContext
from benchmark.tasks.probing.base import Split
from benchmark.tokenizers.base import Tokenizer
from benchmark.training.trained_artifact import trained_artifact

VERSION = 1
"""Raise it when the training changes: old probes are then ignored."""

Labels = Mapping[str, Any]
"""Transcript, intent or phones of the frames by utterance id."""


def probe_label(config: ProbeConfig, context: RunContext) -> str:
    """How rows name the probe: a capped training says so."""
    cap = context.trainer.max_steps
    return config.name if cap is None else f"{config.name}, at most {cap} steps"


def trained_probe(
    kind: str,
    train_probe: Callable[..., None],
    tokenizer: Tokenizer,
    train: tuple[Split, Labels],
    dev: tuple[Split, Labels],
    config: ProbeConfig,
    context: RunContext,
    label_key: Mapping[str, Any] | None = None,
) -> Path:
    """Folder of the probe, trained first if no run has yet.

    Args:
        kind: "asr", "intent" or "phones".
        train_probe: That function of `probes.train`.
        tokenizer: Its codebook is loaded.
        train: Tokens and labels to learn from.
        dev: Tokens and labels that pick the best epoch.
        config: Size and schedule.
        context: Store, trainer, seed.
        label_key: What labels depend on that are not in the manifest.
    """
    key = {
        "version": VERSION,
        "task": kind,
        "tokenizer": tokenizer.identity(),
        "train": train[0].manifest.digest,
        "dev": dev[0].manifest.digest,
        "config": describe(config),
        "seed": context.seed,
    } | dict(label_key or {})
    if tokenizer.spec.continuous:
        key["features"] = FEATURES_VERSION
    if context.trainer.max_steps is not None:
        key["max_steps"] = context.trainer.max_steps

    def build(folder: Path) -> None:
        tokens, dev_tokens = train[0].tokens, dev[0].tokens
        spec, trainer, seed = tokenizer.spec, context.trainer, context.seed
        vectors = tokenizer.codebook_vectors() if config.init == "codebook" else None
        train_probe(spec, tokens, train[1], dev_tokens, dev[1], config, trainer, seed, folder, vectors)

    return trained_artifact(context.store, "probes", key, build)
