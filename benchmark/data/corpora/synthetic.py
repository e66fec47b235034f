"""The embedded corpus: commands of `benchmark.data.synthesis.grammar` spoken by eSpeak NG in 21 voices.

The corpus needs no download, has exact transcripts and labels, and is the same on every machine. Its speech
is synthetic and clean, so results on it show that a method works, not how well it does on recordings.
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
    """One voice of eSpeak NG; `accent` applies to English only, the other fields to all languages."""

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
        Speaker("dora", "F", "en-gb-x-rp", "Annie", 50, 145),
        Speaker("david", "M", "en-us", "Mike", 50, 155),
        Speaker("edith", "F", "en-gb-x-rp", "f4", 70, 145),
        Speaker("eric", "M", "en-us", "robert", 60, 150),
        Speaker("freya", "F", "en-us", "f4", 45, 145),
        Speaker("felix", "M", "en-us", "max", 55, 150),
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
"""Speakers of each split, disjoint, distinct in timbre, pitch and accent, and intelligible to Whisper.

No variant is in two splits, and none of dev or test has the formants of one of train under another name, as
steph has those of steph3, michel those of Hugo, and f2 those of f5. Training voices have four of the female
variants alone, since Whisper understands eight.
"""

SECONDS = 3.4
"""Mean length of an utterance, by the manifests."""
EDGE_SAMPLES = SYNTHESIS_RATE // 10
"""Samples of silence around each utterance; unlike recordings, eSpeak NG's speech has none at its ends."""


@dataclass(kw_only=True)
class Synthetic(Corpus):
    """Synthetic speech with English splits train, dev and test, and test_de, test_fr and test_es.

    The three foreign splits are spoken by the test speakers.

    Attributes:
        train_utterances: Number of sentences of train. The intents come in turn, and every speaker
            speaks each intent equally often, to within one sentence.
        dev_utterances: Number of sentences of dev, distributed likewise.
        test_utterances: Number of sentences of test, distributed likewise.
        seed: Seed of the choice of sentences.
    """

    uid: ClassVar[str] = "benchmark.data.synthetic.Synthetic"

    version: ClassVar[int] = 2

    train_utterances: int = 480
    dev_utterances: int = 60
    test_utterances: int = 96
    seed: int = 0

    @property
    def foreign_splits(self) -> tuple[str, ...]:
        """Splits in German, French and Spanish, spoken by the test speakers."""
        return tuple(f"test_{language}" for language in SENTENCES)

    def identity(self, split: str) -> dict[str, Any]:
        """Return class, version, the split's arguments and the version of eSpeak NG's wheel."""
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
        """Synthesise the split to 16-bit WAV files below `folder`/audio, in about 10 ms per utterance."""
        self._check(split)
        return Manifest(
            _record(speaker, sentence, language, index, folder / "audio" / split)
            for index, (speaker, sentence, language) in enumerate(self._script(split))
        )

    def phones(self, split: str) -> Iterator[tuple[str, list[str], np.ndarray]]:
        """Yield the exact phones, see `Corpus.phones`, by synthesising the split once more."""
        self._check(split)
        for index, (speaker, sentence, language) in enumerate(self._script(split)):
            names, starts, samples = phone_spans(sentence.spoken, *_voice(speaker, language))
            ends = np.concatenate(([0], starts, [samples, samples + EDGE_SAMPLES])) + EDGE_SAMPLES
            yield _utterance_id(speaker, language, index), [PAUSE, *names, PAUSE], ends[1:] / SYNTHESIS_RATE

    def _script(self, split: str) -> Iterator[tuple[Speaker, Sentence, str]]:
        """Yield speaker, sentence and language of every utterance, in order."""
        base, _, language = split.partition("_")
        speakers = SPEAKERS[base]
        if language:
            for index, text in enumerate(SENTENCES[language]):
                yield speakers[index % len(speakers)], Sentence(text, text, None, None), language
            return
        number = len(intents())
        for index, sentence in enumerate(sentences(split, self._count(split), self.seed)):
            # Each round of intents begins one speaker later, so that all speakers speak all intents.
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
    """Return voice, variant, rate and pitch for eSpeak NG."""
    voice = speaker.accent if language == "en" else language
    return voice, speaker.variant, speaker.rate, speaker.pitch


def _utterance_id(speaker: Speaker, language: str, index: int) -> str:
    return f"{speaker.name}-{language}-{index:04d}"


def _record(speaker: Speaker, sentence: Sentence, language: str, index: int, folder: Path) -> Utterance:
    """Synthesise one sentence to a WAV file."""
    samples = np.pad(synthesize(sentence.spoken, *_voice(speaker, language)), EDGE_SAMPLES)
    utterance_id = _utterance_id(speaker, language, index)
    path = folder / speaker.name / f"{utterance_id}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = samples.astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:  # libsndfile would sync every small file to disk
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
