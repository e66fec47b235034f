"""A task that trains something of its own, and one that declares nothing at all."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from benchmark.data.corpora.base import Corpus
from benchmark.metrics.reported import ReportedMetric, stated
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import Encoding, Outcome, RunContext, Task, mean_measure
from benchmark.tasks.costs import CostItem, Estimator
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest

KIND = "token_models"
BITS = {
    "token_bits": stated("Token bits", "bit/token", False, 2, "cross-entropy of a unigram model of codes")
}


@dataclass(kw_only=True)
class TokenModel(Task):
    """How well the frequencies of codes in training predict those of another split."""

    table: ClassVar[TableLayout | None] = TableLayout(name="token_model", title="Token model", place=65)
    reports: ClassVar[Mapping[str, ReportedMetric]] = BITS
    produces: ClassVar[tuple[str, ...]] = (KIND,)

    split: str = "test"
    smoothing: float = 1.0

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:
        return ("train", self.split)

    def workload(self, cost: Estimator) -> Iterator[CostItem]:
        for split in ("train", self.split):
            yield from cost.encoding(split)
        yield cost.artifact(KIND, cost.seconds("train") / 10, size=1e6, trained=True)
        yield cost.scoring(self.split)

    def train(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> None:
        self._model(tokenizer, corpus, context)

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        logs = [np.array(row) for row in self._model(tokenizer, corpus, context)]
        manifest = corpus.manifest(self.split, context.store)
        tokens = encode_manifest(tokenizer, manifest, context.store)
        rows = [
            {
                "utterance_id": utterance.utterance_id,
                "speaker_id": utterance.speaker_id,
                "token_bits": float(
                    np.mean(
                        [
                            -log[row].mean()
                            for log, row in zip(logs, tokens[utterance.utterance_id], strict=True)
                        ]
                    )
                ),
                "failure": None,
            }
            for utterance in manifest
        ]
        frame = pd.DataFrame(rows)
        measures = [mean_measure(frame, name, metric, context) for name, metric in self.reports.items()]
        return Outcome(measures=measures, utterances=frame)

    def _model(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> list[list[float]]:
        train = corpus.manifest("train", context.store)

        def build(folder: Path) -> None:
            tokens = encode_manifest(tokenizer, train, context.store)
            codes = np.concatenate([tokens[name] for name in tokens], axis=1)
            logs = []
            for row, size in zip(codes, tokenizer.spec.codebook_sizes, strict=True):
                counts = np.bincount(row, minlength=size) + self.smoothing
                logs.append(np.log2(counts / counts.sum()).tolist())
            (folder / "logs.json").write_text(json.dumps(logs))

        key = {"tokenizer": tokenizer.identity(), "train": train.digest, "smoothing": self.smoothing}
        folder = context.store.get(KIND, key, build)
        content: list[list[float]] = json.loads((folder / "logs.json").read_text())
        return content


@dataclass(kw_only=True)
class Bare(Task):
    """Seconds of speech, with nothing said of a table or of costs."""

    reports: ClassVar[Mapping[str, ReportedMetric]] = {
        "length": stated("Length", "s", None, 1, "seconds of an utterance, mean over files")
    }

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:
        return ("test",)

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        manifest = corpus.manifest("test", context.store)
        frame = pd.DataFrame(
            {
                "utterance_id": [utterance.utterance_id for utterance in manifest],
                "speaker_id": [utterance.speaker_id for utterance in manifest],
                "length": [utterance.duration for utterance in manifest],
                "failure": None,
            }
        )
        measures = [mean_measure(frame, name, metric, context) for name, metric in self.reports.items()]
        return Outcome(measures=measures, utterances=frame)

    def encodes(self, tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> list[Encoding]:
        return []
