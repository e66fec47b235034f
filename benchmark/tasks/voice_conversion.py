"""Voice conversion: speech with the content of one speaker's codes and the voice of another's prompt."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError, unknown
from benchmark.metrics.base import Voice
from benchmark.metrics.conditions import CONDITIONS, restricted, under
from benchmark.metrics.reported import MetricInfo
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.shards import Part
from benchmark.tasks.base import Measure, Outcome, RunContext, failure_reasons, not_applicable
from benchmark.tasks.decoding.audio_examples import examples
from benchmark.tasks.decoding.conversion_pairs import ANY_SPEAKER, Pairing, read_pairs
from benchmark.tasks.decoding.pairing import make_pairs
from benchmark.tasks.decoding.prompts import own_prompts
from benchmark.tasks.decoding.resynthesis import resynthesise
from benchmark.tasks.decoding.scoring import Decoded, ScoringTask
from benchmark.tasks.decoding.trained_vocoder import takes_prompt
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import Utterance


class Conversion(NamedTuple):
    """Source utterances, the pairs that convert them, and the prompt of each source."""

    sources: Manifest
    pairing: Pairing
    targets: dict[str, Utterance]
    """Prompt of the target speaker by source id."""


@dataclass(kw_only=True)
class VoiceConversion(ScoringTask):
    """Metrics of converted speech against the source recording and the target speaker's prompt.

    The topline row is the unconverted source: WER and P.Corr of conversions should approach it, SECS should
    exceed it.

    Attributes:
        conditions: Conditions of the pairs, names among `CONDITIONS`; sources take the conditions in turn.
        pairs: File of the pairs to convert, as CSV in the format of the command `pairs`, or as a published
            list of source and prompt ids such as LSCodec's utt2prompt; None draws the pairs here. An empty
            name stands for a list that was to be given, and is refused. The file alone decides which sources
            are converted: `limit` does not shorten the list.
        pairing_seed: Seed of the pairs drawn here.
    """

    version: ClassVar[int] = 2
    kind: ClassVar[str] = "voice_conversion"
    voice: ClassVar[Voice] = "changed"
    table: ClassVar[TableLayout | None] = TableLayout(
        name="voice_conversion",
        title="Voice conversion",
        place=20,
        by_condition="Voice conversion by condition",
        axis="speech",
        overview=("wer", "secs", "p_corr"),
        short="Conversion",
    )
    prompted: ClassVar[bool] = True

    conditions: list[str] = field(default_factory=lambda: ["same_gender", "cross_gender", "cross_lingual"])
    pairs: str | None = None
    pairing_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for condition in self.conditions:
            if condition not in CONDITIONS:
                raise unknown("condition of task.conditions", condition, CONDITIONS)
        if not self.conditions or len(set(self.conditions)) < len(self.conditions):
            legal = ", ".join(CONDITIONS)
            raise UserError(f"task.conditions={self.conditions} must name some of {legal}, each once")

    def definitions(self) -> dict[str, MetricInfo]:
        """Return the metrics over all pairs, then every metric under every condition."""
        overall = super().definitions()
        return overall | {
            under(metric, condition): restricted(definition, condition)
            for metric, definition in overall.items()
            for condition in self.conditions
        }

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:
        """See `Task.reads`."""
        return (*super().reads(tokenizer, corpus), *self._foreign(corpus))

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """Replace the arguments that make the pairs by the digests of pairs and sources."""
        content = super().identity(tokenizer, corpus, context)
        for name in ("pairs", "pairing_seed", "limit"):
            del content[name]
        conversion = self.conversion(corpus, context.store)
        return content | {"pairs": conversion.pairing.digest, "sources": conversion.sources.digest}

    def lacks(self) -> Iterator[str]:
        """See `Task.lacks`."""
        if self.pairs == "":
            yield (
                "task.pairs is empty: speech-token-benchmark data testset_b <root> fetches the list of the "
                "survey, and UTT2PROMPT=<file> names it"
            )
        elif self.pairs is not None and not Path(self.pairs).expanduser().is_file():
            yield f"task.pairs: {self.pairs} is no file; speech-token-benchmark pairs makes one"

    def conversion(self, corpus: Corpus, store: ArtifactStore) -> Conversion:
        """Read or draw the pairs, which are the same for every tokenizer.

        Raises: UserError for a list of pairs that is absent or cannot be converted.
        """
        for missing in self.lacks():
            raise UserError(missing)
        split = corpus.manifest("test", store)
        listed = corpus.listed_prompts(store)
        abroad = [u for name in self._foreign(corpus) for u in corpus.manifest(name, store)]
        if self.pairs is not None:
            pool = {u.utterance_id: u for u in (*split, *(listed or {}).values(), *abroad)}
            pairing = read_pairs(Path(self.pairs).expanduser(), split, pool)
            self._refuse_other_conditions(pairing)
            sources = Manifest(split[pair.source_id] for pair in pairing.pairs)
            absent = [condition for condition in self.conditions if condition not in pairing.counts()]
            pairing = replace(pairing, left_out=dict.fromkeys(absent, self._why_absent(pairing)))
        else:
            sources = split.subset(self.limit)
            prompts = list({u.utterance_id: u for u in (listed or {}).values()}.values()) or list(sources)
            pool = {u.utterance_id: u for u in (*prompts, *abroad)}
            own = own_prompts(corpus, sources, store) if "self" in self.conditions else {}
            own = {name: prompt for name, prompt in own.items() if prompt.utterance_id != name}
            pool |= {prompt.utterance_id: prompt for prompt in own.values()}
            candidates = [*prompts, *abroad]
            pairing = make_pairs(sources, candidates, own, self.conditions, self.pairing_seed)
        return Conversion(sources, pairing, {pair.source_id: pool[pair.target_id] for pair in pairing.pairs})

    def _why_absent(self, pairing: Pairing) -> str:
        """Return why a list of pairs has none of a condition."""
        why = f"{Path(str(self.pairs)).name} has no such pair"
        unsure = pairing.counts().get(ANY_SPEAKER)
        return f"{why}, but {unsure} of speakers whose gender is not known" if unsure else why

    def _foreign(self, corpus: Corpus) -> tuple[str, ...]:
        """Return the splits that may hold a prompt in another language."""
        return corpus.foreign_splits if "cross_lingual" in self.conditions or self.pairs else ()

    def _refuse_other_conditions(self, pairing: Pairing) -> None:
        other = sorted((pairing.counts().keys() & CONDITIONS.keys()) - set(self.conditions))
        if other:
            wanted = ",".join(c for c in CONDITIONS if c in other or c in self.conditions)
            raise UserError(
                f"task.pairs: {self.pairs} has pairs of the conditions {', '.join(other)}, which "
                f"task.conditions lacks; set task.conditions=[{wanted}]"
            )

    def sources(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> Manifest | None:
        """See `ScoringTask.sources`."""
        return None if self.why_not(tokenizer) else self.conversion(corpus, store).sources

    def decode(
        self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext, part: Part | None = None
    ) -> Decoded | None:
        """See `ScoringTask.decode`."""
        if self.why_not(tokenizer):
            return None
        return self._converted(self.conversion(corpus, context.store), tokenizer, corpus, context, part)

    def _converted(
        self,
        conversion: Conversion,
        tokenizer: Tokenizer,
        corpus: Corpus,
        context: RunContext,
        part: Part | None = None,
    ) -> Decoded:
        sources, _, targets = conversion
        how = self.vocoder, context, self.decoder, part
        return Decoded(sources, resynthesise(tokenizer, corpus, sources, targets, *how), targets)

    def why_not(self, tokenizer: Tokenizer) -> str:
        """See `DecodingTask.why_not`; the topline that is the recording itself is scored unconverted."""
        spec = tokenizer.spec
        if takes_prompt(tokenizer, self.decoder) or (spec.kind == "topline" and not spec.continuous):
            return super().why_not(tokenizer)
        reason = "its own decoder takes no target prompt, so it cannot convert"
        return reason if spec.continuous else f"{reason}; decoder=vocoder can"

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        if reason := self.why_not(tokenizer):
            return not_applicable(reason)
        conversion = self.conversion(corpus, context.store)
        pairing = conversion.pairing
        decoded = self._converted(conversion, tokenizer, corpus, context)
        sources, audio, targets = decoded
        frame = self.evaluate(decoded, context)
        pairs = {pair.source_id: pair for pair in pairing.pairs}
        for column in ("target_id", "target_speaker", "condition"):
            frame[column] = [getattr(pairs.get(name), column, None) for name in frame["utterance_id"]]
        conditions = {pair.source_id: pair.condition for pair in pairing.pairs}
        facts = {"digest": pairing.digest, "conditions": pairing.counts(), "left_out": pairing.left_out}
        return Outcome(
            measures=self._by_condition(frame, context),
            utterances=frame,
            decoder="unconverted" if tokenizer.spec.kind == "topline" else audio.decoder,
            status=audio.status,
            reason=audio.reason,
            notes={"failures": failure_reasons(frame), "pairs": facts}
            | ({"prompt": "target"} if takes_prompt(tokenizer, self.decoder) else {}),
            statuses={
                under(metric, condition): ("n/a", reason)
                for condition, reason in pairing.left_out.items()
                for metric in self.own_metrics
            },
            lists={f"pairs/{corpus.name}.csv": pairing.to_csv()},
            audio=examples(conditions, sources, targets, audio, "converted", self.goodness(frame)),
        )

    def _by_condition(self, frame: pd.DataFrame, context: RunContext) -> list[Measure]:
        """Return every metric over all pairs, then over the pairs of each condition that has any."""
        measures = self.measures(frame, context)
        definitions = self.definitions()
        for condition in self.conditions:
            part = frame[frame["condition"] == condition]
            for measure in self.measures(part, context) if len(part) else []:
                name = under(measure.metric, condition)
                measures.append(replace(measure, metric=name, definition=definitions[name].definition))
        return measures
