"""Training a probe on the tokens of one tokenizer, and the verdict whether it learned anything."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmark.artifacts import write_atomic
from benchmark.callbacks import read_history
from benchmark.errors import UserError
from benchmark.probes.classifier import UNSEEN, IntentProbe
from benchmark.probes.config import ProbeConfig
from benchmark.probes.ctc import CTCProbe
from benchmark.probes.data import Labelled, join_labels
from benchmark.probes.diagnosis import diagnose
from benchmark.probes.fitting import fit_probe
from benchmark.probes.predict import LABELS, answers
from benchmark.probes.scores import char_error_rate, constant_transcript, most_frequent, verdict, word_edits
from benchmark.probes.text import ctc_feasible, normalize
from benchmark.probes.units import units_for
from benchmark.tokens.store import TokenStore
from benchmark.training import TrainerConfig, save_report
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
    vectors: torch.Tensor | None = None,
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
        vectors: The tokenizer's codebook vectors (K, V, D), for `init: codebook`.

    Raises:
        UserError: no utterance of a split has both tokens and a transcript; the config wants codebook
            vectors and there are none.
    """
    texts = {key: normalize(text) for key, text in train_texts.items()}
    units = units_for(config, [text for key, text in texts.items() if text and key in train_tokens], folder)
    train, dev = (
        join_labels(tokens, {key: units.encode(normalize(text)) for key, text in texts.items()})
        for tokens, texts in ((train_tokens, train_texts), (dev_tokens, dev_texts))
    )
    _require(train, dev, "a transcript")

    def make_probe(run_config: ProbeConfig, table_dim: int | None) -> CTCProbe:
        with _seeded(seed):
            return CTCProbe(spec, run_config, units, table_dim)

    probe, report = fit_probe(make_probe, config, train, dev, spec, vectors, trainer, seed, folder)
    references = [units.decode(labels) for labels in dev.labels.values()]
    hypotheses = answers(probe, dev_tokens, list(dev.labels), trainer.torch_device).values()
    floor = constant_transcript([units.decode(labels) for labels in train.labels.values()], references)
    words = [len(text.split()) for text in references]
    own = [word_edits(*pair) for pair in zip(references, hypotheses, strict=True)]
    constant = [word_edits(reference, floor) for reference in references]
    factor = config.upsampling(spec.frame_rate)
    infeasible = {
        name: sum(
            not ctc_feasible(labels, frames * factor)
            for labels, frames in zip(split.labels.values(), split.frames, strict=True)
        )
        for name, split in (("train", train), ("dev", dev))
    }
    report |= {
        "units": units.num_labels - 1,
        "infeasible": infeasible,
        "dev": {"wer": sum(own) / sum(words), "cer": char_error_rate(references, list(hypotheses))},
        "floor": {"transcript": floor, "wer": sum(constant) / sum(words)},
    }
    share = infeasible["train"] / len(train.labels)
    _save(report, own, constant, words, folder, share)


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
    vectors: torch.Tensor | None = None,
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

    def make_probe(run_config: ProbeConfig, table_dim: int | None) -> IntentProbe:
        with _seeded(seed):
            return IntentProbe(spec, run_config, len(intents), table_dim)

    probe, report = fit_probe(make_probe, config, train, dev, spec, vectors, trainer, seed, folder)
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


def _save(
    report: dict[str, Any],
    errors: Sequence[int],
    floor_errors: Sequence[int],
    units: Sequence[int],
    folder: Path,
    infeasible: float = 0.0,
) -> None:
    """Add the verdict, and where it is NC the cause."""
    history = read_history(folder)
    status, reason = verdict(history, errors, floor_errors, units)
    diagnosis = ""
    if status == "NC":
        losses = [row["train_loss"] for row in history]
        diagnosis, evidence = diagnose(report["codebook"], infeasible, report["untrained_loss"], losses)
        reason = f"{diagnosis} ({evidence}); {reason}"
    save_report(folder, report | {"status": status, "reason": reason, "diagnosis": diagnosis})
