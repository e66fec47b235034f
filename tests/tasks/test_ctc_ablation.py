"""Tests of the three heads on a few sentences: shared probes, the status of each row, refused configs."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from benchmark.data.corpora.synthetic import Synthetic
from benchmark.errors import UserError
from benchmark.extractors.phones.aligner import KnownPhones
from benchmark.extractors.phones.segments import SILENCE
from benchmark.extractors.phones.store import phone_tiers
from benchmark.jobs.build import build
from benchmark.jobs.job import Job
from benchmark.models.probes.config import AttentionConfig, ProbeConfig
from benchmark.results.store import ResultsStore
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.asr_probe import AsrProbe
from benchmark.tasks.base import RunContext
from benchmark.tasks.ctc_ablation import CtcAblation
from benchmark.tasks.phone_probe import PhoneProbe, frame_phones
from benchmark.tasks.probing.base import tokenized_splits
from benchmark.tokenizers.constant import Constant
from benchmark.tokenizers.encoding.encode import fit_codebook
from benchmark.tokenizers.mfcc_kmeans import MfccKmeans
from benchmark.training.trainer import TrainerConfig

pytest.importorskip("espeakng_loader")
CONF = Path(__file__).resolve().parents[2] / "conf"
ALIGNER = KnownPhones()
CODES = MfccKmeans(name="mfcc_kmeans", codebook_size=64)
CTC = ProbeConfig(
    name="asr_micro",
    embedding_dim=16,
    combine="sum",
    min_frame_rate=50,
    hidden_dim=16,
    layers=1,
    dropout=0.0,
    substitution=0.0,
    learning_rate=0.02,
    warmup=0.1,
    weight_decay=0.0,
    grad_clip=1.0,
    batch_size=4,
    steps_per_epoch=10,
    epochs=2,
    patience=None,
)
ATTENTION = AttentionConfig(**asdict(CTC) | {"name": "asr_attention_micro"})
PHONES = replace(CTC, name="phones_micro")


class Mute(Synthetic):
    """A corpus without phone labels."""

    def phones(self, split: str) -> Any:
        return None


@pytest.fixture(scope="module")
def corpus() -> Synthetic:
    return Synthetic(name="synthetic", train_utterances=24, dev_utterances=12, test_utterances=12)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    store = ArtifactStore(tmp_path_factory.mktemp("cache"))
    return RunContext(store=store, trainer=TrainerConfig(accelerator="cpu", progress_bar=False))


def ablation(**changes: Any) -> CtcAblation:
    arguments: dict[str, Any] = {"probe": CTC, "attention": ATTENTION, "phones": PHONES, "aligner": ALIGNER}
    return CtcAblation(name="ctc_ablation", default_preset="micro", **arguments | changes)


def test_each_head_is_the_task_of_its_own_on_the_same_probe(corpus, context, tmp_path: Path) -> None:
    codes = fit_codebook(CODES, corpus, context.store, seed=0)
    asr = AsrProbe(name="asr_probe", default_preset="micro", probe=CTC).run(codes, corpus, context)
    before = {reference for reference in context.store.used if reference.startswith("probes/")}
    task = ablation()
    outcome = task.run(codes, corpus, context)
    probes = {reference for reference in context.store.used if reference.startswith("probes/")}
    assert len(before) == 1 and len(probes) == 3, "the CTC probe is not trained again"

    values = {measure.metric: measure for measure in outcome.measures}
    assert list(values) == ["probe_wer", "attention_wer", "phone_error"]
    assert values["probe_wer"].interval == asr.measures[0].interval
    assert "CTC over tokens, greedy" in values["probe_wer"].definition
    assert "attention decoder over tokens, greedy, at most 30 labels/s" in values["attention_wer"].definition
    assert values["phone_error"].definition.endswith(ALIGNER.source)
    assert outcome.decoder == "asr_micro+asr_attention_micro+phones_micro"

    heads = outcome.notes["heads"]
    for metric, notes in heads.items():
        status, reason = outcome.statuses[metric]
        assert status == notes["training"]["status"] and reason.startswith(notes["training"]["reason"])
        assert len(notes["training"]["curve"]) == 2
    assert outcome.statuses["phone_error"][0] == "ok", "frames are learned in no time"
    assert outcome.statuses["probe_wer"][0] == "NC", "transcripts are not"
    assert heads["attention_wer"]["alignment"]["infeasible"] == {"train": 0, "dev": 0, "test": 0}

    frame = outcome.utterances
    assert len(frame) == 12 and frame["utterance_id"].is_unique
    for metric, wrong, total in (
        ("probe_wer", "words_wrong", "words"),
        ("attention_wer", "words_wrong", "words"),
        ("phone_error", "frames_wrong", "frames"),
    ):
        share = frame[f"{metric}:{wrong}"].sum() / frame[f"{metric}:{total}"].sum()
        assert values[metric].interval.value == pytest.approx(100 * share)

    results = ResultsStore(tmp_path)
    job = {"profile": "test", "tokenizer": CODES, "corpus": corpus, "context": context, "config": {}}
    Job(task=task, results=results, **job).run()
    rows = results.job("ctc_ablation", "mfcc_kmeans", "synthetic", 0)
    assert {row.metric: row.status for row in rows} == {m: s for m, (s, _) in outcome.statuses.items()}


def test_a_frame_s_phone_is_the_one_at_its_centre(corpus, context) -> None:
    train, _, _ = tokenized_splits(fit_codebook(CODES, corpus, context.store, seed=0), corpus, context)
    tiers = phone_tiers(corpus, "train", ALIGNER, context.store)
    assert tiers is not None
    for rate in (50, 100):
        phones = frame_phones(tiers, train.tokens, CODES.spec, replace(PHONES, min_frame_rate=rate))
        assert phones.keys() == set(train.tokens)
        for key, row in phones.items():
            assert len(row) == train.tokens.frames(key) * rate // 50
            frame = len(row) // 3
            labels, ends = tiers[key].labels, tiers[key].ends.tolist()
            centre = (frame + 0.5) / rate
            assert row[frame] == next(label for label, end in zip(labels, ends, strict=True) if centre < end)
            assert row[0] == row[-1] == SILENCE


def test_where_no_phones_are_known_only_their_head_is_left_out(corpus, context) -> None:
    mute = Mute(name="mute", train_utterances=24, dev_utterances=12, test_utterances=12)
    outcome = ablation().run(fit_codebook(CODES, mute, context.store, seed=0), mute, context)
    status, reason = outcome.statuses["phone_error"]
    assert status == "n/a" and "mute has no phones" in reason and "aligner=wav2vec2_phoneme" in reason
    assert [measure.metric for measure in outcome.measures] == ["probe_wer", "attention_wer"]


def test_without_a_bit_every_head_gives_its_constant_answer(corpus, context) -> None:
    outcome = ablation().run(Constant(name="constant"), corpus, context)
    assert outcome.decoder == "constant"
    assert set(outcome.statuses.values()) == {("ok", "")}
    heads = outcome.notes["heads"]
    assert heads["phone_error"]["answer"] == SILENCE
    assert set(outcome.utterances["phone_error:hypothesis"]) == {SILENCE}
    assert heads["probe_wer"]["answer"] == heads["attention_wer"]["answer"]


def test_the_row_s_key_knows_the_aligner(corpus, context) -> None:
    class Other(KnownPhones):
        version = 2

    for task in (
        ablation(),
        PhoneProbe(name="phone_probe", default_preset="micro", probe=PHONES, aligner=ALIGNER),
    ):
        keys = [
            replace(task, aligner=aligner).identity(CODES, corpus, context) for aligner in (ALIGNER, Other())
        ]
        assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": None}, "'asr_micro' sets no attention_probe; .*probe=mini, controlled"),
        ({"phones": None}, "sets no phone_probe"),
        ({"probe": ATTENTION}, "must be a CTC preset"),
        ({"attention": CTC}, "an attention preset"),
        ({"phones": replace(PHONES, hidden_dim=9, epochs=3)}, "'phones_micro' differ in hidden_dim, epochs"),
    ],
)
def test_presets_that_show_no_head_alone_are_refused(changes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ablation(**changes)


def test_suites_compose_the_task_and_others_are_refused() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for suite in ("mini", "controlled", "controlled_mini"):
            task = build(compose("config", overrides=["task=ctc_ablation", f"probe={suite}"]).task)
            assert (task.probe.name, task.variant(CODES)) == (
                f"asr_{suite}",
                "" if suite == "mini" else suite,
            )
        with pytest.raises(UserError, match="'asr_dasb' sets no attention_probe"):
            build(compose("config", overrides=["task=ctc_ablation", "probe=dasb"]).task)
        phones = build(compose("config", overrides=["task=phone_probe"]).task)
        assert (phones.probe.name, phones.variant(CODES)) == ("phones_mini", "")
