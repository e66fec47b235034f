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
from benchmark.tasks.resynthesis import decoding_splits, resynthesise
from benchmark.tokenizers.base import Tokenizer
from benchmark.vocoder.config import VocoderConfig

SPEECH_METRICS = ("secs", "p_corr")


@dataclass(kw_only=True)
class VoiceConversion(Task):
    """WER, similarity to the target speaker, and how well the source's intonation is kept.

    The topline row is the unconverted source: the WER and P.Corr to reach, the SECS to leave behind.
    """

    metrics: ClassVar[tuple[str, ...]] = ("wer", *SPEECH_METRICS)

    asr: AsrConfig
    vocoder: VocoderConfig
    limit: int | None = None

    def reads(self, tokenizer: Tokenizer) -> tuple[str, ...]:
        """See `Task.reads`."""
        return decoding_splits(tokenizer)

    def run(self, tokenizer: Tokenizer, corpus: Corpus, setting: Setting) -> Outcome:
        """See `Task.run`."""
        spec = tokenizer.spec
        unconverted = spec.kind == "topline"
        if spec.can_decode and not spec.decode_needs_prompt and not unconverted:
            return not_applicable("its own decoder takes no target prompt, so it cannot convert")
        test = corpus.manifest("test", setting.store).subset(self.limit)
        targets = conversion_targets(test)
        audio = resynthesise(tokenizer, corpus, test, targets, self.vocoder, setting)
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
            wav = read_audio(audio.files[name]) if name in audio.files else None
            rows.append(_scores(wav, reference_pitch.get(name), voices.get(target), encoder))
        frame[[*SPEECH_METRICS, "unscored"]] = rows
        frame[list(SPEECH_METRICS)] = frame[list(SPEECH_METRICS)].astype(float)
        frame["failure"] = frame["failure"].fillna(frame.pop("unscored"))
        return Outcome(
            measures=[word_error_rate(frame, self.asr, transcriber), *mean_measures(frame, SPEECH_METRICS)],
            utterances=frame,
            decoder="unconverted" if unconverted else audio.decoder,
            status=audio.status,
            reason=audio.reason,
            notes={"failures": failure_reasons(frame)},
        )


def _scores(
    wav: np.ndarray | None, source_f0: np.ndarray | None, voice: np.ndarray | None, encoder: SpeakerEncoder
) -> tuple[float, float, str | None]:
    """SECS, P.Corr, and why one of them is NaN."""
    if wav is None or source_f0 is None or voice is None:
        return float("nan"), float("nan"), "no converted speech, or no speech in the prompt"
    reasons = []
    try:
        likeness = similarity(encoder.embed(wav), voice)
    except AudioError as error:
        likeness = float("nan")
        reasons.append(f"secs: {error}")
    correlation = pitch_correlation(source_f0, f0_track(wav))
    if np.isnan(correlation):
        reasons.append("p_corr: too few frames voiced in both, or a constant pitch")
    return likeness, correlation, "; ".join(reasons) or None
