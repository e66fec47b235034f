"""What probing tasks share: a preset, tokens of the three splits, and when probing makes no sense."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.metrics.answers import AnswerMetric
from benchmark.metrics.reported import ReportedMetric
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.frontend import FEATURES_VERSION
from benchmark.storage.token_store import TokenStore
from benchmark.tasks.base import RunContext, Task
from benchmark.tasks.costs import CostItem, Estimator, ProbeHead
from benchmark.tasks.metric_choice import chosen_metrics
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest

MAX_FRAME_RATE = 1000
"""Frames per second above which a recurrent probe is not asked: PCM samples are no tokens."""

NO_PART_OF_THE_KEY = ("default_preset", "metrics")


@dataclass(kw_only=True)
class ProbingTask(Task):
    """A task that trains one probe on the tokens of the training split.

    Attributes:
        probe: Size and schedule: a preset of the group `probe`.
        default_preset: Name of the preset, without `prefix`, whose rows stand for the tokenizer in a
            profile's tables. Rows of other presets have lines of their own.
        metrics: Of the group `metric`; those of answers are reported beside the task's own.
        prefix: What the names of this task's presets begin with.
        heads: What the probes predict whose presets are in the fields of these names.
    """

    reads_features: ClassVar[bool] = True
    produces: ClassVar[tuple[str, ...]] = ("probes",)
    prefix: ClassVar[str]
    heads: ClassVar[Mapping[str, ProbeHead]]

    probe: ProbeConfig
    default_preset: str
    metrics: dict[str, ReportedMetric] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise UserError where the chosen presets are those of other tasks."""
        if self.probe is None:
            raise UserError(
                f"{self.name}: the chosen probe preset is one of another task. Legal: a preset whose name "
                f"begins with {self.prefix}, or a suite such as probe=mini or probe=controlled_mini; "
                "speech-token-benchmark run --help lists them"
            )

    @property
    def own_metrics(self) -> dict[str, AnswerMetric]:
        """See `Task.own_metrics`."""
        return chosen_metrics(self.metrics, AnswerMetric, (self.name,))  # type: ignore[type-abstract]

    def workload(self, cost: Estimator) -> Iterator[CostItem]:
        """The tokens of all splits, a probe for each head, and the evaluation."""
        if why_no_probe(cost.tokenizer) is not None:
            return
        for split in ("train", "dev", "test"):
            yield from cost.encoding(split)
        if not carries_no_information(cost.tokenizer):
            for name, head in self.heads.items():
                yield cost.probe(getattr(self, name), head)
        yield cost.scoring()

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:  # noqa: ARG002
        """See `Task.reads`."""
        return ("train", "dev", "test")

    def train(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> None:
        """See `Task.train`; a probe's answers cost seconds, so that nothing is left out."""
        self.run(tokenizer, corpus, context)

    def variant(self, tokenizer: Tokenizer) -> str:  # noqa: ARG002
        """Return the preset where it is not `default_preset`."""
        preset = self.probe.name.removeprefix(self.prefix)
        return "" if preset == self.default_preset else preset

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """As the base class, without what only names the rows; each chosen metric has a key of its own."""
        content = super().identity(tokenizer, corpus, context)
        features = {"features": FEATURES_VERSION} if tokenizer.spec.continuous else {}
        return {name: content[name] for name in content if name not in NO_PART_OF_THE_KEY} | features


@dataclass(frozen=True)
class Split:
    """Manifest and tokens of one split."""

    manifest: Manifest
    tokens: TokenStore


def tokenized_splits(tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> tuple[Split, Split, Split]:
    """Train, dev and test, encoded once."""
    manifests = [corpus.manifest(split, context.store) for split in ("train", "dev", "test")]
    train, dev, test = (
        Split(manifest, encode_manifest(tokenizer, manifest, context.store, context.progress))
        for manifest in manifests
    )
    return train, dev, test


def why_no_probe(tokenizer: Tokenizer) -> str | None:
    """The reason this tokenizer cannot be probed, or None."""
    if tokenizer.spec.frame_rate > MAX_FRAME_RATE:
        return f"{tokenizer.spec.frame_rate:g} frames per second are samples, not tokens to probe"
    return None


def reason_of(report: dict[str, Any], tokenizer: Tokenizer) -> str:
    """What the report of a training says of its verdict, and after an NC where to look further."""
    if report["status"] != "NC" or tokenizer.spec.continuous:
        return report["reason"]
    return f"{report['reason']}; what its codes hold: task=codebook_usage tokenizer={tokenizer.name}"


def carries_no_information(tokenizer: Tokenizer) -> bool:
    """Whether the codes carry no bit, so that the best constant answer takes the place of a probe."""
    return tokenizer.spec.bitrate == 0


def probe_frame(split: Split, references: Sequence[str | None]) -> pd.DataFrame:
    """One row per utterance, those without tokens or label included with the reason in `failure`."""
    frame = pd.DataFrame(
        {
            "utterance_id": [u.utterance_id for u in split.manifest],
            "speaker_id": [u.speaker_id for u in split.manifest],
            "reference": [reference or None for reference in references],
        },
        dtype=object,
    )
    frame["failure"] = frame["utterance_id"].map(split.tokens.failures).astype(object)
    unlabelled = frame["reference"].isna() & frame["failure"].isna()
    frame.loc[unlabelled, "failure"] = "no label"
    return frame
