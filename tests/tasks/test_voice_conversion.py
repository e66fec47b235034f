"""Tests of voice conversion: scores by condition, a fixed list of pairs, and the choice of the decoder."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from benchmark.data.audio import read_audio
from benchmark.data.corpora.base import Corpus
from benchmark.data.corpora.synthetic import Synthetic
from benchmark.errors import UserError
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import RunContext
from benchmark.tasks.decoding.prompts import own_prompts
from benchmark.tasks.decoding.resynthesis import resynthesise
from benchmark.tasks.reconstruction import Reconstruction
from benchmark.tasks.voice_conversion import VoiceConversion
from benchmark.tokenizers.encoding.encode import fit_codebook
from benchmark.tokenizers.ground_truth import GroundTruth
from benchmark.tokenizers.mel_bigvgan import MelBigVgan
from benchmark.tokenizers.mel_rvq import MelRvq
from benchmark.tokenizers.opus import Opus

CONFIG = VocoderConfig(name="parrot")
THREE = ["same_gender", "cross_gender", "cross_lingual"]


def conversion(metrics: Any, **arguments: Any) -> VoiceConversion:
    return VoiceConversion(name="voice_conversion", metrics=metrics, vocoder=CONFIG, **arguments)


@pytest.fixture
def codec() -> Opus:
    return Opus(name="opus_6k", bitrate=6000)


def values(outcome: Any) -> dict[str, float]:
    return {measure.metric: measure.interval.value for measure in outcome.measures}


def test_every_metric_is_there_overall_and_by_condition(
    voices: Corpus, context: RunContext, metrics: Any, parrot: None, codec: Opus
) -> None:
    task = conversion(metrics, decoder="vocoder")
    outcome = task.run(codec, voices, context)
    assert outcome.decoder == CONFIG.label and outcome.statuses == {}
    assert sorted(values(outcome)) == sorted(task.definitions()) and len(task.definitions()) == 4 * 4
    assert set(task.definitions()) & set(metrics) == {"wer", "secs", "secs_source", "p_corr"}
    by_name = {measure.metric: measure for measure in outcome.measures}
    assert by_name["secs"].interval.n_scored == 18
    assert [by_name[f"secs/{condition}"].interval.n_scored for condition in THREE] == [6, 6, 6]
    assert by_name["wer/same_gender"].interval.value == 0
    # A parrot has the target's voice and not the source's, which differs most across genders.
    assert values(outcome)["secs"] > 0.95 > values(outcome)["secs_source"]
    frame = outcome.utterances
    for condition in THREE:
        part = frame[frame["condition"] == condition]
        for metric in ("secs", "secs_source", "p_corr"):
            assert values(outcome)[f"{metric}/{condition}"] == pytest.approx(part[metric].mean(), nan_ok=True)
    assert frame["secs"].notna().all() and frame["secs_source"].notna().all()


def test_the_list_is_in_the_outcome_and_the_same_for_every_tokenizer(
    voices: Corpus, context: RunContext, metrics: Any, parrot: None, codec: Opus
) -> None:
    first = conversion(metrics, decoder="vocoder").run(codec, voices, context)
    second = conversion(metrics).run(GroundTruth(name="ground_truth"), voices, context)
    assert list(first.lists) == ["pairs/voices.csv"] and first.lists == second.lists
    listed = pd.read_csv(io.StringIO(first.lists["pairs/voices.csv"]))
    frame = first.utterances.rename(columns={"utterance_id": "source_id"})
    pd.testing.assert_frame_equal(frame[listed.columns].astype(str), listed.astype(str), check_dtype=False)
    assert first.notes["pairs"]["conditions"] == dict.fromkeys(sorted(THREE), 6)
    assert second.decoder == "unconverted" and values(second)["secs_source"] == pytest.approx(1, abs=1e-4)


def test_what_the_corpus_cannot_do_is_absent_with_the_reason(
    voices: Any, context: RunContext, metrics: Any, parrot: None, codec: Opus
) -> None:
    voices.foreign = False
    outcome = conversion(metrics, decoder="vocoder").run(codec, voices, context)
    names = ("wer", "secs", "secs_source", "p_corr")
    why = "n/a", "no recordings in another language"
    assert outcome.statuses == {f"{m}/cross_lingual": why for m in names}
    assert not outcome.statuses.keys() & values(outcome).keys()
    assert outcome.notes["pairs"]["conditions"] == {"cross_gender": 9, "same_gender": 9}


def test_a_given_list_is_the_same_job_as_the_one_that_was_made(
    voices: Corpus, context: RunContext, metrics: Any, codec: Opus, tmp_path: Path
) -> None:
    made = conversion(metrics)
    pairing = made.conversion(voices, context.store).pairing
    path = tmp_path / "pairs.csv"
    path.write_text(pairing.to_csv())
    given = conversion(metrics, pairs=str(path))
    assert given.identity(codec, voices, context) == made.identity(codec, voices, context)
    other = conversion(metrics, pairing_seed=1)
    assert other.identity(codec, voices, context) != made.identity(codec, voices, context)
    lines = pairing.to_csv().splitlines()
    path.write_text("\n".join(lines[:3]) + "\n")
    shorter = given.conversion(voices, context.store)
    assert len(shorter.sources) == 2 and sum(shorter.pairing.counts().values()) == 2
    absent = set(THREE) - shorter.pairing.counts().keys()
    assert shorter.pairing.left_out == dict.fromkeys(absent, "pairs.csv has no such pair")
    assert given.identity(codec, voices, context) != made.identity(codec, voices, context)
    path.write_text(pairing.to_csv())
    for condition, others in (
        ("cross_lingual", "cross_gender, same_gender"),
        ("same_gender", "cross_gender, cr"),
    ):
        only = conversion(metrics, pairs=str(path), conditions=[condition])
        with pytest.raises(
            UserError, match=rf"conditions {others}.*set task\.conditions=\[same_gender,cross_g"
        ):
            only.conversion(voices, context.store)


def test_converting_to_oneself_is_reconstruction(
    voices: Corpus, context: RunContext, metrics: Any, parrot: None
) -> None:
    bare = MelRvq(name="mel_rvq", num_codebooks=1, codebook_size=4)
    tokenizer = fit_codebook(bare, voices, context.store, seed=0)
    self_converted = conversion(metrics, conditions=["self"]).run(tokenizer, voices, context)
    before = set((context.store.root / "resynthesis").iterdir())
    task = Reconstruction(name="reconstruction", metrics=metrics, vocoder=CONFIG)
    reconstructed = task.run(tokenizer, voices, context)
    assert set((context.store.root / "resynthesis").iterdir()) == before  # no new speech was decoded
    assert values(self_converted)["wer/self"] == values(reconstructed)["wer"]
    assert (self_converted.utterances["target_speaker"] == self_converted.utterances["speaker_id"]).all()
    assert (self_converted.utterances["target_id"] != self_converted.utterances["utterance_id"]).all()


def test_there_are_the_same_three_to_listen_to_and_the_worst_and_the_best(
    voices: Corpus, context: RunContext, metrics: Any, parrot: None, codec: Opus
) -> None:
    outcome = conversion(metrics, decoder="vocoder").run(codec, voices, context)
    pairs = {row.condition: row for row in outcome.utterances[::-1].itertuples()}  # the first of each wins
    wanted = [pairs[condition].utterance_id for condition in THREE]
    ranked = outcome.utterances.sort_values("wer", kind="stable", ascending=False)["utterance_id"].tolist()
    best = outcome.utterances.sort_values("wer", kind="stable")["utterance_id"].iloc[0]
    assert set(outcome.audio) == {
        f"{name}_{role}.wav"
        for name in {*wanted, *ranked[:2], best}
        for role in ("source", "prompt", "converted")
    }
    for name, content in outcome.audio.items():
        info = soundfile.info(io.BytesIO(content))
        assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAV", "PCM_16", 16000, 1), (
            name
        )
    source, _ = soundfile.read(io.BytesIO(outcome.audio[f"{wanted[0]}_source.wav"]), dtype="float32")
    test = voices.manifest("test", context.store)
    np.testing.assert_allclose(source, read_audio(test[wanted[0]].audio_path), atol=1e-4)
    task = Reconstruction(name="reconstruction", metrics=metrics, vocoder=CONFIG)
    names = {"s0-en-0", "s1-en-0", "s2-en-0"}
    assert set(task.run(codec, voices, context).audio) >= {
        f"{name}_{role}.wav" for name in names for role in ("source", "reconstructed")
    }


def test_every_line_of_scores_says_what_was_read(
    voices: Corpus, context: RunContext, metrics: Any, parrot: None, codec: Opus
) -> None:
    frame = conversion(metrics, decoder="vocoder").run(codec, voices, context).utterances
    test = voices.manifest("test", context.store)
    assert frame["reference"].tolist() == [test[name].text for name in frame["utterance_id"]]


def test_decoding_by_the_vocoder_is_a_variant_and_other_files(
    voices: Corpus, context: RunContext, metrics: Any, parrot: None, codec: Opus, tmp_path: Path
) -> None:
    auto, own, forced = (conversion(metrics, decoder=d) for d in ("auto", "own", "vocoder"))
    assert [task.variant(codec) for task in (auto, own, forced)] == ["", "", "vocoder"]
    assert auto.identity(codec, voices, context) == own.identity(codec, voices, context)
    assert auto.identity(codec, voices, context) != forced.identity(codec, voices, context)
    without = MelRvq(name="mel_rvq")
    assert auto.variant(without) == forced.variant(without) == ""
    assert auto.identity(without, voices, context) == forced.identity(without, voices, context)
    truth = GroundTruth(name="ground_truth")
    assert forced.variant(truth) == ""  # the topline is the recording itself
    for made, story in ((own, r"mel_rvq has no decoder of its own.*decoder=auto, decoder=vocoder"),):
        with pytest.raises(UserError, match=story):
            made.variant(without)
    with pytest.raises(UserError, match=r"unknown decoder 'both'.*auto, own, vocoder"):
        conversion(metrics, decoder="both").variant(codec)
    assert auto.reads(codec, voices) == ("test", "test_de")
    assert forced.reads(codec, voices) == ("train", "dev", "test", "test_de")
    refused = auto.run(codec, voices, context)
    assert refused.status == "n/a" and "decoder=vocoder can" in refused.reason
    features = MelBigVgan(name="mel_bigvgan", checkpoint=str(tmp_path / "none"))  # no vocoder takes features
    for task in (auto, forced):
        refused = task.run(features, voices, context)
        assert (refused.status, refused.decoder) == ("n/a", "none")
        assert refused.reason == "its own decoder takes no target prompt, so it cannot convert"

    test = voices.manifest("test", context.store)
    prompts = {u.utterance_id: u for u in test}
    plain = resynthesise(codec, voices, test, prompts, CONFIG, context)
    spoken = resynthesise(codec, voices, test, prompts, CONFIG, context, "vocoder")
    assert (plain.decoder, spoken.decoder) == ("own", CONFIG.label) and plain.folder != spoken.folder


def test_listed_prompts_are_those_of_reconstruction_and_the_voices_to_convert_to(
    listed: Corpus, context: RunContext, metrics: Any
) -> None:
    test = listed.manifest("test", context.store)
    prompts = own_prompts(listed, test, context.store)
    assert {name: prompt.utterance_id for name, prompt in prompts.items()} == {
        u.utterance_id: f"{u.speaker_id}-en-2" for u in test
    }
    task = conversion(metrics)
    assert task.reads(GroundTruth(name="g"), listed) == ("test", "test_prompts", "test_de")
    made = task.conversion(listed, context.store)
    assert made.pairing.counts() == dict.fromkeys(sorted(THREE), 4)
    for pair in made.pairing.pairs:
        number = "de-0" if pair.condition == "cross_lingual" else "en-2"
        assert pair.target_id == f"{pair.target_speaker}-{number}" != prompts[pair.source_id].utterance_id
    to_self = conversion(metrics, conditions=["self"]).conversion(listed, context.store)
    assert to_self.targets == prompts


def test_mistakes_in_the_conditions_name_the_legal_ones(metrics: Any) -> None:
    with pytest.raises(UserError, match=r"'crosslingual'. Did you mean 'cross_lingual'"):
        conversion(metrics, conditions=["crosslingual"])
    for conditions in ([], ["self", "self"]):
        with pytest.raises(UserError, match="each once"):
            conversion(metrics, conditions=conditions)


def test_the_synthetic_corpus_converts_across_languages(store: ArtifactStore, metrics: Any) -> None:
    corpus = Synthetic(name="synthetic", train_utterances=24, dev_utterances=12, test_utterances=12)
    task = conversion(metrics)
    assert task.reads(GroundTruth(name="g"), corpus) == ("test", "test_de", "test_fr", "test_es")
    made = task.conversion(corpus, store)
    assert made.pairing.counts() == dict.fromkeys(sorted(THREE), 4) and made.pairing.left_out == {}
    for pair in made.pairing.pairs:
        abroad = made.targets[pair.source_id].language != "en"
        assert abroad is (pair.condition == "cross_lingual")
    assert conversion(metrics, conditions=THREE[:2]).reads(GroundTruth(name="g"), corpus) == ("test",)
