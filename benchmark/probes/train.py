"""Training a probe on the tokens of one tokenizer, and the verdict whether it learned anything."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from benchmark.artifacts import write_atomic
from benchmark.callbacks import read_history
from benchmark.errors import UserError
from benchmark.probes.classifier import UNSEEN, IntentProbe
from benchmark.probes.config import ProbeConfig
from benchmark.probes.ctc import CTCProbe
from benchmark.probes.data import Labelled, dev_loader, join_labels, train_loader
from benchmark.probes.module import Probe
from benchmark.probes.predict import LABELS, WEIGHTS, answers
from benchmark.probes.scores import char_error_rate, constant_transcript, most_frequent, verdict, word_edits
from benchmark.probes.text import ctc_feasible, decode, encode, normalize
from benchmark.tokens.store import TokenStore
from benchmark.training import TrainerConfig, fit, save_report
from benchmark.types import TokenizerSpec


def train_asr_probe(
    spec: TokenizerSpec,
    train_tokens: TokenStore,
    train_texts: Mapping[str, str],
    dev_tokens: TokenStore,
    dev_texts: Mapping[str, str],
    config: ProbeConfig,
    trainer: TrainerConfig,
    seed: int,
    folder: Path,
) -> None:
    """Train the ASR probe; leaves model.safetensors, history.csv and report.json in `folder`.

    A killed training is continued from what it left in `folder`, with the same result.

    Args:
        spec: Tokenizer behind the tokens.
        train_tokens: Codes of the training split.
        train_texts: Transcript by utterance id.
        dev_tokens: Codes of the dev split, which picks the epoch and gives the verdict.
        dev_texts: Transcript by utterance id.
        config: Size and schedule.
        trainer: Device and precision.
        seed: Fixes initialisation, batches, substitutions and dropout.
        folder: Where everything goes.

    Raises:
        UserError: no utterance of a split has both tokens and a transcript.
    """
    train, dev = (
        join_labels(tokens, {key: encode(normalize(text)) for key, text in texts.items()})
        for tokens, texts in ((train_tokens, train_texts), (dev_tokens, dev_texts))
    )
    _require(train, dev, "a transcript")
    with _seeded(seed):
        probe = CTCProbe(spec, config)
    report = _train(probe, train, dev, spec, trainer, seed, folder)
    references = [decode(labels) for labels in dev.labels.values()]
    hypotheses = answers(probe, dev_tokens, list(dev.labels), trainer.torch_device).values()
    floor = constant_transcript([decode(labels) for labels in train.labels.values()], references)
    words = [len(text.split()) for text in references]
    own = [word_edits(*pair) for pair in zip(references, hypotheses, strict=True)]
    constant = [word_edits(reference, floor) for reference in references]
    factor = config.upsampling(spec.frame_rate)
    report |= {
        "infeasible": {"train": _infeasible(train, factor), "dev": _infeasible(dev, factor)},
        "dev": {"wer": sum(own) / sum(words), "cer": char_error_rate(references, list(hypotheses))},
        "floor": {"transcript": floor, "wer": sum(constant) / sum(words)},
    }
    _save(report, own, constant, words, folder)


def train_intent_probe(
    spec: TokenizerSpec,
    train_tokens: TokenStore,
    train_intents: Mapping[str, str],
    dev_tokens: TokenStore,
    dev_intents: Mapping[str, str],
    config: ProbeConfig,
    trainer: TrainerConfig,
    seed: int,
    folder: Path,
) -> None:
    """Train the intent probe; as `train_asr_probe`, with the list of intents in labels.json.

    Raises:
        UserError: no utterance of a split has both tokens and an intent.
    """
    present = {intent for key, intent in train_intents.items() if intent and key in train_tokens}
    intents = sorted(present)
    numbers = {intent: [number] for number, intent in enumerate(intents, start=1)}
    train, dev = (
        join_labels(tokens, {key: numbers.get(label, [UNSEEN]) for key, label in of.items() if label})
        for tokens, of in ((train_tokens, train_intents), (dev_tokens, dev_intents))
    )
    _require(train, dev, "an intent")
    write_atomic(folder / LABELS, json.dumps(intents))
    with _seeded(seed):
        probe = IntentProbe(spec, config, len(intents))
    report = _train(probe, train, dev, spec, trainer, seed, folder)
    references = [dev_intents[key] for key in dev.labels]
    positions = answers(probe, dev_tokens, list(dev.labels), trainer.torch_device).values()
    floor = most_frequent([train_intents[key] for key in train.labels])
    own = [int(intents[position] != label) for position, label in zip(positions, references, strict=True)]
    constant = [int(floor != label) for label in references]
    report |= {
        "dev": {"error": sum(own) / len(own)},
        "floor": {"intent": floor, "error": sum(constant) / len(constant)},
        "unseen_intents": {"dev": sum(label not in numbers for label in references)},
    }
    _save(report, own, constant, [1] * len(own), folder)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Initial weights from `seed`, the caller's generator untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _require(train: Labelled, dev: Labelled, label: str) -> None:
    for split, labelled in (("training", train), ("dev", dev)):
        if not labelled.labels:
            raise UserError(
                f"no {split} utterance has both tokens and {label} (skipped: {labelled.skipped}); "
                "probe this tokenizer on another dataset"
            )


def _train(
    probe: Probe,
    train: Labelled,
    dev: Labelled,
    spec: TokenizerSpec,
    trainer: TrainerConfig,
    seed: int,
    folder: Path,
) -> dict[str, Any]:
    """Fit, write the weights, and report what is the same for both probes."""
    config, started = probe.config, time.perf_counter()
    one_pass = -(-len(train.labels) // config.batch_size)
    steps, epochs = trainer.schedule(config.steps_per_epoch or one_pass, config.epochs)
    fit(
        probe,
        train_loader(train, spec, replace(config, steps_per_epoch=steps), seed, trainer.num_workers),
        dev_loader(dev, spec, config.batch_size),
        folder,
        epochs=epochs,
        seed=seed,
        config=trainer,
        monitor=probe.monitor,
        patience=config.patience,
    )
    write_atomic(folder / WEIGHTS, save(probe.state_dict()))
    history = read_history(folder)
    return {
        "parameters": sum(parameter.numel() for parameter in probe.parameters()),
        "utterances": {"train": len(train.labels), "dev": len(dev.labels)},
        "skipped": {"train": train.skipped, "dev": dev.skipped},
        "max_steps": trainer.max_steps,
        "upsampling": probe.frontend.upsampling,
        "grad_norm": {"first": history[0]["grad_norm"], "last": history[-1]["grad_norm"]},
        "curve": [row[probe.curve] for row in history],
        "seconds": time.perf_counter() - started,
    }


def _infeasible(labelled: Labelled, upsampling: int) -> int:
    """Utterances with more characters than CTC can emit in their frames."""
    pairs = zip(labelled.labels.values(), labelled.frames, strict=True)
    return sum(not ctc_feasible(labels, frames * upsampling) for labels, frames in pairs)


def _save(
    report: dict[str, Any],
    errors: Sequence[int],
    floor_errors: Sequence[int],
    units: Sequence[int],
    folder: Path,
) -> None:
    status, reason = verdict(read_history(folder), errors, floor_errors, units)
    save_report(folder, report | {"status": status, "reason": reason})
