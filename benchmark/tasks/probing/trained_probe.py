"""The probe of one tokenizer as an artifact of the store, trained once for all tasks that need it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.frontend import FEATURES_VERSION
from benchmark.storage.identity import describe
from benchmark.tasks.base import RunContext
from benchmark.tasks.probing.base import Split
from benchmark.tokenizers.base import Tokenizer
from benchmark.training.config import DEFAULT_PRECISION
from benchmark.training.trained_artifact import trained_artifact

if TYPE_CHECKING:
    from benchmark.models.probes.targets import Target

VERSION = 2
"""Version of the training code; a higher number makes the store ignore older probes."""

Labels = Mapping[str, Any]
"""Transcript, intent, scenario, or phones of all frames, by utterance id."""


def probe_label(config: ProbeConfig, context: RunContext) -> str:
    """Return the name of the probe in rows, which mentions a cap on training steps."""
    cap = context.trainer.max_steps
    return config.name if cap is None else f"{config.name}, at most {cap} steps"


def trained_probe(
    target: "type[Target]",
    tokenizer: Tokenizer,
    train: tuple[Split, Labels],
    dev: tuple[Split, Labels],
    config: ProbeConfig,
    context: RunContext,
    label_key: Mapping[str, Any] | None = None,
) -> Path:
    """Return the folder of the probe; train the probe if the store has none.

    Args:
        target: What the probe learns to answer with.
        tokenizer: The tokenizer, with a fitted codebook if the tokenizer needs one.
        train: Tokens and labels of the training split.
        dev: Tokens and labels of the dev split, which select the best epoch.
        config: Size and training schedule of the probe.
        context: Store, trainer and seed of the run.
        label_key: Everything that the labels depend on besides the manifest, JSON-able.
    """
    key = {
        "version": VERSION,
        "task": target.kind,
        "tokenizer": tokenizer.identity(),
        "train": train[0].manifest.digest,
        "dev": dev[0].manifest.digest,
        "config": describe(config),
        "seed": context.seed,
    }
    key |= context.trainer_key | dict(label_key or {})
    if tokenizer.spec.continuous:
        key["features"] = FEATURES_VERSION
    if context.trainer.precision != DEFAULT_PRECISION:
        key["precision"] = context.trainer.precision
    if context.trainer.max_steps is not None:
        key["max_steps"] = context.trainer.max_steps

    def build(folder: Path) -> None:
        # Imports Lightning, which is slow, and which a plan does without.
        from benchmark.models.probes.train import train_probe
        from benchmark.models.probes.training import Examples, ProbeTraining

        training = ProbeTraining(
            spec=tokenizer.spec,
            train=Examples(train[0].tokens, train[1]),
            dev=Examples(dev[0].tokens, dev[1]),
            config=config,
            trainer=context.trainer,
            seed=context.seed,
            folder=folder,
            vectors=tokenizer.codebook_vectors() if config.init == "codebook" else None,
        )
        train_probe(target, training)

    return trained_artifact(context.store, "probes", key, build)
