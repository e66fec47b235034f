"""Reconstruction: encoding and decoding of recordings, and metrics against the originals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import unknown
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.shards import Part
from benchmark.tasks.base import Outcome, RunContext, failure_reasons, not_applicable
from benchmark.tasks.decoding.audio_examples import examples
from benchmark.tasks.decoding.prompts import PromptRule, ruled_prompts
from benchmark.tasks.decoding.resynthesis import resynthesise
from benchmark.tasks.decoding.scoring import Decoded, ScoringTask
from benchmark.tasks.decoding.trained_vocoder import takes_prompt, uses_vocoder
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import Utterance


@dataclass(kw_only=True)
class Reconstruction(ScoringTask):
    """Metrics of decoded speech against the original recordings.

    Attributes:
        prompt: Recording that gives decoded speech its voice, for the vocoder and for own decoders that take
            side information alike. "same_speaker" is another recording of the speaker. "original" is the
            utterance itself, whose side information then counts as sent.
        default_prompt: Prompt whose rows stand for the tokenizer in a profile; rows of another one have
            lines of their own.
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

    prompt: PromptRule = "same_speaker"
    default_prompt: PromptRule = "same_speaker"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("prompt", "default_prompt"):
            if (rule := getattr(self, name)) not in get_args(PromptRule):
                raise unknown(f"task.{name}", rule, get_args(PromptRule))

    def variant(self, tokenizer: Tokenizer) -> str:
        """Add a prompt other than the default one to the base class's variant, such as "original_prompt"."""
        other = self.prompt != self.default_prompt and takes_prompt(tokenizer, self.decoder)
        return "+".join(filter(None, (super().variant(tokenizer), f"{self.prompt}_prompt" if other else "")))

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """Keep `prompt` only where it matters and differs from what was done before the field existed.

        `default_prompt` only names rows.
        """
        content = super().identity(tokenizer, corpus, context)
        rule = content.pop("prompt")
        del content["default_prompt"]
        before = "same_speaker" if uses_vocoder(tokenizer, self.decoder) else "original"
        changed = takes_prompt(tokenizer, self.decoder) and rule != before
        return content | ({"prompt": rule} if changed else {})

    def sources(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> Manifest | None:
        """See `ScoringTask.sources`."""
        return None if self.why_not(tokenizer) else corpus.manifest("test", store).subset(self.limit)

    def decode(
        self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext, part: Part | None = None
    ) -> Decoded | None:
        """See `ScoringTask.decode`."""
        test = self.sources(tokenizer, corpus, context.store)
        if test is None:
            return None
        prompted = takes_prompt(tokenizer, self.decoder)
        prompts = ruled_prompts(self.prompt, corpus, test, context.store) if prompted else {}
        how = self.vocoder, context, self.decoder, part
        return Decoded(test, resynthesise(tokenizer, corpus, test, prompts, *how), prompts)

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        decoded = self.decode(tokenizer, corpus, context)
        if decoded is None:
            return not_applicable(self.why_not(tokenizer))
        test, audio, prompts = decoded
        frame = self.evaluate(decoded, context)
        return Outcome(
            measures=self.measures(frame, context),
            utterances=frame,
            decoder=audio.decoder,
            status=audio.status,
            reason=audio.reason,
            notes={"failures": failure_reasons(frame)} | self._voice(tokenizer, test, prompts),
            audio=examples(
                {u.utterance_id: u.speaker_id for u in test},
                test,
                prompts,
                audio,
                "reconstructed",
                self.goodness(frame),
            ),
        )

    def _voice(
        self, tokenizer: Tokenizer, test: Manifest, prompts: Mapping[str, Utterance]
    ) -> dict[str, Any]:
        """Return the prompt rule, the number of utterances that a list of prompts gives themselves although
        the rule is another recording, and the rate of finite side information over the test set in bit/s.
        """
        if not takes_prompt(tokenizer, self.decoder):
            return {}
        voice: dict[str, Any] = {"prompt": self.prompt}
        own = sum(prompt.utterance_id == name for name, prompt in prompts.items())
        if own and self.prompt == "same_speaker":
            voice["self_prompted"] = own
        bits, seconds = tokenizer.spec.side_info_bits, test.hours * 3600
        if not uses_vocoder(tokenizer, self.decoder) and bits is not None and seconds:
            voice["side_info_bitrate"] = bits * len(test) / seconds
        return voice
