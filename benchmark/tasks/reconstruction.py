"""Reconstruction: encode, decode, and compare with the original."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark.data.audio import read_audio
from benchmark.data.corpus import Corpus
from benchmark.data.manifest import Manifest
from benchmark.metrics.pool import score_pairs
from benchmark.tasks.base import Outcome, Setting, failure_reasons
from benchmark.tasks.decoding import DecodingTask
from benchmark.tasks.examples import examples
from benchmark.tasks.intelligibility import add_word_errors, mean_measures, score_frame, word_error_rate
from benchmark.tasks.prompts import own_prompts
from benchmark.tasks.references import pitch
from benchmark.tasks.resynthesis import Resynthesis, resynthesise, uses_vocoder
from benchmark.tokenizers.base import Tokenizer

SIGNAL_METRICS = ("gpe", "vde", "pesq", "stoi", "mel_distance")


@dataclass(kw_only=True)
class Reconstruction(DecodingTask):
    """WER, pitch, PESQ, STOI and mel distance of decoded against original speech.

    A tokenizer's own decoder takes the side information of the recording itself, where it takes any; the
    vocoder is prompted by another recording of the same speaker.
    """

    metrics: ClassVar[tuple[str, ...]] = ("wer", *SIGNAL_METRICS)

    def run(self, tokenizer: Tokenizer, corpus: Corpus, setting: Setting) -> Outcome:
        """See `Task.run`."""
        test = corpus.manifest("test", setting.store).subset(self.limit)
        prompts = {utterance.utterance_id: utterance for utterance in test}  # a codec sends its own side info
        if uses_vocoder(tokenizer, self.decoder):
            prompts = own_prompts(corpus, test, setting.store)
        audio = resynthesise(tokenizer, corpus, test, prompts, self.vocoder, setting, self.decoder)
        frame = score_frame(test, audio)
        transcriber = self.asr.load(setting.device)
        add_word_errors(frame, audio, transcriber, setting)
        files = {u.utterance_id: Path(u.audio_path) for u in test if u.utterance_id in audio.files}
        tracks = pitch(files, test.digest, setting)
        scores = score_pairs(_pairs(test, audio, tracks), SIGNAL_METRICS, setting.processes)
        for name in (*SIGNAL_METRICS, "delay"):
            column = [scores.get(key, {}).get(name, float("nan")) for key in frame["utterance_id"]]
            frame[name] = np.asarray(column, float)
        unscored = {key: values["failure"] for key, values in scores.items() if values["failure"]}
        frame["failure"] = frame["failure"].fillna(frame["utterance_id"].map(unscored))
        return Outcome(
            measures=[word_error_rate(frame, self.asr, transcriber), *mean_measures(frame, SIGNAL_METRICS)],
            utterances=frame,
            decoder=audio.decoder,
            status=audio.status,
            reason=audio.reason,
            notes={"delay_samples": float(frame["delay"].median()), "failures": failure_reasons(frame)},
            audio=examples(
                {u.utterance_id: u.speaker_id for u in test}, test, prompts, audio, "reconstructed"
            ),
        )


def _pairs(
    manifest: Manifest, audio: Resynthesis, tracks: dict[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Id, original, its F0 track, decoded speech; read as the pool asks for them."""
    for name, path in audio.files.items():
        yield name, read_audio(manifest[name].audio_path), tracks[name], read_audio(path)
