"""Prediction targets of the probes: transcripts, one class per utterance, or one phone per frame."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from benchmark.models.probes.asr import can_emit, make_asr_probe
from benchmark.models.probes.classifier import UNSEEN, IntentProbe
from benchmark.models.probes.config import AttentionConfig, ProbeConfig
from benchmark.models.probes.convergence import DevErrors
from benchmark.models.probes.data import Labelled
from benchmark.models.probes.module import Probe
from benchmark.models.probes.normalize import normalize
from benchmark.models.probes.phones import PhoneProbe
from benchmark.models.probes.predict import LABELS
from benchmark.models.probes.scores import (
    char_error_rate,
    constant_transcript,
    labels_wrong,
    most_frequent,
    word_edits,
)
from benchmark.models.probes.training import ProbeTraining
from benchmark.models.probes.units import units_for
from benchmark.storage.atomic_files import write_atomic


class Target(ABC):
    """Base of the targets: numbers for the answers, the network that gives them, and its errors on dev.

    Attributes:
        kind: Name of the target in keys.
        called: Name of one answer in messages.
    """

    kind: ClassVar[str]
    called: ClassVar[str]

    def __init__(self, training: ProbeTraining) -> None:
        """Keep the data of the training; subclasses collect the labels that occur in its training split."""
        self.training = training

    @abstractmethod
    def encode(self, answer: Any) -> list[int]:
        """Return the labels of an answer; an empty list if there is nothing to learn."""

    @abstractmethod
    def network(self, config: ProbeConfig, table_dim: int | None) -> Probe:
        """Build the untrained probe."""

    @abstractmethod
    def errors(self, train: Labelled, dev: Labelled, given: Mapping[str, Any]) -> DevErrors:
        """Count the errors of the answers `given` to dev by the trained probe, and of the best constant."""

    def accept(self, split: Labelled) -> None:  # noqa: B027
        """Raise ValueError for labels that do not fit the codes."""

    def save(self, folder: Path) -> None:  # noqa: B027
        """Write what reading the probe's answers takes beside its weights."""


class Transcripts(Target):
    """Texts in the units of the config, by CTC or attention, see `asr.make_asr_probe`."""

    kind = "asr"
    called = "a transcript"

    def __init__(self, training: ProbeTraining) -> None:
        super().__init__(training)
        tokens, texts = training.train
        heard = (normalize(text) for key, text in texts.items() if key in tokens)
        self.units = units_for(training.config, filter(None, heard), training.folder)

    def encode(self, answer: str) -> list[int]:
        """See `Target.encode`."""
        return self.units.encode(normalize(answer))

    def network(self, config: ProbeConfig, table_dim: int | None) -> Probe:
        """See `Target.network`."""
        return make_asr_probe(self.training.spec, config, self.units, table_dim)

    def errors(self, train: Labelled, dev: Labelled, given: Mapping[str, str]) -> DevErrors:
        """See `Target.errors`; words are counted."""
        references, hypotheses = [self.units.decode(row) for row in dev.labels.values()], list(given.values())
        constant = constant_transcript(map(self.units.decode, train.labels.values()), references)
        words = [len(text.split()) for text in references]
        own = [word_edits(*pair) for pair in zip(references, hypotheses, strict=True)]
        floor = [word_edits(reference, constant) for reference in references]
        infeasible = {name: self._infeasible(split) for name, split in (("train", train), ("dev", dev))}
        # The limit of an attention decoder restricts its answers, but not its training.
        by_ctc = not isinstance(self.training.config, AttentionConfig)
        return DevErrors(
            own,
            floor,
            words,
            {
                "units": self.units.num_labels - 1,
                "infeasible": infeasible,
                "dev": {"wer": sum(own) / sum(words), "cer": char_error_rate(references, hypotheses)},
                "floor": {"transcript": constant, "wer": sum(floor) / sum(words)},
            },
            infeasible["train"] / len(train.labels) if by_ctc else 0.0,
        )

    def _infeasible(self, split: Labelled) -> int:
        """Count the utterances whose transcript has too few frames."""
        spec, config = self.training.spec, self.training.config
        labelled = zip(split.labels.values(), split.frames, strict=True)
        return sum(not can_emit(labels, frames, spec, config) for labels, frames in labelled)


class Classes(Target):
    """One class per utterance or frame, out of those that occur in training; labels.json lists them.

    Attributes:
        named: Name of one class in reports.
    """

    named: ClassVar[str]

    def __init__(self, training: ProbeTraining) -> None:
        super().__init__(training)
        tokens, answers = training.train
        present = (self.classes(answer) for key, answer in answers.items() if key in tokens)
        self.known = sorted(set(chain.from_iterable(present)))
        self.numbers = {name: number for number, name in enumerate(self.known, start=1)}

    @abstractmethod
    def classes(self, answer: Any) -> Sequence[str]:
        """Return the classes of an answer: one, one per frame, or none for an empty answer."""

    @abstractmethod
    def places(self, given: Any) -> Sequence[int]:
        """Return the positions in `known` of the classes that the probe answers with."""

    def encode(self, answer: Any) -> list[int]:
        """See `Target.encode`."""
        return [self.numbers.get(name, UNSEEN) for name in self.classes(answer)]

    def save(self, folder: Path) -> None:
        """See `Target.save`."""
        write_atomic(folder / LABELS, json.dumps(self.known))

    def errors(self, train: Labelled, dev: Labelled, given: Mapping[str, Any]) -> DevErrors:
        """See `Target.errors`; utterances or frames are counted."""
        of_train, of_dev = self.training.train.answers, self.training.dev.answers
        references = [self.classes(of_dev[key]) for key in dev.labels]
        guesses = [[self.known[place] for place in self.places(answer)] for answer in given.values()]
        constant = most_frequent(name for key in train.labels for name in self.classes(of_train[key]))
        own = [labels_wrong(*pair) for pair in zip(references, guesses, strict=True)]
        floor = [sum(name != constant for name in reference) for reference in references]
        counts = [len(reference) for reference in references]
        return DevErrors(
            own,
            floor,
            counts,
            {
                f"{self.named}s": len(self.known),
                "dev": {"error": sum(own) / sum(counts)},
                "floor": {self.named: constant, "error": sum(floor) / sum(counts)},
                f"unseen_{self.named}s": {
                    "dev": sum(name not in self.numbers for name in chain(*references))
                },
            },
        )


class Intents(Classes):
    """The intent of an utterance."""

    kind = named = "intent"
    called = "an intent"

    def classes(self, answer: str) -> Sequence[str]:
        """See `Classes.classes`."""
        return [answer] if answer else []

    def places(self, given: int) -> Sequence[int]:
        """See `Classes.places`."""
        return [given]

    def network(self, config: ProbeConfig, table_dim: int | None) -> Probe:
        """See `Target.network`."""
        return IntentProbe(self.training.spec, config, len(self.known), table_dim)


class Scenarios(Intents):
    """The scenario of an utterance, which DASB and the survey call the intent."""

    kind = named = "scenario"
    called = "a scenario"


class FramePhones(Classes):
    """The phone of each frame, upsampling included."""

    kind, named = "phones", "phone"
    called = "phones"

    def classes(self, answer: Sequence[str]) -> Sequence[str]:
        """See `Classes.classes`."""
        return answer

    def places(self, given: list[int]) -> Sequence[int]:
        """See `Classes.places`."""
        return given

    def network(self, config: ProbeConfig, table_dim: int | None) -> Probe:
        """See `Target.network`."""
        return PhoneProbe(self.training.spec, config, len(self.known), table_dim)

    def accept(self, split: Labelled) -> None:
        """See `Target.accept`."""
        factor = self.training.config.upsampling(self.training.spec.frame_rate)
        for (key, labels), count in zip(split.labels.items(), split.frames, strict=True):
            if len(labels) != count * factor:
                raise ValueError(f"{key} has {len(labels)} phones for {count} frames, {factor} times each")
