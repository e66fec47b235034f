"""The probe of one tokenizer as an artifact: trained once, whoever asks."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark.artifacts import describe
from benchmark.probes.config import ProbeConfig
from benchmark.probes.frontend import FEATURES_VERSION
from benchmark.tasks.base import Setting
from benchmark.tasks.probing import Split
from benchmark.tokenizers.base import Tokenizer
from benchmark.trained import trained_artifact

VERSION = 1
"""Raise it when the training changes: old probes are then ignored."""

Labels = Mapping[str, Any]
"""Transcript, intent or phones of the frames by utterance id."""


def probe_label(config: ProbeConfig, setting: Setting) -> str:
    """How rows name the probe: a capped training says so."""
    cap = setting.trainer.max_steps
    return config.name if cap is None else f"{config.name}, at most {cap} steps"


def trained_probe(
    kind: str,
    train_probe: Callable[..., None],
    tokenizer: Tokenizer,
    train: tuple[Split, Labels],
    dev: tuple[Split, Labels],
    config: ProbeConfig,
    setting: Setting,
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
        setting: Store, trainer, seed.
        label_key: What labels depend on that are not in the manifest.
    """
    key = {
        "version": VERSION,
        "task": kind,
        "tokenizer": tokenizer.identity(),
        "train": train[0].manifest.digest,
        "dev": dev[0].manifest.digest,
        "config": describe(config),
        "seed": setting.seed,
    } | dict(label_key or {})
    if tokenizer.spec.continuous:
        key["features"] = FEATURES_VERSION
    if setting.trainer.max_steps is not None:
        key["max_steps"] = setting.trainer.max_steps

    def build(folder: Path) -> None:
        tokens, dev_tokens = train[0].tokens, dev[0].tokens
        spec, trainer, seed = tokenizer.spec, setting.trainer, setting.seed
        vectors = tokenizer.codebook_vectors() if config.init == "codebook" else None
        train_probe(spec, tokens, train[1], dev_tokens, dev[1], config, trainer, seed, folder, vectors)

    return trained_artifact(setting.store, "probes", key, build)
