"""Voice conversion: the content of one speaker's codes, the voice of another's prompt."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark.data.audio import AudioError, read_audio
from benchmark.data.corpus import Corpus
from benchmark.metrics.pitch import f0_track, pitch_correlation
from benchmark.metrics.speaker import SpeakerEncoder, similarity
from benchmark.tasks.base import Outcome, Setting, Task, failure_reasons, not_applicable
from benchmark.tasks.intelligibility import (
    AsrConfig,
    add_word_errors,
    mean_measures,
    score_frame,
    word_error_rate,
)
from benchmark.tasks.prompts import conversion_targets
from benchmark.tasks.references import embeddings, pitch
from benchmark.tasks.resynthesis import resynthesise
from benchmark.tokenizers.base import Tokenizer
from benchmark.vocoder.config import VocoderConfig

SPEECH_METRICS = ("secs", "p_corr")


@dataclass(kw_only=True)
class VoiceConversion(Task):
    """WER, similarity to the target speaker, and how well the source's intonation is kept.

    The topline row is the unconverted source: the WER and P.Corr to reach, the SECS to leave behind.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "dev", "test")
    metrics: ClassVar[tuple[str, ...]] = ("wer", *SPEECH_METRICS)

    asr: AsrConfig
    vocoder: VocoderConfig
    limit: int | None = None

    def run(self, tokenizer: Tokenizer, corpus: Corpus, setting: Setting) -> Outcome:
        """See `Task.run`."""
        spec = tokenizer.spec
        unconverted = spec.kind == "topline"
        if spec.can_decode and not spec.decode_needs_prompt and not unconverted:
            return not_applicable("its own decoder takes no target prompt, so it cannot convert")
        test = corpus.manifest("test", setting.store).subset(self.limit)
        targets = conversion_targets(test)
        audio = resynthesise(
            tokenizer, corpus, test, targets, self.vocoder, setting, own_decoder=spec.can_decode
        )
        frame = score_frame(test, audio)
        frame["target_id"] = [getattr(targets.get(n), "utterance_id", None) for n in frame["utterance_id"]]
        frame["target_speaker"] = [getattr(targets.get(n), "speaker_id", None) for n in frame["utterance_id"]]
        transcriber = self.asr.load(setting.device)
        add_word_errors(frame, audio, transcriber, setting)

        encoder = SpeakerEncoder(setting.device)
        sources = {u.utterance_id: Path(u.audio_path) for u in test}
        reference_pitch = pitch(sources, test.digest, setting)
        voices = embeddings(sources, test.digest, encoder, setting)
        rows = []
        for name, target in zip(frame["utterance_id"], frame["target_id"], strict=True):
            rows.append((float("nan"), float("nan")))
            if name not in audio.files or target not in voices:
                continue
            wav = read_audio(audio.files[name])
            correlation = pitch_correlation(reference_pitch[name], f0_track(wav))
            try:
                likeness = similarity(encoder.embed(wav), voices[target])
            except AudioError:
                likeness = float("nan")
            rows[-1] = (likeness, correlation)
        frame[list(SPEECH_METRICS)] = np.asarray(rows, float)
        return Outcome(
            measures=[word_error_rate(frame, transcriber.name), *mean_measures(frame, SPEECH_METRICS)],
            utterances=frame,
            decoder="unconverted" if unconverted else audio.decoder,
            status=audio.status,
            reason=audio.reason,
            notes={"failures": failure_reasons(frame)},
        )
