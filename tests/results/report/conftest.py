"""Rows of a small benchmark that covers everything a table must show."""

import pandas as pd
import pytest

from benchmark.results import older_rows

BOOTSTRAP = "95 % percentile bootstrap over utterances, 1000 resamples"


@pytest.fixture(autouse=True)
def _definitions(monkeypatch):
    """Labels of the tests' own: these rows say nothing of how their metrics are shown."""
    facts = {
        "wer": ("WER", "%", False, 1),
        "gpe": ("GPE", "%", False, 2),
        "pesq": ("PESQ", "", True, 2),
        "probe_wer": ("Probe WER", "%", False, 1),
        "intent_accuracy": ("Intent", "%", True, 1),
        "perplexity": ("Perplexity", "", None, 1),
    }
    names = ("label", "unit", "higher_is_better", "decimals", "place")
    shown = {
        metric: dict(zip(names, (*values, place), strict=True))
        for place, (metric, values) in enumerate(facts.items())
    }
    monkeypatch.setattr(older_rows, "METRICS", shown)


@pytest.fixture
def rows(make_row):
    """Return the rows of four tables, in no particular order."""
    no_books = {"num_codebooks": None, "codebook_size": None}
    facts = {
        "shuffled": {"kind": "floor"},
        "opus": {"kind": "classical", "decoder": "own", "bitrate": 6000.0, **no_books},
        "ground_truth": {
            "kind": "topline",
            "decoder": "none",
            "frame_rate": None,
            "bitrate": None,
            **no_books,
        },
        "mel_rvq": {},
        "mel_rvq_8": {"num_codebooks": 8, "bitrate": 3200.0},
        "whisper_kmeans": {
            "kind": "semantic-ssl",
            "num_codebooks": 1,
            "codebook_size": 500,
            "bitrate": 448.289,
        },
    }
    definitions = {
        "wer": "corpus WER, Whisper tiny.en",
        "gpe": "F0 off by more than 20 %, DIO",
        "probe_wer": "BiLSTM CTC, greedy",
    }

    def row(tokenizer, metric, value, lo=None, hi=None, **more):
        more = {"definition": definitions.get(metric, metric), "interval": BOOTSTRAP if lo else ""} | more
        more = {"artifacts": ["tokens/aa"]} | more  # published weights: no training stands behind any number
        return make_row(
            tokenizer=tokenizer, metric=metric, value=value, lo=lo, hi=hi, **facts[tokenizer] | more
        )

    unvoiced = {"n_scored": 58, "n_failed": 2, "reason": "no frame voiced in both"}
    broken = {"status": "failed", "n_scored": 0, "n_failed": 60, "reason": "R&D_x: 100% | #1 {bad}"}
    asr = {"task": "asr_probe", "decoder": "bilstm"}
    intent = {"task": "intent_probe", "decoder": "bilstm", "definition": "intent accuracy"}
    no_codes = {"status": "n/a", "reason": "no codes to probe", "n_scored": 0, "decoder": "none"}
    usage = {"task": "codebook_usage", "decoder": "none"}
    return [
        row("shuffled", "wer", 131.25, 120.0, 140.0),
        row("shuffled", "pesq", 1.05, 1.04, 1.06),
        row("shuffled", "gpe", 51.234, 45.0, 60.0, **unvoiced),
        row("opus", "wer", 8.0, 6.0, 10.5),
        row("opus", "gpe", 3.0, 2.0, 4.0),
        row("opus", "pesq", 3.456, 3.4, 3.5),
        row("ground_truth", "wer", 7.04, 5.0, 9.0),
        row("ground_truth", "gpe", None, status="n/a", reason="the reference itself", n_scored=0),
        row("ground_truth", "pesq", None, status="n/a", reason="the reference itself", n_scored=0),
        row("mel_rvq", "wer", 12.3, 10.1, 14.9),
        row("mel_rvq", "gpe", 4.567, 4.0, 5.0, **unvoiced),
        row("mel_rvq", "pesq", 1.904, 1.8, 2.0),
        row("mel_rvq_8", "wer", 9.951, 8.0, 11.0),
        row("mel_rvq_8", "gpe", 4.5, 4.0, 5.0),
        row("mel_rvq_8", "pesq", 1.896, 1.8, 2.0),
        row("whisper_kmeans", "wer", None, **broken),
        row("whisper_kmeans", "gpe", None, **broken),
        row("whisper_kmeans", "pesq", None, **broken),
        row("mel_rvq", "probe_wer", 99.8, 99.0, 100.0, **asr, status="NC", reason="dev WER never left 100 %"),
        row("mel_rvq", "intent_accuracy", 41.0, 33.0, 49.0, **intent),
        row("mel_rvq_8", "probe_wer", 60.0, 55.0, 65.0, **asr),
        row("whisper_kmeans", "probe_wer", 0.72, 0.1, 1.5, **asr),
        row("whisper_kmeans", "intent_accuracy", 97.5, 94.0, 99.0, **intent, n_scored=48),
        row("shuffled", "probe_wer", 101.0, 99.0, 103.0, **asr),
        row("shuffled", "intent_accuracy", 12.5, 8.0, 17.0, **intent),
        row("ground_truth", "probe_wer", None, **asr | no_codes),
        row("ground_truth", "intent_accuracy", None, **intent | no_codes),
        row("opus", "probe_wer", None, **asr | no_codes),
        row("opus", "intent_accuracy", None, **intent | no_codes),
        row("mel_rvq", "perplexity", 211.4, **usage),
        row("whisper_kmeans", "perplexity", 402.0, **usage),
    ]


SPEAKERS = [f"s{number}" for number in range(10)]


@pytest.fixture
def utterances():
    """Return a look-up of scores: two utterances for each of ten speakers, as `ResultsStore.utterances` has
    them.

    For every speaker mel_rvq_8 makes fewer word errors than mel_rvq, and whisper_kmeans fewer than mel_rvq_8.
    PESQ is higher for one or the other in turn. GPE has no scores by utterance.
    """
    edits = {"mel_rvq_8": 1.0, "mel_rvq": 2.0}
    wrong = {"mel_rvq_8": 6.0, "whisper_kmeans": 0.0}
    right = {"mel_rvq": 0.0, "whisper_kmeans": 100.0}

    def frame(row):
        pairs = [(f"{speaker}-{number}", speaker) for speaker in SPEAKERS for number in (0, 1)]
        table = pd.DataFrame(pairs, columns=["utterance_id", "speaker_id"])
        if row.task == "reconstruction":
            table["wer"], table["wer:weight"] = 10 * edits.get(row.tokenizer, 0.0), 10.0
            table["pesq"] = [1.9 + 0.1 * ((n + (row.tokenizer == "mel_rvq")) % 2) for n in range(len(table))]
        elif row.task == "asr_probe":
            table["words_wrong"], table["words"] = wrong.get(row.tokenizer, 0.0), 10.0
        elif row.task == "intent_probe":
            table["intent_accuracy"] = right.get(row.tokenizer, 0.0)
        return table

    return frame
