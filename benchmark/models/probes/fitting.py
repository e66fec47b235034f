"""Fitting of a probe: pilot trainings that pick the learning rate, the training itself, and its report."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from safetensors.torch import save

from benchmark.errors import UserError
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.data import Batch, Labelled, dev_loader, steps_of_a_pass, train_loader
from benchmark.models.probes.frontend import FeatureFrontend, TokenFrontend
from benchmark.models.probes.loss_floor import LossFloor
from benchmark.models.probes.module import Probe
from benchmark.models.probes.predict import WEIGHTS
from benchmark.models.probes.training import ProbeTraining
from benchmark.storage.atomic_files import write_atomic
from benchmark.training.callbacks import read_history
from benchmark.training.convergence import codebook_use
from benchmark.training.report import save_report
from benchmark.training.trained_artifact import reported
from benchmark.training.trainer import fit
from benchmark.types import TokenizerSpec

log = logging.getLogger(__name__)

PILOTS = "pilots"
"""Subfolder of a probe's folder that holds its pilot trainings."""
STANDARDISED_ON = 1000
"""Approximate number of training utterances, evenly spaced, used to standardise continuous features."""
UNTRAINED_BATCHES = 4
"""Dev batches over which the loss before training is measured."""


def fit_probe(
    make_probe: Callable[[ProbeConfig, int | None], Probe],
    training: ProbeTraining,
    train: Labelled,
    dev: Labelled,
) -> tuple[Probe, dict[str, Any]]:
    """Train a probe, write its weights, and return the probe with the part of the report common to all.

    Each pilot is a training of its own in a folder of its own, so that a killed run resumes the one it was
    at. Of several learning rates, the one whose pilot reached the best dev score wins; ties go to the lower
    dev loss.

    Args:
        make_probe: Builds a probe from a config and a table width; its weights depend on the seed alone.
        training: Config, which may hold several learning rates, and destination.
        train: Training utterances.
        dev: Utterances that pick the learning rate and the epoch.

    Raises:
        UserError: `init: codebook` without codebook vectors.
    """
    spec, config, folder = training.spec, training.config, training.folder
    vectors = training.vectors if config.init == "codebook" else None
    if config.init == "codebook" and vectors is None and not spec.continuous:
        raise UserError(
            f"probe {config.name!r} starts from codebook vectors (init=codebook), which tokenizer "
            f"{spec.name!r} does not give; use init=random"
        )
    started = time.perf_counter()

    def ready(run_config: ProbeConfig) -> Probe:
        probe = make_probe(run_config, None if vectors is None else vectors.shape[2])
        if vectors is not None and isinstance(probe.frontend, TokenFrontend):
            probe.frontend.start_from(vectors)
        if isinstance(probe.frontend, FeatureFrontend):
            apart = max(1, len(train.labels) // STANDARDISED_ON)
            probe.frontend.standardise(train.tokens[key] for key in islice(train.labels, 0, None, apart))
        return probe

    def pilot(rate: float) -> dict[str, Any]:
        own = replace(
            training, folder=folder / PILOTS / f"{rate:g}", trainer=replace(training.trainer, loggers={})
        )

        def train_pilot() -> None:
            probe = ready(replace(config, learning_rate=rate, epochs=config.pilot_epochs, patience=None))
            _fit(probe, train, dev, own)
            save_report(own.folder, _pilot_report(probe, rate, read_history(own.folder)))

        return reported(own.folder, train_pilot)

    pilots = [pilot(rate) for rate in config.learning_rates] if len(config.learning_rates) > 1 else []
    best = min(pilots, key=lambda record: (record["score"], record["dev_loss"]), default=None)
    rate = best["learning_rate"] if best else config.learning_rates[0]
    if best:
        log.info("learning rate %g of %s, picked on dev", rate, config.learning_rates)
    if edge := _edge(rate, config.learning_rates):
        log.warning("probe %s on %s: %s", config.name, spec.name, edge)
    probe = ready(replace(config, learning_rate=rate))
    untrained = untrained_loss(probe, train, spec, training.trainer.torch_device)
    steps = _fit(probe, train, dev, training)
    losses = probe.constant_losses(train)
    floor = LossFloor(untrained, 0.0) if losses is None else LossFloor.of(losses, steps * config.batch_size)
    write_atomic(folder / WEIGHTS, save(probe.state_dict()))
    history = read_history(folder)
    scores = [row[probe.monitor] for row in history if probe.monitor in row]
    return probe, {
        "parameters": sum(parameter.numel() for parameter in probe.parameters() if parameter.requires_grad),
        "utterances": {"train": len(train.labels), "dev": len(dev.labels)},
        "skipped": {"train": train.skipped, "dev": dev.skipped},
        "max_steps": training.trainer.max_steps,
        "upsampling": probe.frontend.upsampling,
        "learning_rate": {"picked": rate, "pilots": pilots, "at_edge": edge},
        "best_epoch": min(range(len(scores)), key=scores.__getitem__, default=None),
        "untrained_loss": untrained,
        "loss_floor": {"loss": floor.loss, "margin": floor.margin},
        "grad_norm": {"first": history[0]["grad_norm"], "last": history[-1]["grad_norm"]},
        "curve": [row[probe.curve] for row in history if probe.curve in row],
        "curves": {
            name: [row.get(name) for row in history] for name in ("train_loss", "dev_loss", "grad_norm")
        },
        "codebook": codebook_use(train.tokens, list(train.labels), spec),
        "seconds": time.perf_counter() - started,
    }


def _edge(rate: float, rates: Sequence[float]) -> str:
    """Return a sentence if a picked rate has no neighbour on one side, where a better one may lie."""
    if len(rates) < 2 or min(rates) < rate < max(rates):
        return ""
    side = "largest" if rate == max(rates) else "smallest"
    return f"the learning rate {rate:g}, picked on dev, is the {side} of {', '.join(f'{r:g}' for r in rates)}"


def _pilot_report(probe: Probe, rate: float, history: list[dict[str, float]]) -> dict[str, Any]:
    """Return the report of a pilot; one that diverged scores infinity and can win only if all diverged."""
    whole = all(math.isfinite(value) for row in history for value in row.values())
    return {
        "learning_rate": rate,
        "score": min(row[probe.monitor] for row in history) if whole else math.inf,
        "dev_loss": min(row["dev_loss"] for row in history) if whole else math.inf,
        "curve": [row.get(probe.curve) for row in history],
    }


def _fit(probe: Probe, train: Labelled, dev: Labelled, training: ProbeTraining) -> int:
    """Train a probe by its own config; return the number of steps of an epoch."""
    config, spec, seed, trainer = probe.config, training.spec, training.seed, training.trainer
    per_epoch = config.steps_per_epoch or steps_of_a_pass(train, spec, config, seed)
    steps, epochs = trainer.schedule(per_epoch, config.epochs)
    fit(
        probe,
        train_loader(train, spec, config, steps, seed, trainer.num_workers),
        dev_loader(dev, spec, config),
        training.folder,
        epochs=epochs,
        seed=seed,
        config=trainer,
        monitor=probe.monitor,
        patience=config.patience,
    )
    return steps


@torch.no_grad()
def untrained_loss(probe: Probe, train: Labelled, spec: TokenizerSpec, device: str) -> float:
    """Return the initial weights' loss on the longest training utterances; training must undercut it."""
    probe.to(device).eval()
    batches = islice(dev_loader(train, spec, probe.config), UNTRAINED_BATCHES)
    losses = [float(probe.loss(Batch(*(part.to(device) for part in batch)))) for batch in batches]
    probe.cpu().train()
    return sum(losses) / len(losses)
