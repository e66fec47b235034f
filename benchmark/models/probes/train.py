"""Training of ASR, intent and phone probes on the tokens of one tokenizer, with a verdict on convergence."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import torch

from benchmark.models.probes.asr import can_emit, make_asr_probe
from benchmark.models.probes.classifier import UNSEEN, IntentProbe
from benchmark.models.probes.config import AttentionConfig, ProbeConfig
from benchmark.models.probes.convergence import conclude, require_labels, seeded
from benchmark.models.probes.data import Derived, Labelled, join_labels
from benchmark.models.probes.fitting import fit_probe
from benchmark.models.probes.normalize import normalize
from benchmark.models.probes.phones import PhoneProbe
from benchmark.models.probes.predict import LABELS, answers
from benchmark.models.probes.scores import (
    char_error_rate,
    constant_transcript,
    frames_wrong,
    most_frequent,
    word_edits,
)
from benchmark.models.probes.transcribing import TranscribingProbe
from benchmark.models.probes.units import units_for
from benchmark.storage.atomic_files import write_atomic
from benchmark.storage.token_store import TokenStore
from benchmark.training.config import TrainerConfig
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

    The config decides between CTC and attention, see `asr.make_asr_probe`. A killed training is resumed from
    the files in `folder`, with the same result.

    Args:
        spec: Tokenizer behind the tokens.
        train_tokens: Codes of the training split.
        train_texts: Transcript by utterance id.
        dev_tokens: Codes of the dev split, which selects the epoch and yields the verdict.
        dev_texts: Transcript by utterance id.
        config: Size and schedule.
        trainer: Device and precision.
        seed: Fixes initialisation, batches, substitutions and dropout.
        folder: Destination of all files.
        vectors: Codebook vectors (K, V, D) of the tokenizer, for `init: codebook`.

    Raises:
        UserError: no utterance of a split has both tokens and a transcript, or the config needs codebook
            vectors and there are none.
    """
    heard = (normalize(text) for key, text in train_texts.items() if key in train_tokens)
    units = units_for(config, filter(None, heard), folder)

    def labelled(tokens: TokenStore, texts: Mapping[str, str]) -> Labelled:
        return join_labels(tokens, Derived(texts, lambda key: units.encode(normalize(texts[key]))))

    train, dev = labelled(train_tokens, train_texts), labelled(dev_tokens, dev_texts)
    require_labels(train, dev, "a transcript")

    def make_probe(run_config: ProbeConfig, table_dim: int | None) -> TranscribingProbe:
        with seeded(seed):
            return make_asr_probe(spec, run_config, units, table_dim)

    probe, report = fit_probe(make_probe, config, train, dev, spec, vectors, trainer, seed, folder)
    references = [units.decode(labels) for labels in dev.labels.values()]
    hypotheses = answers(probe, dev_tokens, list(dev.labels), trainer.torch_device).values()
    floor = constant_transcript(map(units.decode, train.labels.values()), references)
    words = [len(text.split()) for text in references]
    own = [word_edits(*pair) for pair in zip(references, hypotheses, strict=True)]
    constant = [word_edits(reference, floor) for reference in references]
    infeasible = {
        name: sum(
            not can_emit(labels, frames, spec, config)
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
    # The limit of an attention decoder restricts its answers, but not its training.
    share = 0.0 if isinstance(config, AttentionConfig) else infeasible["train"] / len(train.labels)
    conclude(report, own, constant, words, folder, share)


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
    """Train the intent probe. The arguments are those of `train_asr_probe`; labels.json lists the intents.

    Raises:
        UserError: no utterance of a split has both tokens and an intent.
    """
    present = {intent for key, intent in train_intents.items() if intent and key in train_tokens}
    intents = sorted(present)
    numbers = {intent: [number] for number, intent in enumerate(intents, start=1)}

    def labelled(tokens: TokenStore, of: Mapping[str, str]) -> Labelled:
        return join_labels(tokens, Derived(filter(of.get, of), lambda key: numbers.get(of[key], [UNSEEN])))

    train, dev = labelled(train_tokens, train_intents), labelled(dev_tokens, dev_intents)
    require_labels(train, dev, "an intent")
    write_atomic(folder / LABELS, json.dumps(intents))

    def make_probe(run_config: ProbeConfig, table_dim: int | None) -> IntentProbe:
        with seeded(seed):
            return IntentProbe(spec, run_config, len(intents), table_dim)

    probe, report = fit_probe(make_probe, config, train, dev, spec, vectors, trainer, seed, folder)
    references = [dev_intents[key] for key in dev.labels]
    positions = answers(probe, dev_tokens, list(dev.labels), trainer.torch_device).values()
    floor = most_frequent(train_intents[key] for key in train.labels)
    own = [int(intents[position] != label) for position, label in zip(positions, references, strict=True)]
    constant = [int(floor != label) for label in references]
    report |= {
        "dev": {"error": sum(own) / len(own)},
        "floor": {"intent": floor, "error": sum(constant) / len(constant)},
        "unseen_intents": {"dev": sum(label not in numbers for label in references)},
    }
    conclude(report, own, constant, [1] * len(own), folder)


def train_phone_probe(
    spec: TokenizerSpec,
    train_tokens: TokenStore,
    train_phones: Mapping[str, Sequence[str]],
    dev_tokens: TokenStore,
    dev_phones: Mapping[str, Sequence[str]],
    config: ProbeConfig,
    trainer: TrainerConfig,
    seed: int,
    folder: Path,
    vectors: torch.Tensor | None = None,
) -> None:
    """Train the phone probe. The arguments are those of `train_asr_probe`; labels.json lists the phones.

    The label of an utterance is the phone of each of its frames, upsampling included.

    Raises:
        UserError: no utterance of a split has both tokens and phones.
        ValueError: the number of phones of an utterance differs from its number of upsampled frames.
    """
    known = sorted({phone for key, of in train_phones.items() if key in train_tokens for phone in of})
    numbers = {phone: number for number, phone in enumerate(known, start=1)}

    def labelled(tokens: TokenStore, of: Mapping[str, Sequence[str]]) -> Labelled:
        return join_labels(tokens, Derived(of, lambda key: [numbers.get(p, UNSEEN) for p in of[key]]))

    train, dev = labelled(train_tokens, train_phones), labelled(dev_tokens, dev_phones)
    require_labels(train, dev, "phones")
    factor = config.upsampling(spec.frame_rate)
    for split in (train, dev):
        for (key, labels), count in zip(split.labels.items(), split.frames, strict=True):
            if len(labels) != count * factor:
                raise ValueError(f"{key} has {len(labels)} phones for {count} frames, {factor} times each")
    write_atomic(folder / LABELS, json.dumps(known))

    def make_probe(run_config: ProbeConfig, table_dim: int | None) -> PhoneProbe:
        with seeded(seed):
            return PhoneProbe(spec, run_config, len(known), table_dim)

    probe, report = fit_probe(make_probe, config, train, dev, spec, vectors, trainer, seed, folder)
    references = [dev_phones[key] for key in dev.labels]
    predictions = answers(probe, dev_tokens, list(dev.labels), trainer.torch_device).values()
    floor = most_frequent(phone for key in train.labels for phone in train_phones[key])
    frames = [len(reference) for reference in references]
    own = [
        frames_wrong(reference, [known[place] for place in places])
        for reference, places in zip(references, predictions, strict=True)
    ]
    constant = [sum(phone != floor for phone in reference) for reference in references]
    report |= {
        "phones": len(known),
        "dev": {"error": sum(own) / sum(frames)},
        "floor": {"phone": floor, "error": sum(constant) / sum(frames)},
        "unseen_phones": {"dev": sum(phone not in numbers for phone in chain(*references))},
    }
    conclude(report, own, constant, frames, folder)
