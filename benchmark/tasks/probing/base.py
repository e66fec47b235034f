"""Base class of the probing tasks: preset, tokens of the three splits, and tokenizers without a probe."""

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
"""Frames per second above which no recurrent probe is trained: such frames are PCM samples, not tokens."""

NO_PART_OF_THE_KEY = ("default_preset", "metrics")


@dataclass(kw_only=True)
class ProbingTask(Task):
    """Base class of tasks that train a probe on the tokens of the training split.

    Attributes:
        probe: Preset of the config group `probe`: size and schedule of the probe.
        default_preset: Name of the preset, without `prefix`, whose rows stand for the tokenizer in a
            profile's tables. Rows of other presets have lines of their own.
        metrics: Metrics of the config group `metric`; metrics of answers are reported beside the task's own.
        prefix: Common prefix of the names of this task's presets.
        heads: Prediction target of each probe, by the name of the field that holds the probe's preset.
    """

    version: ClassVar[int] = 2
    reads_features: ClassVar[bool] = True
    produces: ClassVar[tuple[str, ...]] = ("probes",)
    prefix: ClassVar[str]
    heads: ClassVar[Mapping[str, ProbeHead]]

    probe: ProbeConfig
    default_preset: str
    metrics: dict[str, ReportedMetric] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise UserError where the chosen preset belongs to another task."""
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
        """Yield the tokens of all splits, a probe for each head, and the evaluation."""
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
        """Run the whole task: scoring a probe's answers takes only seconds."""
        self.run(tokenizer, corpus, context)

    def variant(self, tokenizer: Tokenizer) -> str:  # noqa: ARG002
        """Return the name of the preset without `prefix`; empty for `default_preset`."""
        preset = self.probe.name.removeprefix(self.prefix)
        return "" if preset == self.default_preset else preset

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """Drop the preset's role and the chosen metrics from the base class's identity.

        `default_preset` only names rows, and each chosen metric has a key of its own.

        Raises: UserError for a probe that cannot train under the trainer's cap on steps.
        """
        for name in self.heads:
            getattr(self, name).require_uncapped(context.trainer.max_steps)
        content = super().identity(tokenizer, corpus, context)
        features = {"features": FEATURES_VERSION} if tokenizer.spec.continuous else {}
        return {name: content[name] for name in content if name not in NO_PART_OF_THE_KEY} | features


@dataclass(frozen=True)
class Split:
    """Manifest and tokens of one split."""

    manifest: Manifest
    tokens: TokenStore


def tokenized_splits(tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> tuple[Split, Split, Split]:
    """Encode the train, dev and test splits, or load their tokens from the store."""
    manifests = [corpus.manifest(split, context.store) for split in ("train", "dev", "test")]
    train, dev, test = (
        Split(manifest, encode_manifest(tokenizer, manifest, context.store, context.progress))
        for manifest in manifests
    )
    return train, dev, test


def why_no_probe(tokenizer: Tokenizer) -> str | None:
    """Return the reason why this tokenizer cannot be probed, or None."""
    if tokenizer.spec.frame_rate > MAX_FRAME_RATE:
        return f"{tokenizer.spec.frame_rate:g} frames per second are samples, not tokens to probe"
    return None


def reason_of(report: dict[str, Any], tokenizer: Tokenizer) -> str:
    """Return the reason of a training's status; after an NC, name the task that shows the codes' content."""
    if report["status"] != "NC" or tokenizer.spec.continuous:
        return report["reason"]
    return f"{report['reason']}; what its codes hold: task=codebook_usage tokenizer={tokenizer.name}"


def carries_no_information(tokenizer: Tokenizer) -> bool:
    """Tell whether the codes have a bitrate of zero; the best constant answer then replaces the probe."""
    return tokenizer.spec.bitrate == 0


def probe_frame(split: Split, references: Sequence[str | None]) -> pd.DataFrame:
    """Make one row per utterance; the column `failure` gives the reason for a lack of tokens or label."""
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
