"""ASR probe: how many words a small BiLSTM with CTC reads off the tokens."""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from benchmark.data.corpus import Corpus
from benchmark.data.manifest import Manifest
from benchmark.metrics.definitions import DEFINITIONS
from benchmark.metrics.statistics import ratio_interval
from benchmark.metrics.text import char_errors, word_errors
from benchmark.probes.config import ProbeConfig
from benchmark.probes.predict import transcribe
from benchmark.probes.train import train_asr_probe
from benchmark.tasks.base import Measure, Outcome, Setting, Task, failure_reasons, not_applicable, speakers
from benchmark.tasks.probing import probe_frame, tokenized_splits, why_no_probe
from benchmark.tasks.trained_probe import probe_label, trained_probe
from benchmark.tokenizers.base import Tokenizer
from benchmark.training import read_report


@dataclass(kw_only=True)
class AsrProbe(Task):
    """WER and CER of a probe trained on the corpus's own transcripts."""

    metrics: ClassVar[tuple[str, ...]] = ("probe_wer", "probe_cer")

    probe: ProbeConfig

    def reads(self, tokenizer: Tokenizer, corpus: Corpus) -> tuple[str, ...]:  # noqa: ARG002
        """See `Task.reads`."""
        return ("train", "dev", "test")

    def run(self, tokenizer: Tokenizer, corpus: Corpus, setting: Setting) -> Outcome:
        """See `Task.run`."""
        if reason := why_no_probe(tokenizer):
            return not_applicable(reason)
        train, dev, test = tokenized_splits(tokenizer, corpus, setting)
        train_texts, dev_texts = _texts(train.manifest), _texts(dev.manifest)
        if not train_texts or not dev_texts:
            split = "dev" if train_texts else "train"
            return not_applicable(f"no transcripts in the {split} split of {corpus.name}")
        folder = trained_probe(
            "asr",
            train_asr_probe,
            tokenizer,
            (train, train_texts),
            (dev, dev_texts),
            self.probe,
            setting,
        )
        report = read_report(folder)
        frame = probe_frame(test, [utterance.text for utterance in test.manifest])
        hypotheses = transcribe(
            folder, tokenizer.spec, test.tokens, list(test.tokens), self.probe, setting.device
        )
        frame["hypothesis"] = frame["utterance_id"].map(hypotheses).astype(object)
        for name, count in (("words", word_errors), ("characters", char_errors)):
            frame[[f"{name}_wrong", name]] = [
                count(reference, hypothesis)
                if isinstance(reference, str) and isinstance(hypothesis, str)
                else (None, None)
                for reference, hypothesis in zip(frame["reference"], frame["hypothesis"], strict=True)
            ]
        return Outcome(
            measures=[_rate(frame, "probe_wer", "words"), _rate(frame, "probe_cer", "characters")],
            utterances=frame,
            decoder=probe_label(self.probe, setting),
            status=report["status"],
            reason=report["reason"],
            notes={"training": report, "failures": failure_reasons(frame)},
        )


def _texts(manifest: Manifest) -> dict[str, str]:
    return {u.utterance_id: u.text for u in manifest if u.text}


def _rate(frame: pd.DataFrame, metric: str, unit: str) -> Measure:
    wrong, total = frame[f"{unit}_wrong"].astype(float), frame[unit].astype(float)
    interval = ratio_interval(wrong, total, speakers(frame)).scaled(100)
    return Measure(metric=metric, interval=interval, definition=DEFINITIONS[metric].definition)
