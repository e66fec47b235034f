"""Tests of the two probing tasks on a few sentences: extra fields of their rows, floor and topline."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from benchmark.data.corpora.synthetic import Synthetic
from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.jobs.job import Job
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.normalize import normalize
from benchmark.results.store import ResultsStore
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.asr_probe import AsrProbe
from benchmark.tasks.base import RunContext
from benchmark.tasks.codebook_usage import CodebookUsageTask
from benchmark.tasks.intent_probe import IntentProbe, action_of
from benchmark.tokenizers.constant import Constant
from benchmark.tokenizers.continuous import Continuous
from benchmark.tokenizers.encoding.encode import fit_codebook
from benchmark.tokenizers.mel_rvq import MelRvq
from benchmark.tokenizers.mfcc_kmeans import MfccKmeans
from benchmark.training.trainer import TrainerConfig

pytest.importorskip("espeakng_loader")
CONF = Path(__file__).resolve().parents[2] / "conf"
TOPLINE = Continuous(name="mfcc_continuous", base=MfccKmeans(name="mfcc_kmeans"), dimensions=39)


def probe(**changes: Any) -> ProbeConfig:
    micro: dict[str, Any] = {
        "name": "micro",
        "embedding_dim": 8,
        "combine": "sum",
        "min_frame_rate": 50,
        "hidden_dim": 8,
        "layers": 1,
        "dropout": 0.0,
        "substitution": 0.1,
        "learning_rate": 0.01,
        "warmup": 0.1,
        "weight_decay": 0.0,
        "grad_clip": 1.0,
        "batch_size": 4,
        "steps_per_epoch": 2,
        "epochs": 1,
        "patience": None,
    }
    return ProbeConfig(**micro | changes)


@pytest.fixture(scope="module")
def corpus() -> Synthetic:
    return Synthetic(name="synthetic", train_utterances=24, dev_utterances=12, test_utterances=12)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    store = ArtifactStore(tmp_path_factory.mktemp("cache"))
    return RunContext(store=store, trainer=TrainerConfig(accelerator="cpu", progress_bar=False))


def test_the_row_says_how_slow_frames_and_impossible_alignments_were_handled(corpus, context) -> None:
    config = probe(min_frame_rate=100, beam=3, units="bpe", bpe_size=60)
    outcome = AsrProbe(name="asr_probe", default_preset="micro", probe=config).run(
        fit_codebook(MfccKmeans(name="mfcc_kmeans", codebook_size=8), corpus, context.store, seed=0),
        corpus,
        context,
    )
    alignment = outcome.notes["alignment"]
    assert alignment["rule"] == "every frame 2 times"
    assert alignment["utterances"] == {"train": 24, "dev": 12, "test": 12}
    assert set(alignment["infeasible"]) == {"train", "dev", "test"}
    assert outcome.status == "NC" and outcome.reason.startswith(outcome.notes["training"]["diagnosis"])
    for measure in outcome.measures:
        assert "prefix beam of 3 without language model" in measure.definition
        assert "CTC over tokens to 60 BPE pieces" in measure.definition


def Constantly(bands: int) -> MfccKmeans:
    """Build an MFCC tokenizer with `bands` codes."""
    return MfccKmeans(name="mfcc_kmeans", codebook_size=bands)


def test_without_a_bit_the_answer_is_the_best_constant(corpus, context) -> None:
    nothing = Constant(name="constant")
    outcome = AsrProbe(name="asr_probe", default_preset="micro", probe=probe()).run(nothing, corpus, context)
    assert outcome.decoder == "constant" and outcome.status == "ok"
    assert set(outcome.utterances["hypothesis"]) == {outcome.notes["answer"]}
    train = [normalize(u.text) for u in corpus.manifest("train", context.store)]
    empty = 100.0
    assert outcome.measures[0].interval.value <= empty + 20
    assert outcome.notes["answer"] in {"", *train, *" ".join(train).split()}

    intents = IntentProbe(name="intent_probe", default_preset="micro", probe=probe()).run(
        nothing, corpus, context
    )
    values = {measure.metric: measure.interval.value for measure in intents.measures}
    assert values["intent_accuracy"] == pytest.approx(intents.notes["majority_accuracy"])
    assert values["intent_accuracy"] <= min(values["scenario_accuracy"], values["action_accuracy"])


def test_the_topline_is_probed_on_its_features(corpus, context) -> None:
    for task in (
        AsrProbe(name="asr_probe", default_preset="micro", probe=probe()),
        IntentProbe(name="intent_probe", default_preset="micro", probe=probe()),
    ):
        outcome = task.run(TOPLINE, corpus, context)
        report = outcome.notes["training"]
        assert report["codebook"] == {}
        assert report["diagnosis"] in ("", "did not learn")
        assert all(np.isfinite(measure.interval.value) for measure in outcome.measures)


def test_codebook_vectors_reach_the_probe(corpus, context) -> None:
    task = IntentProbe(name="intent_probe", default_preset="micro", probe=probe(init="codebook", freeze=True))
    tokenizer = fit_codebook(MelRvq(name="mel_rvq", codebook_size=16), corpus, context.store, seed=0)
    outcome = task.run(tokenizer, corpus, context)
    # 80 dimensions to 8, two directions of an LSTM over 8, 12 intents from 16 features; the table is frozen.
    assert outcome.notes["training"]["parameters"] == 80 * 8 + 2 * (4 * 8 * 16 + 2 * 32) + 12 * 17


def test_intents_are_right_as_a_whole_by_scenario_and_by_action(corpus, context) -> None:
    assert action_of("calendar_set", "calendar") == "set"
    assert action_of("general_joke_tell", "general") == "joke_tell"
    outcome = IntentProbe(name="intent_probe", default_preset="micro", probe=probe()).run(
        TOPLINE, corpus, context
    )
    frame = outcome.utterances
    both = frame["scenario_accuracy"].eq(100) & frame["action_accuracy"].eq(100)
    assert both.eq(frame["intent_accuracy"].eq(100)).all()
    assert outcome.notes["bare_intents_completed"] == {"train": 0, "dev": 0, "test": 0}


def test_only_probes_read_features(corpus, context, tmp_path: Path) -> None:
    results = ResultsStore(tmp_path)
    task = CodebookUsageTask(name="codebook_usage")
    Job(
        profile="test",
        tokenizer=TOPLINE,
        corpus=corpus,
        task=task,
        context=context,
        results=results,
        config={},
    ).run()
    rows = results.job("codebook_usage", "mfcc_continuous", "synthetic", 0)
    assert {row.status for row in rows} == {"n/a"}
    assert all("continuous features" in row.reason for row in rows)


def test_another_preset_has_rows_of_its_own_and_the_usual_one_is_not_part_of_the_key(corpus, context) -> None:
    plain = AsrProbe(name="asr_probe", default_preset="mini", probe=probe(name="asr_mini"))
    assert plain.variant(TOPLINE) == ""
    assert replace(plain, probe=probe(name="asr_dasb")).variant(TOPLINE) == "dasb"
    moved = replace(plain, default_preset="dasb")
    assert moved.variant(TOPLINE) == "mini"
    assert moved.identity(TOPLINE, corpus, context) == plain.identity(TOPLINE, corpus, context)


@pytest.mark.parametrize(
    ("choices", "presets"),
    [
        ([], ("asr_mini", "intent_mini")),
        (["probe=controlled"], ("asr_controlled", "intent_controlled")),
        (["probe=intent_dasb"], (None, "intent_dasb")),
        (["experiment=probing"], ("asr_controlled_mini", "intent_controlled_mini")),
    ],
)
def test_the_group_sets_the_presets_of_all_tasks_or_of_one(choices: list[str], presets: tuple) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=choices)
    names = (config.get(task, {}).get("name") for task in ("asr_probe", "intent_probe"))
    assert tuple(names) == presets


def test_a_preset_of_another_task_is_refused_in_words() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=["task=intent_probe", "probe=asr_dasb"])
    with pytest.raises(
        UserError, match=r"intent_probe: .* begins with intent_, or a suite such as probe=mini"
    ):
        build(config.task)


def test_a_cap_on_steps_is_refused_before_anything_is_made(
    store: ArtifactStore, corpus: Synthetic, tmp_path: Path
) -> None:
    """A capped epoch of ascending lengths would end before the longest utterances."""
    task = AsrProbe(
        name="asr_probe", probe=probe(batching="ascending", steps_per_epoch=None), default_preset="mini"
    )
    trainer = TrainerConfig(accelerator="cpu", progress_bar=False, max_steps=20)
    job = Job(
        profile="mini",
        tokenizer=MfccKmeans(name="mfcc_kmeans"),
        corpus=corpus,
        task=task,
        context=RunContext(store=store, trainer=trainer),
        results=ResultsStore(tmp_path / "results"),
        config={},
    )
    with pytest.raises(UserError, match=r"trainer\.max_steps=20 with batching=ascending"):
        job.key()
    assert not list(store.root.glob("tokens/*"))
