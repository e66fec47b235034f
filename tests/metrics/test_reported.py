"""What all metrics share, whatever they measure: facts for tables, and keys that tell parameters apart."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from benchmark.metrics.answers import Answer, TranscriptCharErrors, TranscriptWordErrors
from benchmark.metrics.codes.code_metrics import Codes, NominalRate, UsedEntries
from benchmark.metrics.codes.codebook_usage import CodebookUsage
from benchmark.metrics.reported import FAMILIES, ReportedMetric, stated
from benchmark.metrics.statistics.bounds import Range


@dataclass(frozen=True, kw_only=True)
class Stranger(ReportedMetric):
    """Of a family that this package has never heard of."""

    family: ClassVar[str] = "smell"
    higher_is_better: ClassVar[bool | None] = True

    label: str = "Smell"
    strength: float = 1.0

    @property
    def definition(self) -> str:
        return f"smell by strength {self.strength:g}"


def test_an_unknown_family_stands_behind_the_known_ones() -> None:
    assert Stranger().facts.family == len(FAMILIES) and TranscriptWordErrors().facts.family == 0


def test_keys_tell_parameters_apart_and_not_what_is_only_shown() -> None:
    metric = Stranger()
    assert replace(metric, label="Odour", tasks=("kitchen",)).key == metric.key
    assert replace(metric, strength=2.0).key != metric.key


def test_errors_of_transcripts_count_words_and_characters() -> None:
    answer = Answer("The cat sat.", "the cat")
    assert TranscriptWordErrors().count(answer) == (1, 3)
    assert TranscriptCharErrors().count(answer) == (4, 11)
    assert np.isnan(TranscriptWordErrors().count(Answer("", "a"))).all()
    attention = TranscriptWordErrors(reader="An attentive reader")
    assert attention.definition.startswith("An attentive reader, corpus level (Σ edits / Σ words)")


def test_metrics_of_codes_look_at_counts_and_the_declared_codebooks() -> None:
    usage = CodebookUsage((4, 2))
    usage.accumulate(np.array([[0, 1, 1, 1], [0, 0, 0, 0]]))
    spec: Any = SimpleNamespace(bitrate=150.0, frame_rates=(50.0, 50.0))
    assert UsedEntries().score(Codes(usage, spec)) == pytest.approx(50.0)
    assert NominalRate().score(Codes(usage, spec)) == pytest.approx(0.15)


def test_metrics_name_their_range_and_whether_they_count() -> None:
    wer = TranscriptWordErrors().facts.within
    assert (wer.least, wer.most, wer.event) == (0.0, np.inf, 100.0)
    used = UsedEntries().facts.within
    assert (used.least, used.most, used.event) == (0.0, 100.0, 0.0)
    assert Stranger().facts.within == Range()
    assert stated("Right", "%", True, 1, "right", most=100.0, counted=True).facts.within.event == 100.0


def test_a_stated_metric_is_shown_as_stated() -> None:
    metric = stated("Speed", "m/s", True, 2, "how fast", counts=("metres", "seconds"))
    assert metric.facts.label == "Speed" and metric.facts.counts == ("metres", "seconds")
    assert metric.definition == "how fast" and metric.facts.decimals == 2
