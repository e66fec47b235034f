"""Reconstruction: encoding and decoding of recordings, and metrics against the originals."""

from dataclasses import dataclass
from typing import ClassVar

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.shards import Part
from benchmark.tasks.base import Outcome, RunContext, failure_reasons
from benchmark.tasks.decoding.audio_examples import examples
from benchmark.tasks.decoding.prompts import own_prompts
from benchmark.tasks.decoding.resynthesis import resynthesise
from benchmark.tasks.decoding.scoring import Decoded, ScoringTask
from benchmark.tasks.decoding.trained_vocoder import uses_vocoder
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer


@dataclass(kw_only=True)
class Reconstruction(ScoringTask):
    """Metrics of decoded speech against the original recordings.

    A tokenizer's own decoder receives the side information of the recording itself, if the decoder takes
    any. The vocoder is prompted with another recording of the same speaker.
    """

    kind: ClassVar[str] = "reconstruction"
    table: ClassVar[TableLayout | None] = TableLayout(
        name="reconstruction",
        title="Reconstruction",
        place=10,
        axis="speech",
        overview=("wer", "gpe", "pesq", "stoi"),
    )
    prompted: ClassVar[bool] = False

    def sources(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> Manifest:  # noqa: ARG002
        """See `ScoringTask.sources`."""
        return corpus.manifest("test", store).subset(self.limit)

    def decode(
        self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext, part: Part | None = None
    ) -> Decoded:
        """See `ScoringTask.decode`."""
        test = self.sources(tokenizer, corpus, context.store)
        prompts = {utterance.utterance_id: utterance for utterance in test}  # a codec sends its own side info
        if uses_vocoder(tokenizer, self.decoder):
            prompts = own_prompts(corpus, test, context.store)
        how = self.vocoder, context, self.decoder, part
        return Decoded(test, resynthesise(tokenizer, corpus, test, prompts, *how), prompts)

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        decoded = self.decode(tokenizer, corpus, context)
        test, audio, prompts = decoded
        frame = self.evaluate(decoded, context)
        return Outcome(
            measures=self.measures(frame, context),
            utterances=frame,
            decoder=audio.decoder,
            status=audio.status,
            reason=audio.reason,
            notes={"failures": failure_reasons(frame)},
            audio=examples(
                {u.utterance_id: u.speaker_id for u in test},
                test,
                prompts,
                audio,
                "reconstructed",
                self.goodness(frame),
            ),
        )
