"""Rows of the survey's protocol as a run would write them, with the published numbers in place of ours.

Configs, definitions, units and names of decoders are those of the experiments in conf/experiment; what only
data can tell (split, number of utterances, sample rate) is that of the published protocol.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pandas as pd

from benchmark.data.corpora.libritts import TESTSET_B, TESTSET_B_SIZE
from benchmark.jobs.build import build, scientific_part
from benchmark.jobs.compose import compose_jobs, open_hydra
from benchmark.metrics.reported import MetricInfo
from benchmark.results.published.conditions import Evidence
from benchmark.results.published.judge import counterpart_of
from benchmark.results.published.names import read_conversion_prompts, read_sources
from benchmark.results.published.numbers import FILE, Published, read_numbers
from benchmark.results.published.rules import read_rules
from benchmark.results.row import Row

EXPERIMENTS = {
    "reconstruction": "survey_reconstruction",
    "voice_conversion": "survey_conversion",
    "asr_probe": "survey_asr",
    "intent_probe": "survey_intent",
}
"""Experiment by published task."""
METRICS = {
    ("reconstruction", "WER"): "wer",
    ("reconstruction", "GPE"): "survey_gpe",
    ("reconstruction", "PESQ"): "versa_pesq",
    ("reconstruction", "STOI"): "versa_stoi",
    ("voice_conversion", "WER"): "wer",
    ("voice_conversion", "SECS"): "secs",
    ("voice_conversion", "P.Corr"): "survey_p_corr",
    ("asr_probe", "WER"): "probe_wer",
    ("intent_probe", "ACC"): "scenario_target_accuracy",
}
"""Our metric by published task and metric."""
LIST_B = {"split": TESTSET_B, "n_scored": TESTSET_B_SIZE[0]}
DATA: Mapping[str, Mapping[str, Any]] = {
    "reconstruction": LIST_B,
    "voice_conversion": LIST_B,
    "asr_probe": {"n_scored": 2620},
    "intent_probe": {"n_scored": 13078},
}
"""What a row takes from the data, by published task."""
WHISPER = (
    "corpus level (Σ edits / Σ words), jiwer, Whisper English normaliser on both sides, greedy Whisper; "
    "ASR Whisper large-v3 from openai/whisper-large-v3"
)
"""Definition of WER by another listener."""
CONVERSIONS = pd.DataFrame(
    [(f"{speaker}_1_000001_000000", prompt) for speaker, prompt in read_conversion_prompts().items()],
    columns=["utterance_id", "target_id"],
)
"""One published conversion of each of the 37 speakers, as scores by utterance."""


@dataclass(frozen=True)
class Step:
    """One experiment of the protocol: its config as kept beside rows, and what its task says of a row."""

    config: Mapping[str, Any]
    task: Any
    definitions: Mapping[str, MetricInfo]

    def facts(self, config: str, metric: str) -> dict[str, Any]:
        """Return what a row of a tokenizer says, apart from its number and from the data."""
        info = self.definitions[metric]
        names = ("label", "unit", "higher_is_better", "decimals")
        return {
            "profile": self.config["profile_name"],
            "dataset": self.config["dataset"]["name"],
            "task": self.task.name,
            "metric": metric,
            "definition": info.definition,
            "display": {name: getattr(info, name) for name in names} | {"place": 0},
        } | self._decoding(config)

    def _decoding(self, config: str) -> dict[str, Any]:
        if hasattr(self.task, "probe"):
            return {"decoder": self.task.probe.name}
        groups = read_rules().conditions.groups
        notes: dict[str, Any] = {"input_rate": 24_000 if config in groups["codecs_24khz"] else 16_000}
        if hasattr(self.task, "prompt") and config in groups["prompted"]:
            notes["prompt"] = self.task.prompt
        return {
            "decoder": self.task.vocoder.label if config in groups["vocoder"] else "own",
            "notes": notes,
        }


@cache
def protocol() -> Mapping[str, Step]:
    """Compose and build the four experiments, by published task."""
    steps = {}
    with open_hydra() as hydra:
        for task, experiment in EXPERIMENTS.items():
            words = [f"experiment={experiment}", "tokenizer=hubert_large_l24"]
            (cfg,) = compose_jobs(hydra, words, multirun=False)
            made = build(cfg.task)
            steps[task] = Step(scientific_part(cfg), made, made.definitions())
    return steps


@cache
def all_numbers() -> list[Published]:
    """Return the published numbers of the package."""
    rules = read_rules()
    numbers, faults = read_numbers(FILE, read_sources(), rules.units, rules.datasets)
    assert faults == []
    return numbers


def configs() -> dict[str, Mapping[str, Any]]:
    """Return the configs of the protocol by the digest that the rows name, which is the published task."""
    return {task: step.config for task, step in protocol().items()}


def evidence(
    known: Mapping[str, Mapping[str, Any]] | None = None, conversions: pd.DataFrame = CONVERSIONS
) -> Evidence:
    """Return look-ups that know some configs, by default the protocol's, and the published conversions."""
    found = configs() if known is None else known
    return Evidence(lambda digest: found.get(digest, {}), lambda _: conversions)


def as_ours(make_row: Callable[..., Row], numbers: Iterable[Published], **changes: Any) -> list[Row]:
    """Return a row of the survey's protocol for each published number, which it has for its value."""
    rows = []
    for number in numbers:
        config = counterpart_of(number)
        facts = protocol()[number.task].facts(config, METRICS[number.task, number.metric])
        facts |= DATA[number.task] | {
            "tokenizer": config,
            "kind": "topline" if config in read_rules().recordings else "acoustic",
            "config_digest": number.task,
            "value": number.number,
        }
        if number.number is None:
            facts |= {"status": "NC", "reason": "the training did not converge"}
        rows.append(make_row(**facts | changes))
    return rows


def shifted(row: Row, value: float) -> Row:
    return replace(row, value=value)
