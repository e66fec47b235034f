"""Tests of the codebook task on spoken sentences: values with a known answer, reasons for missing ones."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.data.corpora.synthetic import Synthetic
from benchmark.errors import UserError
from benchmark.extractors.phones.aligner import KnownPhones
from benchmark.extractors.phones.segments import SILENCE
from benchmark.extractors.phones.store import phone_tiers
from benchmark.jobs.job import Job
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.token_store import TokenStore, TokenWriter
from benchmark.tasks.base import Outcome, RunContext
from benchmark.tasks.codebook_usage import CodebookUsageTask
from benchmark.tasks.probing.code_content import of_phones, token_centres
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.constant import Constant
from benchmark.tokenizers.ground_truth import GroundTruth
from benchmark.tokenizers.shuffled import Shuffled
from benchmark.training.trainer import TrainerConfig
from benchmark.types import TokenizerSpec

pytest.importorskip("espeakng_loader")
CORPUS = Synthetic(name="synthetic", train_utterances=12, dev_utterances=12, test_utterances=36)
TASK = CodebookUsageTask(name="codebook_usage")
HOP = 160


@dataclass(kw_only=True)
class Sound(Tokenizer):
    """A tokenizer with two codebooks every 10 ms: presence of sound, and its loudness in 16 steps."""

    @property
    def spec(self) -> TokenizerSpec:
        return TokenizerSpec(
            name=self.name,
            kind="acoustic",
            sample_rate=16_000,
            frame_rate=100,
            codebook_sizes=(2, 16),
            causal=True,
            can_decode=False,
            supports_padding=True,
        )

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        power = wav.unfold(1, HOP, HOP).square().mean(-1)
        level = (2.5 * (power + 1e-8).log10() + 20).round().clamp(0, 15)
        return torch.stack((power > 1e-6, level), 1).long(), lengths // HOP


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    store = ArtifactStore(tmp_path_factory.mktemp("analysis"))
    return RunContext(store=store, trainer=TrainerConfig(accelerator="cpu"))


def value(outcome: Outcome, metric: str) -> float:
    return next(m.interval.value for m in outcome.measures if m.metric == metric)


@pytest.fixture(scope="module")
def sound(context: RunContext) -> Outcome:
    return TASK.run(Sound(name="sound"), CORPUS, context)


def test_phones_are_those_at_the_time_of_the_code(sound: Outcome, context: RunContext) -> None:
    tiers = phone_tiers(CORPUS, "test", KnownPhones(), context.store)
    assert tiers is not None
    durations = [np.diff(phones.ends, prepend=0) for phones in tiers.values()]
    silent = sum(
        d[np.array(p.labels) == SILENCE].sum() for d, p in zip(durations, tiers.values(), strict=True)
    )
    # The first codebook separates silence (and closures) from the rest, so it informs about silence at most.
    share = silent / sum(d.sum() for d in durations)
    assert 0.05 < share < 0.2
    first, second = sound.notes["pnmi_by_book"]
    assert 0.05 < first < second < 0.5 and second > 2 * sound.notes["pnmi_chance_by_book"][1]
    assert sound.notes["phone_book"] == 1 and value(sound, "pnmi") == second
    assert value(sound, "phone_purity") == sound.notes["phone_purity_by_book"][1] > share
    assert value(sound, "cluster_purity") == sound.notes["cluster_purity_by_book"][1]
    definition = next(m.definition for m in sound.measures if m.metric == "pnmi")
    assert definition.endswith("phones known exactly by the corpus")


def test_shuffled_codes_keep_the_speaker_and_lose_the_phones(sound: Outcome, context: RunContext) -> None:
    shuffled = TASK.run(Shuffled(name="shuffled", base=Sound(name="sound")), CORPUS, context)
    assert value(shuffled, "speaker_accuracy") == value(sound, "speaker_accuracy")
    assert value(shuffled, "used") == value(sound, "used")
    assert value(shuffled, "pnmi") < 0.05 < value(sound, "pnmi") / 3
    assert value(shuffled, "run_length") < 0.5 * value(sound, "run_length")


def test_a_code_that_never_changes(context: RunContext) -> None:
    outcome = TASK.run(Constant(name="constant"), CORPUS, context)
    assert value(outcome, "pnmi") == 0 and value(outcome, "cluster_purity") == 1
    chance = outcome.notes["speaker_accuracy_chance"]
    assert chance == pytest.approx(100 / 6) and value(outcome, "speaker_accuracy") <= 1.5 * chance
    assert not outcome.statuses


def test_statistics_of_codes_have_intervals_over_speakers(sound: Outcome) -> None:
    found = {measure.metric: measure.interval for measure in sound.measures}
    for name in ("perplexity", "entropy", "bitrate_entropy", "bitrate_conditional", "run_length", "pnmi"):
        assert found[name].lo < found[name].value < found[name].hi, name
    assert np.isnan(found["bitrate_nominal"].lo)
    chance = found["bitrate_conditional_chance"].value
    assert found["bitrate_conditional"].value < 0.9 * chance
    assert found["bitrate_entropy"].value < chance < 1.05 * found["bitrate_entropy"].value


def test_growth_ends_with_all_speech(sound: Outcome) -> None:
    growth = sound.notes["growth"]
    assert growth["hours"][-1] == pytest.approx(sound.notes["frames"] / 100 / 3600)
    assert 100 * growth["used"][-1] == pytest.approx(value(sound, "used"))
    assert growth["perplexity"][-1] == pytest.approx(value(sound, "perplexity"))
    assert len(growth["hours"]) >= 3 and growth["used"] == sorted(growth["used"])


def rows_of(tokenizer: Tokenizer, corpus: Synthetic, context: RunContext, folder: Path) -> dict[str, Row]:
    results = ResultsStore(folder)
    Job(
        profile="mini",
        tokenizer=tokenizer,
        corpus=corpus,
        task=TASK,
        context=context,
        results=results,
        config={},
    ).run()
    return {row.metric: row for row in results.rows()}


def test_samples_are_no_phones(context: RunContext, tmp_path: Path) -> None:
    rows = rows_of(GroundTruth(name="ground_truth"), CORPUS, context, tmp_path)
    assert {metric for metric, row in rows.items() if row.status == "n/a"} == {
        "phone_purity", "cluster_purity", "pnmi", "speaker_accuracy",
    }  # fmt: skip
    assert "16000 frames per second are samples" in rows["pnmi"].reason
    assert rows["run_length"].status == "ok"


def test_without_phones_the_row_says_how_to_get_them(
    context: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Synthetic, "phones", lambda self, split: None)
    rows = rows_of(Sound(name="sound"), CORPUS, context, tmp_path)
    for metric in ("phone_purity", "cluster_purity", "pnmi"):
        assert rows[metric].status == "n/a" and "aligner=wav2vec2_phoneme" in rows[metric].reason
    assert {rows["used"].status, rows["speaker_accuracy"].status} == {"ok"}


def test_too_few_utterances_for_speakers_are_said(context: RunContext) -> None:
    small = replace(CORPUS, test_utterances=12)
    outcome = TASK.run(Sound(name="sound"), small, context)
    assert outcome.statuses == {
        "speaker_accuracy": (
            "n/a", "fewer than two speakers have 5 test utterances, one for each fold"
        )
    }  # fmt: skip


def test_a_token_is_centred_on_what_its_tokenizer_says() -> None:
    spec = replace(Sound(name="sound").spec, frame_rate=50, frame_offset=40)
    assert token_centres(spec, 2, stride=1) == pytest.approx([0.0125, 0.0325])
    assert token_centres(spec, 2, stride=4) == pytest.approx([0.0425, 0.1225])


def test_codes_that_are_the_phones_at_their_centres_know_all_of_them(
    context: RunContext, tmp_path: Path
) -> None:
    tiers = phone_tiers(CORPUS, "test", KnownPhones(), context.store)
    assert tiers is not None
    numbers = {
        label: place for place, label in enumerate(sorted({x for p in tiers.values() for x in p.labels}))
    }
    rates = {"frame_rate": 50, "codebook_frame_rates": (50.0, 12.5), "codebook_sizes": (64, 64)}
    spec = replace(Sound(name="sound").spec, frame_offset=-80, **rates)
    writer = TokenWriter(tmp_path, 2, 64)
    for name, phones in tiers.items():
        frames = int(50 * phones.ends[-1])
        fine, coarse = (
            np.repeat([numbers[x] for x in phones.at(token_centres(spec, -(-frames // s), s))], s)[:frames]
            for s in (1, 4)
        )
        writer.add(name, np.stack((fine, coarse)))
    writer.close()
    found = of_phones(tiers, TokenStore(tmp_path), spec, dict.fromkeys(tiers, "anyone"))
    assert found.notes["pnmi_by_book"] == pytest.approx([1, 1])
    assert found.notes["phone_purity_by_book"] == found.notes["cluster_purity_by_book"] == [1, 1]


def test_the_key_depends_on_the_aligner(context: RunContext) -> None:
    from benchmark.extractors.phones.wav2vec2 import CTCAligner

    absent = CodebookUsageTask(name="codebook_usage", aligner=CTCAligner(checkpoint="nobody/nothing"))
    with pytest.raises(UserError, match="hf download nobody/nothing"):
        absent.identity(Sound(name="sound"), CORPUS, context)
    assert TASK.identity(Sound(name="sound"), CORPUS, context)["aligner"]["version"] == KnownPhones.version
