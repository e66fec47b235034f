"""CTC ablation: the effect of CTC on the ranking of tokenizers, shown by three heads on one encoder."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.errors import UserError
from benchmark.extractors.phones.aligner import Aligner
from benchmark.metrics.answers import AnswerMetric, TranscriptWordErrors
from benchmark.metrics.reported import ReportedMetric
from benchmark.models.probes.config import AttentionConfig, ProbeConfig, differences
from benchmark.tasks.asr_probe import AsrProbe
from benchmark.tasks.base import Measure, Outcome, RunContext
from benchmark.tasks.costs import ProbeHead
from benchmark.tasks.phone_probe import PHONE_ERROR, PhoneProbe
from benchmark.tasks.probing.base import ProbingTask
from benchmark.tasks.probing.heads import FRAME_PHONES, TRANSCRIPTS
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer

SHARED_COLUMNS = ["utterance_id", "speaker_id"]


@dataclass(kw_only=True)
class CtcAblation(ProbingTask):
    """WER by CTC, WER by attention and frame-wise phone error of one tokenizer.

    Encoder and training budget are the same under all three heads. Each head is scored by its own probing
    task, `AsrProbe` or `PhoneProbe`, and shares that task's trained probe.

    Attributes:
        probe: Preset of the ASR probe with CTC.
        attention: Preset of the ASR probe with attention.
        phones: Preset of the phone probe.
        aligner: Source of the phone labels.
    """

    table: ClassVar[TableLayout | None] = TableLayout(
        name="ctc_ablation", title="CTC ablation", place=50, compares_ranks=True
    )
    heads: ClassVar[Mapping[str, ProbeHead]] = {
        "probe": TRANSCRIPTS,
        "attention": TRANSCRIPTS,
        "phones": FRAME_PHONES,
    }
    prefix: ClassVar[str] = "asr_"
    labels: ClassVar[Mapping[str, tuple[str, ...]]] = {"text": ("train", "dev", "test")}

    attention: AttentionConfig | None
    phones: ProbeConfig | None
    aligner: Aligner

    def __post_init__(self) -> None:
        """Raise UserError for presets that are absent, or that differ in encoder or budget."""
        super().__post_init__()
        legal = "choose one that has all three: probe=mini, controlled or controlled_mini"
        if self.attention is None or self.phones is None:
            absent = "phone_probe" if self.attention else "attention_probe"
            raise UserError(f"ctc_ablation: the probe preset {self.probe.name!r} sets no {absent}; {legal}")
        if isinstance(self.probe, AttentionConfig) or not isinstance(self.attention, AttentionConfig):
            raise UserError(
                f"ctc_ablation: {self.probe.name!r} must be a CTC preset and {self.attention.name!r} an "
                f"attention preset; {legal}"
            )
        for other in (self.attention, self.phones):
            if found := differences(self.probe, other):
                raise UserError(
                    f"ctc_ablation: {self.probe.name!r} and {other.name!r} differ in {', '.join(found)}, so "
                    f"that the table would not show the head alone; give them the same values, or {legal}"
                )

    @property
    def own_metrics(self) -> dict[str, AnswerMetric]:
        """Chosen metrics: always empty, because the table shows one number per head."""
        return {}

    def reported(self) -> dict[str, ReportedMetric]:
        """See `Task.reported`."""
        assert self.attention
        return {
            "probe_wer": TranscriptWordErrors(reader=self.probe.reader),
            "attention_wer": TranscriptWordErrors(label="Attention WER", reader=self.attention.reader),
            "phone_error": PHONE_ERROR,
        }

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """Add the aligner to the base class's identity."""
        return super().identity(tokenizer, corpus, context) | {"aligner": self.aligner.identity()}

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        assert self.attention and self.phones
        common: dict[str, Any] = {"name": self.name, "default_preset": self.default_preset}
        tasks: dict[str, ProbingTask] = {
            "probe_wer": AsrProbe(probe=self.probe, **common),
            "attention_wer": AsrProbe(probe=self.attention, **common),
            "phone_error": PhoneProbe(probe=self.phones, aligner=self.aligner, **common),
        }
        outcomes = {metric: task.run(tokenizer, corpus, context) for metric, task in tasks.items()}
        decoders = dict.fromkeys(outcome.decoder for outcome in outcomes.values() if outcome.measures)
        return Outcome(
            measures=[
                replace(measure, metric=metric)
                for metric, outcome in outcomes.items()
                if (measure := _first(outcome))
            ],
            utterances=_side_by_side(outcomes),
            decoder="+".join(decoders) or "none",
            statuses={metric: (outcome.status, outcome.reason) for metric, outcome in outcomes.items()},
            notes={
                "heads": {metric: outcome.notes for metric, outcome in outcomes.items()},
                "failures": list(
                    dict.fromkeys(
                        reason
                        for outcome in outcomes.values()
                        for reason in outcome.notes.get("failures", [])
                    )
                ),
            },
        )


def _first(outcome: Outcome) -> Measure | None:
    """Return the measure by which a head is compared: WER, which comes before CER, or phone error."""
    return outcome.measures[0] if outcome.measures else None


def _side_by_side(outcomes: dict[str, Outcome]) -> pd.DataFrame:
    """Join the utterances of all heads: columns "metric:column", one row per test utterance."""
    frames = [
        outcome.utterances.set_index(SHARED_COLUMNS).add_prefix(f"{metric}:")
        for metric, outcome in outcomes.items()
        if len(outcome.utterances)
    ]
    return pd.concat(frames, axis=1).reset_index() if frames else pd.DataFrame()
