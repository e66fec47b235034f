"""The embedded corpus: commands of `benchmark.data.synthesis.grammar` spoken by eSpeak NG in 21 voices.

It needs no download, has exact transcripts and labels, and is the same on every machine. Its speech
is synthetic and clean: results on it show that a method works, not how well it does on recordings.
"""

import hashlib
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.data.synthesis.espeak import SYNTHESIS_RATE, require_espeak, synthesize
from benchmark.data.synthesis.espeak_phones import PAUSE, phone_spans
from benchmark.data.synthesis.grammar import Sentence, intents, sentences
from benchmark.data.synthesis.multilingual import SENTENCES
from benchmark.errors import unknown
from benchmark.types import Utterance


@dataclass(frozen=True)
class Speaker:
    """One voice. `accent` is how it speaks English; in other languages it keeps the other columns."""

    name: str
    gender: str
    accent: str
    variant: str
    pitch: int
    rate: int


SPEAKERS: dict[str, tuple[Speaker, ...]] = {
    "train": (
        Speaker("ada", "F", "en-us", "f3", 50, 150),
        Speaker("adam", "M", "en-us", "m4", 40, 150),
        Speaker("bella", "F", "en-gb-x-rp", "f3", 30, 155),
        Speaker("boris", "M", "en-us", "Michael", 45, 150),
        Speaker("clara", "F", "en-us", "f1", 60, 150),
        Speaker("carl", "M", "en-us", "Gene", 55, 145),
        Speaker("dora", "F", "en-gb-x-rp", "f2", 35, 150),
        Speaker("david", "M", "en-us", "Mike", 50, 155),
        Speaker("edith", "F", "en-gb-x-rp", "f4", 70, 145),
        Speaker("eric", "M", "en-gb-x-rp", "m1", 70, 150),
        Speaker("freya", "F", "en-us", "steph", 40, 145),
        Speaker("felix", "M", "en-us", "michel", 60, 145),
    ),
    "dev": (
        Speaker("grace", "F", "en-us", "steph2", 70, 145),
        Speaker("george", "M", "en-us", "m6", 60, 145),
        Speaker("henry", "M", "en-us", "Denis", 65, 145),
    ),
    "test": (
        Speaker("iris", "F", "en-us", "f5", 45, 150),
        Speaker("ivan", "M", "en-us", "Hugo", 60, 150),
        Speaker("jane", "F", "en-us", "steph3", 60, 145),
        Speaker("jack", "M", "en-us", "pablo", 70, 150),
        Speaker("kate", "F", "en-us", "f2", 75, 150),
        Speaker("karl", "M", "en-us", "m1", 35, 150),
    ),
}
"""Speakers of each split: disjoint, told apart by timbre, pitch and accent, and intelligible to Whisper."""

SECONDS = 3.4
"""Mean length of an utterance, by the manifests."""
EDGE_SAMPLES = SYNTHESIS_RATE // 10
"""Silence before and after each utterance: eSpeak NG starts and stops on the sample, no recording does."""


@dataclass(kw_only=True)
class Synthetic(Corpus):
    """Splits train, dev and test in English; test_de, test_fr and test_es by the test speakers.

    Attributes:
        train_utterances: Sentences of the train split; the intents come in turn, and every speaker
            gets each of them equally often, to within one.
        dev_utterances: As above, for dev.
        test_utterances: As above, for test.
        seed: Chooses the sentences.
    """

    uid: ClassVar[str] = "benchmark.data.synthetic.Synthetic"

    version: ClassVar[int] = 1

    train_utterances: int = 480
    dev_utterances: int = 60
    test_utterances: int = 96
    seed: int = 0

    @property
    def foreign_splits(self) -> tuple[str, ...]:
        """German, French and Spanish by the test speakers."""
        return tuple(f"test_{language}" for language in SENTENCES)

    def identity(self, split: str) -> dict[str, Any]:
        """Class, version, the split's arguments and the version of eSpeak NG's wheel."""
        self._check(split)
        require_espeak()
        return {
            **super().identity(split),
            "utterances": self._count(split),
            "seed": self.seed,
            "espeakng_loader": version("espeakng-loader"),
        }

    def expected(self, split: str) -> tuple[int, float] | None:
        """See `Corpus.expected`."""
        utterances = {
            "train": self.train_utterances,
            "dev": self.dev_utterances,
            "test": self.test_utterances,
        }.get(split)
        return None if utterances is None else (utterances, utterances * SECONDS / 3600)

    def build(self, split: str, folder: Path) -> Manifest:
        """Speak the split into 16-bit WAV below `folder`/audio, about 10 ms an utterance."""
        self._check(split)
        return Manifest(
            _record(speaker, sentence, language, index, folder / "audio" / split)
            for index, (speaker, sentence, language) in enumerate(self._script(split))
        )

    def phones(self, split: str) -> Iterator[tuple[str, list[str], np.ndarray]]:
        """See `Corpus.phones`; the split is spoken once more, and eSpeak NG says what it speaks when."""
        self._check(split)
        for index, (speaker, sentence, language) in enumerate(self._script(split)):
            names, starts, samples = phone_spans(sentence.spoken, *_voice(speaker, language))
            ends = np.concatenate(([0], starts, [samples, samples + EDGE_SAMPLES])) + EDGE_SAMPLES
            yield _utterance_id(speaker, language, index), [PAUSE, *names, PAUSE], ends[1:] / SYNTHESIS_RATE

    def _script(self, split: str) -> Iterator[tuple[Speaker, Sentence, str]]:
        """Who says what in which language, in order."""
        base, _, language = split.partition("_")
        speakers = SPEAKERS[base]
        if language:
            for index, text in enumerate(SENTENCES[language]):
                yield speakers[index % len(speakers)], Sentence(text, text, None, None), language
            return
        number = len(intents())
        for index, sentence in enumerate(sentences(split, self._count(split), self.seed)):
            # The speakers move on by one from each round of intents to the next.
            yield speakers[(index % number + index // number) % len(speakers)], sentence, "en"

    def _count(self, split: str) -> int:
        _, _, language = split.partition("_")
        if language:
            return len(SENTENCES[language])
        counts = {"train": self.train_utterances, "dev": self.dev_utterances, "test": self.test_utterances}
        return counts[split]

    def _check(self, split: str) -> None:
        legal = [*SPEAKERS, *self.foreign_splits]
        if split not in legal:
            raise unknown("split of the synthetic corpus", split, legal)


def _voice(speaker: Speaker, language: str) -> tuple[str, str, int, int]:
    """Voice, variant, rate and pitch for eSpeak NG."""
    voice = speaker.accent if language == "en" else language
    return voice, speaker.variant, speaker.rate, speaker.pitch


def _utterance_id(speaker: Speaker, language: str, index: int) -> str:
    return f"{speaker.name}-{language}-{index:04d}"


def _record(speaker: Speaker, sentence: Sentence, language: str, index: int, folder: Path) -> Utterance:
    """Speak one sentence into a file."""
    samples = np.pad(synthesize(sentence.spoken, *_voice(speaker, language)), EDGE_SAMPLES)
    utterance_id = _utterance_id(speaker, language, index)
    path = folder / speaker.name / f"{utterance_id}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = samples.astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:  # libsndfile would force each small file to disk
        file.setparams((1, 2, SYNTHESIS_RATE, 0, "NONE", ""))
        file.writeframes(pcm)
    return Utterance(
        utterance_id=utterance_id,
        audio_path=str(path),
        speaker_id=speaker.name,
        duration=len(samples) / SYNTHESIS_RATE,
        fingerprint=hashlib.sha256(pcm).hexdigest(),
        text=sentence.text,
        intent=sentence.intent,
        scenario=sentence.scenario,
        language=language,
        gender=speaker.gender,
    )
