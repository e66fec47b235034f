"""Rows as if the survey's protocol had been run here, with the published numbers in place of ours."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from benchmark.results.published.conditions import Evidence
from benchmark.results.published.judge import counterpart_of
from benchmark.results.published.names import read_conversion_prompts, read_sources
from benchmark.results.published.numbers import FILE, Published, read_numbers
from benchmark.results.published.rules import read_rules
from benchmark.results.row import Row

NEMO = (
    "corpus level (Σ edits / Σ words), jiwer, Whisper English normaliser on both sides, NeMo's default "
    "decoding; ASR NeMo from nvidia/stt_en_fastconformer_transducer_large (NeMo float32)"
)
WHISPER = (
    "corpus level (Σ edits / Σ words), jiwer, Whisper English normaliser on both sides, greedy Whisper; "
    "ASR Whisper large-v3 from openai/whisper-large-v3"
)
CUT = "mean over files, no delay removed, both cut to the shorter"
METRICS: Mapping[tuple[str, str], tuple[str, str, str]] = {
    ("reconstruction", "WER"): ("reconstruction", "wer", NEMO),
    ("reconstruction", "GPE"): (
        "reconstruction",
        "survey_gpe",
        "frames voiced in both whose F0 is off by more than 20 %, pyworld DIO+StoneMask, 60–500 Hz, 10 ms",
    ),
    ("reconstruction", "PESQ"): ("reconstruction", "pesq", f"wideband, 16 kHz, ITU-T P.862.2, {CUT}"),
    ("reconstruction", "STOI"): ("reconstruction", "stoi", f"not extended, resampled as Octave does, {CUT}"),
    ("voice_conversion", "WER"): ("voice_conversion", "wer", NEMO),
    ("voice_conversion", "SECS"): (
        "voice_conversion",
        "secs",
        "cosine of Resemblyzer embeddings of converted speech and the target speaker's prompt",
    ),
    ("voice_conversion", "P.Corr"): (
        "voice_conversion",
        "survey_p_corr",
        f"Pearson correlation of F0 on frames voiced in both, pyworld DIO+StoneMask, {CUT}",
    ),
    ("asr_probe", "WER"): (
        "asr_probe",
        "probe_wer",
        "BiLSTM CTC over tokens to 31 units, prefix beam of 100 without language model",
    ),
    ("intent_probe", "ACC"): (
        "scenario_probe",
        "scenario_target_accuracy",
        "BiLSTM over tokens with pooling, trained on scenarios, share of utterances whose scenario is right",
    ),
}
"""Our task, metric and definition by published task and metric."""

_PROBE = {
    "embedding_dim": 1024,
    "combine": "attention",
    "hidden_dim": 1024,
    "layers": 2,
    "schedule": "newbob",
    "epochs": 20,
    "select": "loss",
}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "decoding": {"vocoder": {"steps": 1_000_000}},
    "asr": {
        "dataset": {
            "_target_": "benchmark.data.corpora.librispeech.LibriSpeech",
            "splits": {
                "train": ["train-clean-100", "train-clean-360", "train-other-500"],
                "test": ["test-clean"],
            },
        },
        "task": {
            "probe": _PROBE
            | {
                "learning_rate": 1e-4,
                "weight_decay": 5e-4,
                "min_frame_rate": 50,
                "beam": 100,
                "units": "characters_31",
            }
        },
    },
    "intent": {
        "dataset": {
            "_target_": "benchmark.data.corpora.slurp.Slurp",
            "recordings": "all",
            "train_parts": ["real"],
        },
        "task": {"probe": _PROBE | {"learning_rate": 2e-4, "batch_size": 2, "min_frame_rate": 0}},
    },
}
"""Configs by the digest that the rows name."""
DECODING = {"dataset": "libritts", "split": "testset-B", "n_scored": 500, "config_digest": "decoding"}
FACTS: Mapping[str, Mapping[str, Any]] = {
    "reconstruction": DECODING | {"notes": {"prompt": "original", "input_rate": 24000}},
    "voice_conversion": DECODING | {"notes": {"prompt": "target", "input_rate": 24000}},
    "asr_probe": {"dataset": "librispeech_960", "n_scored": 2620, "config_digest": "asr"},
    "intent_probe": {"dataset": "slurp", "n_scored": 13078, "config_digest": "intent"},
}
CONVERSIONS = pd.DataFrame(
    [(f"{speaker}_1_000001_000000", prompt) for speaker, prompt in read_conversion_prompts().items()],
    columns=["utterance_id", "target_id"],
)
"""One published conversion of each of the 37 speakers, as scores by utterance."""


def all_numbers() -> list[Published]:
    """Return the published numbers of the package."""
    rules = read_rules()
    numbers, faults = read_numbers(FILE, read_sources(), rules.units, rules.datasets)
    assert faults == []
    return numbers


def evidence(
    configs: Mapping[str, Mapping[str, Any]] = CONFIGS, conversions: pd.DataFrame = CONVERSIONS
) -> Evidence:
    """Return look-ups that know the configs above and the published conversions."""
    return Evidence(lambda digest: configs.get(digest, {}), lambda _: conversions)


def shown(number: Published) -> dict[str, Any]:
    return {"label": number.metric, "unit": number.unit, "higher_is_better": None, "decimals": 2, "place": 0}


def as_ours(make_row: Callable[..., Row], numbers: Iterable[Published], **changes: Any) -> list[Row]:
    """Return a row of the survey's protocol for each published number, which it has for its value."""
    rows = []
    for number in numbers:
        config = counterpart_of(number)
        task, metric, definition = METRICS[number.task, number.metric]
        facts = {
            "profile": "survey",
            "tokenizer": config,
            "kind": "topline" if config == "ground_truth" else "acoustic",
            "decoder": "ctx_vec2wav_survey",
            "task": task,
            "metric": metric,
            "definition": definition,
            "value": number.number,
            "display": shown(number),
            **FACTS[number.task],
        }
        if number.number is None:
            facts |= {"status": "NC", "reason": "the training did not converge"}
        rows.append(make_row(**facts | changes))
    return rows


def shifted(row: Row, value: float) -> Row:
    return replace(row, value=value)
