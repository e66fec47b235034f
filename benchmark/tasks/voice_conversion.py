"""Voice conversion: the content of one speaker's codes, the voice of another's prompt."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from benchmark.artifacts import ArtifactStore
from benchmark.data.audio import AudioError, read_audio
from benchmark.data.corpus import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError, unknown
from benchmark.metrics.definitions import CONDITIONS, DEFINITIONS, under
from benchmark.metrics.pitch import f0_track, pitch_correlation
from benchmark.metrics.speaker import SpeakerEncoder, similarity
from benchmark.metrics.transcriber import Transcriber
from benchmark.tasks.base import Measure, Outcome, Setting, failure_reasons, not_applicable
from benchmark.tasks.decoding import DecodingTask
from benchmark.tasks.examples import examples
from benchmark.tasks.intelligibility import add_word_errors, mean_measures, score_frame, word_error_rate
from benchmark.tasks.pairing import make_pairs
from benchmark.tasks.pairs import Pairing, read_pairs
from benchmark.tasks.prompts import own_prompts
from benchmark.tasks.references import embeddings, pitch
from benchmark.tasks.resynthesis import Resynthesis, resynthesise, uses_vocoder
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import Utterance

SPEECH_METRICS = ("secs", "secs_source", "p_corr")


class Conversion(NamedTuple):
    """What is converted into what."""

    sources: Manifest
    pairing: Pairing
    targets: dict[str, Utterance]
    """Prompt by source id."""


@dataclass(kw_only=True)
class VoiceConversion(DecodingTask):
    """WER, similarity to the target's and to the source's speaker, and how well intonation is kept.

    The topline row is the unconverted source: the WER and P.Corr to reach, the SECS to leave behind.

    Attributes:
        conditions: Of the pairs, names among `CONDITIONS`; sources take them in turn.
        pairs: CSV file of the pairs to convert, such as `scripts.make_pairs` writes; None makes them here.
            The file says what is converted, so `limit` does not cut it.
        pairing_seed: Of the pairs made here.
    """

    version: ClassVar[int] = 2
    metrics: ClassVar[tuple[str, ...]] = ("wer", *SPEECH_METRICS)

    conditions: list[str] = field(default_factory=lambda: ["same_gender", "cross_gender", "cross_lingual"])
    pairs: str | None = None
    pairing_seed: int = 0

    def __post_init__(self) -> None:
        for condition in self.conditions:
            if condition not in CONDITIONS:
                raise unknown("condition of task.conditions", condition, CONDITIONS)
        if not self.conditions or len(set(self.conditions)) < len(self.conditions):
            legal = ", ".join(CONDITIONS)
            raise UserError(f"task.conditions={self.conditions} must name some of {legal}, each once")

    def all_metrics(self) -> tuple[str, ...]:
        """The overall ones, then each under each condition."""
        return (*self.metrics, *(under(m, condition) for m in self.metrics for condition in self.conditions))

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:
        """See `Task.reads`."""
        return (*super().reads(tokenizer, corpus), *self._foreign(corpus))

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, setting: Setting) -> dict[str, Any]:
        """As the base class, with the pairs themselves in place of how they were made."""
        content = super().identity(tokenizer, corpus, setting)
        for name in ("pairs", "pairing_seed", "limit"):
            del content[name]
        conversion = self.conversion(corpus, setting.store)
        return content | {"pairs": conversion.pairing.digest, "sources": conversion.sources.digest}

    def conversion(self, corpus: Corpus, store: ArtifactStore) -> Conversion:
        """The pairs, the same for every tokenizer.

        Raises: UserError for a list that cannot be converted.
        """
        split = corpus.manifest("test", store)
        listed = corpus.listed_prompts(store)
        abroad = [u for name in self._foreign(corpus) for u in corpus.manifest(name, store)]
        if self.pairs is not None:
            pool = {u.utterance_id: u for u in (*split, *(listed or {}).values(), *abroad)}
            pairing = read_pairs(Path(self.pairs).expanduser(), split, pool)
            self._refuse_other_conditions(pairing)
            sources = Manifest(split[pair.source_id] for pair in pairing.pairs)
            absent = [condition for condition in self.conditions if condition not in pairing.counts()]
            pairing = replace(
                pairing, left_out=dict.fromkeys(absent, f"{Path(self.pairs).name} has no such pair")
            )
        else:
            sources = split.subset(self.limit)
            prompts = list({u.utterance_id: u for u in (listed or {}).values()}.values()) or list(sources)
            pool = {u.utterance_id: u for u in (*prompts, *abroad)}
            own = own_prompts(corpus, sources, store) if "self" in self.conditions else {}
            pool |= {prompt.utterance_id: prompt for prompt in own.values()}
            candidates = [*prompts, *abroad]
            pairing = make_pairs(sources, candidates, own, self.conditions, self.pairing_seed)
        return Conversion(sources, pairing, {pair.source_id: pool[pair.target_id] for pair in pairing.pairs})

    def _foreign(self, corpus: Corpus) -> tuple[str, ...]:
        """Splits that may hold a prompt in another language."""
        return corpus.foreign_splits if "cross_lingual" in self.conditions or self.pairs else ()

    def _refuse_other_conditions(self, pairing: Pairing) -> None:
        other = sorted((pairing.counts().keys() & CONDITIONS.keys()) - set(self.conditions))
        if other:
            wanted = ",".join(c for c in CONDITIONS if c in other or c in self.conditions)
            raise UserError(
                f"task.pairs: {self.pairs} has pairs of the conditions {', '.join(other)}, which "
                f"task.conditions lacks; set task.conditions=[{wanted}]"
            )

    def run(self, tokenizer: Tokenizer, corpus: Corpus, setting: Setting) -> Outcome:
        """See `Task.run`."""
        spec = tokenizer.spec
        unconverted = spec.kind == "topline"
        if not (uses_vocoder(tokenizer, self.decoder) or spec.decode_needs_prompt or unconverted):
            return not_applicable(
                "its own decoder takes no target prompt, so it cannot convert; decoder=vocoder can"
            )
        conversion = self.conversion(corpus, setting.store)
        sources, pairing, targets = conversion
        audio = resynthesise(tokenizer, corpus, sources, targets, self.vocoder, setting, self.decoder)
        frame = score_frame(sources, audio)
        pairs = {pair.source_id: pair for pair in pairing.pairs}
        for column in ("target_id", "target_speaker", "condition"):
            frame[column] = [getattr(pairs.get(name), column, None) for name in frame["utterance_id"]]
        transcriber = self.asr.load(setting.device)
        add_word_errors(frame, audio, transcriber, setting)
        _add_speech_scores(frame, conversion, audio, setting)
        conditions = {pair.source_id: pair.condition for pair in pairing.pairs}
        facts = {"digest": pairing.digest, "conditions": pairing.counts(), "left_out": pairing.left_out}
        return Outcome(
            measures=self._measures(frame, transcriber),
            utterances=frame,
            decoder="unconverted" if unconverted else audio.decoder,
            status=audio.status,
            reason=audio.reason,
            notes={"failures": failure_reasons(frame), "pairs": facts},
            statuses={
                under(metric, condition): ("n/a", reason)
                for condition, reason in pairing.left_out.items()
                for metric in self.metrics
            },
            lists={f"pairs/{corpus.name}.csv": pairing.to_csv()},
            audio=examples(conditions, sources, targets, audio, "converted"),
        )

    def _measures(self, frame: pd.DataFrame, transcriber: Transcriber) -> list[Measure]:
        """Every metric over all pairs, and over those of each condition that has any."""
        measures = [word_error_rate(frame, self.asr, transcriber), *mean_measures(frame, SPEECH_METRICS)]
        for condition in self.conditions:
            part = frame[frame["condition"] == condition]
            if len(part):
                overall = [word_error_rate(part, self.asr, transcriber), *mean_measures(part, SPEECH_METRICS)]
                names = [under(measure.metric, condition) for measure in overall]
                measures += [
                    replace(measure, metric=name, definition=DEFINITIONS[name].definition)
                    for measure, name in zip(overall, names, strict=True)
                ]
        return measures


def _add_speech_scores(
    frame: pd.DataFrame, conversion: Conversion, audio: Resynthesis, setting: Setting
) -> None:
    """Add the columns of SPEECH_METRICS; NaN with its reason in `failure` where there is no score."""
    sources, _, targets = conversion
    encoder = SpeakerEncoder(setting.device)
    files = {u.utterance_id: Path(u.audio_path) for u in sources}
    reference_pitch = pitch(files, sources.digest, setting)
    voices = embeddings(files, sources.digest, encoder, setting)
    outside = {u.utterance_id: u for u in targets.values() if u.utterance_id not in files}
    if outside:
        prompts = Manifest(outside.values())
        files = {u.utterance_id: Path(u.audio_path) for u in prompts}
        voices = embeddings(files, prompts.digest, encoder, setting) | voices
    rows = []
    for name, target in zip(frame["utterance_id"], frame["target_id"], strict=True):
        wav = read_audio(audio.files[name]) if name in audio.files else None
        rows.append(_scores(wav, reference_pitch.get(name), voices, target, name, encoder))
    frame[[*SPEECH_METRICS, "unscored"]] = rows
    frame[list(SPEECH_METRICS)] = frame[list(SPEECH_METRICS)].astype(float)
    frame["failure"] = frame["failure"].fillna(frame.pop("unscored"))


def _scores(
    wav: np.ndarray | None,
    source_f0: np.ndarray | None,
    voices: Mapping[str, np.ndarray],
    target: str | None,
    source: str,
    encoder: SpeakerEncoder,
) -> tuple[float, float, float, str | None]:
    """SECS to the target and to the source, P.Corr, and why one of them is NaN."""
    to_target = to_source = float("nan")
    if wav is None or source_f0 is None:
        return to_target, to_source, float("nan"), "no converted speech"
    reasons = []
    try:
        voice = encoder.embed(wav)
    except AudioError as error:
        reasons.append(f"secs: {error}")
    else:
        if target is not None and target in voices:
            to_target = similarity(voice, voices[target])
        else:
            reasons.append("secs: " + ("no speech in the prompt" if target else "no other speaker"))
        if source in voices:
            to_source = similarity(voice, voices[source])
        else:
            reasons.append("secs_source: no speech in the source")
    correlation = pitch_correlation(source_f0, f0_track(wav))
    if np.isnan(correlation):
        reasons.append("p_corr: too few frames voiced in both, or a constant pitch")
    return to_target, to_source, correlation, "; ".join(reasons) or None
