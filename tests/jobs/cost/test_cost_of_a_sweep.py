"""Tests of the cost of sweeps that are small enough to be computed by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.jobs.cost.parameter_counts import probe_size, vocoder_size
from benchmark.jobs.cost.sweep import Sweep, hours
from benchmark.models.probes.asr import make_asr_probe
from benchmark.models.probes.units import Characters
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.model import CTXVec2Wav
from benchmark.tasks.costs import CostItem
from benchmark.tasks.probing.heads import TRANSCRIPTS

SMALL = ("dataset.train_utterances=1000", "dataset.dev_utterances=100", "dataset.test_utterances=200")
# Utterances of 3.4 s each are assumed without manifests: 3400, 340 and 680 s.


def of(sweep: Sweep, stage: str, owner: str) -> list[CostItem]:
    return [piece for piece in sweep.pieces.values() if (piece.stage, piece.owner) == (stage, owner)]


def seconds(sweep: Sweep, stage: str, owner: str) -> float:
    return sum(piece.seconds for piece in of(sweep, stage, owner))


def test_every_stage_as_reckoned_by_hand(plan: Callable[..., Sweep]) -> None:
    sweep = plan("tokenizer=mel_rvq", "task=reconstruction,asr_probe", "limit=50", *SMALL)
    # mel_rvq encodes at ten times real time: once for the codebook, once for each split, and once for the
    # 50 utterances that are decoded, which have a manifest of their own.
    assert seconds(sweep, "codebook", "mel_rvq") == pytest.approx(340)
    assert seconds(sweep, "tokens", "mel_rvq") == pytest.approx(340 + 34 + 68 + 17)
    # Four codes of one byte each, 50 times per second.
    tokens = sum(piece.size for piece in of(sweep, "tokens", "mel_rvq"))
    assert tokens == pytest.approx((3400 + 340 + 680 + 170) * 50 * 4)
    # 1000 steps of 8 crops of 0.6 s, at two seconds per second; no prompt features are stored.
    assert seconds(sweep, "vocoder", "mel_rvq") == pytest.approx(1000 * 8 * 0.6 / 2)
    # 24 epochs of 40 steps, 3.4 s at 50 Hz in a row, and 24 looks at dev (340 s in rows of 8, forward
    # alone: a third); two layers; 100 frames a second.
    in_a_row = 50 * (24 * 40 * 3.4 + 24 * 340 / 8 / 3) * 2
    assert seconds(sweep, "probes", "mel_rvq") == pytest.approx(in_a_row / 100)
    # 170 s are transcribed at 5 and scored at 4 times real time; the probe's 680 s are scored at 3.
    assert seconds(sweep, "evaluation", "mel_rvq") == pytest.approx(170 / 5 + 170 / 4 + 680 / 3)
    total = 340 + 459 + 2400 + in_a_row / 100 + 76.5 + 680 / 3
    assert hours(sweep.to_do) == pytest.approx(total / 3600)
    assert (sweep.jobs["mel_rvq"], sweep.jobs_done["mel_rvq"]) == (2, 0)


def test_the_slower_of_width_and_depth_decides(plan: Callable[..., Sweep], round_rates: Path) -> None:
    wide = round_rates.read_text().replace("1.0e+30", "1.0e+6")
    round_rates.write_text(wide.replace("frames_in_a_row: 100", "frames_in_a_row: 1.0e+9"))
    sweep = plan("tokenizer=mel_rvq", "task=asr_probe", *SMALL)
    (probe,) = of(sweep, "probes", "mel_rvq")
    frames = 50 * (24 * 40 * 8 * 3.4 + 24 * 340 / 3)
    lstm = 2 * 4 * 128 * ((64 + 128) + (256 + 128)) + 2 * 2 * 4 * 128 * 2  # two layers, two biases each
    output = 256 * 29 + 29
    assert probe.seconds == pytest.approx(frames * (lstm + output) / 1e6, rel=0.01)


def test_what_jobs_share_counts_once(plan: Callable[..., Sweep]) -> None:
    alone = plan("tokenizer=mel_rvq", "task=reconstruction", *SMALL)
    both = plan("tokenizer=mel_rvq", "task=reconstruction,voice_conversion,codebook_usage", *SMALL)
    for stage in ("codebook", "vocoder"):
        assert seconds(both, stage, "mel_rvq") == seconds(alone, stage, "mel_rvq") > 0
    # Decoding takes 60 of the 200 test utterances, codebook usage all of them.
    assert seconds(both, "tokens", "mel_rvq") == pytest.approx(seconds(alone, "tokens", "mel_rvq") + 68)
    assert len(of(both, "evaluation", "mel_rvq")) == 3


def test_a_floor_shares_the_vocoder_and_codebook_of_its_base(plan: Callable[..., Sweep]) -> None:
    sweep = plan("tokenizer=whisper_kmeans,shuffled", "task=reconstruction", *SMALL)
    assert len(of(sweep, "vocoder", "whisper_kmeans")) == len(of(sweep, "codebook", "whisper_kmeans")) == 1
    floor = "shuffled_whisper_kmeans"
    assert not of(sweep, "vocoder", floor) and not of(sweep, "codebook", floor)
    assert len(of(sweep, "tokens", "whisper_kmeans")) == 3
    assert len(of(sweep, "tokens", floor)) == 1  # the vocoder learns from the base's


def test_seeds_share_given_codes_and_not_fitted_ones(plan: Callable[..., Sweep]) -> None:
    sweep = plan("tokenizer=encodec_24khz,mel_rvq", "task=asr_probe", "seed=0,1", *SMALL)
    assert len(of(sweep, "tokens", "encodec_24khz")) == 3
    assert len(of(sweep, "probes", "encodec_24khz")) == 2
    assert len(of(sweep, "codebook", "mel_rvq")) == 2  # k-means starts from the seed, so codes differ
    assert len(of(sweep, "tokens", "mel_rvq")) == 6


def test_test_sets_of_a_corpus_share_its_trainings(plan: Callable[..., Sweep]) -> None:
    sweep = plan("tokenizer=encodec_24khz", "task=asr_probe", "dataset=librispeech_960,librispeech_960_other")
    assert len(of(sweep, "probes", "encodec_24khz")) == 1
    assert len(of(sweep, "tokens", "encodec_24khz")) == 4  # train, dev, test-clean, test-other
    train = sweep.workload.splits["librispeech_960", "train"]
    assert (train.utterances, round(train.hours)) == (281_241, 961)


def test_anchors_need_nothing_trained(plan: Callable[..., Sweep]) -> None:
    sweep = plan("tokenizer=ground_truth,opus_6k,constant", "task=voice_conversion,asr_probe", *SMALL)
    assert {piece.stage for piece in sweep.pieces.values() if piece.owner == "ground_truth"} == {
        "tokens",
        "evaluation",
    }
    stages = [piece.stage for piece in sweep.pieces.values() if piece.owner == "opus_6k"]
    assert stages.count("evaluation") == 1 and "vocoder" not in stages  # it cannot convert; probes read it
    assert not of(sweep, "probes", "constant")


def test_prompt_features_are_kept_once_for_all_vocoders(plan: Callable[..., Sweep]) -> None:
    kept = ("vocoder=ctx_vec2wav_alpha", "vocoder.prompt.cache=true", "task=reconstruction", *SMALL)
    sweep = plan("tokenizer=mel_rvq,mfcc_kmeans", *kept)
    (prompts,) = of(sweep, "prompts", "")
    assert prompts.size == pytest.approx((3400 + 340) * 50 * 1024 * 2)
    assert len(of(sweep, "vocoder", "mel_rvq")) == len(of(sweep, "vocoder", "mfcc_kmeans")) == 1


def test_a_capped_training_costs_its_cap(plan: Callable[..., Sweep]) -> None:
    sweep = plan("tokenizer=mel_rvq", "task=reconstruction", "trainer.max_steps=20", *SMALL)
    assert seconds(sweep, "vocoder", "mel_rvq") == pytest.approx(20 * 8 * 0.6 / 2)


def test_batches_of_seconds_hold_fewer_of_longer_utterances(
    plan: Callable[..., Sweep], round_rates: Path
) -> None:
    round_rates.write_text(round_rates.read_text().replace("ctx_vec2wav_mini", "ctx_vec2wav_survey"))
    survey = ("task=reconstruction", "vocoder=ctx_vec2wav_survey", "vocoder.prompt.cache=true")
    long = plan("tokenizer=mel_rvq", *survey, "dataset=librispeech_960")
    mean = 961 * 3600 / 281_241  # seconds, as published
    assert 144 / mean == pytest.approx(11.7, abs=0.05)  # crops of 1 s, by a million steps
    assert seconds(long, "vocoder", "mel_rvq") == pytest.approx(1e6 * 144 / mean / 2, rel=0.001)
    short = plan("tokenizer=mel_rvq", *survey, *SMALL)  # utterances under 6 s are not trained on
    assert seconds(short, "vocoder", "mel_rvq") == pytest.approx(1e6 * 24 / 2)
    few = plan("tokenizer=mel_rvq", *survey, "vocoder.batch_seconds=8", "dataset=librispeech_960")
    assert seconds(few, "vocoder", "mel_rvq") == pytest.approx(1e6 * 2 / 2)  # two even if longer


def test_sizes_are_those_of_the_networks_that_are_trained(folders: Path) -> None:
    with open_hydra() as hydra:
        cfg = compose(hydra, ["tokenizer=mel_rvq", "task=asr_probe"])
        tokenizer, config = build(cfg.tokenizer), build(cfg.asr_probe)
        recipe = build(cfg.vocoder)
    probe = make_asr_probe(tokenizer.spec, config, Characters())
    size = probe_size(config, TRANSCRIPTS, tokenizer.spec)
    assert size.kept == sum(parameter.numel() for parameter in probe.parameters())
    assert size.per_frame == size.kept - probe.frontend.embedding.weight.numel()
    vectors = torch.zeros(4, 256, recipe.frontend.table_dim)  # the tokenizer's own, so they are not trained
    network = CTXVec2Wav(recipe, FrameRates.of(tokenizer.spec), tokenizer.spec.codebook_sizes, vectors)
    assert vocoder_size(recipe, tokenizer).kept == sum(p.numel() for p in network.parameters())


def test_merges_are_priced_by_the_codes_that_they_are_learned_from(plan: Callable[..., Sweep]) -> None:
    whole = plan("tokenizer=mel_rvq", "task=length_reduction", *SMALL)
    # 3400 s of train and 680 s of test at ten times real time; 200 codes a second, 100,000 of them a second.
    assert seconds(whole, "tokens", "mel_rvq") == pytest.approx(340 + 68)
    assert seconds(whole, "merges", "mel_rvq") == pytest.approx(3400 * 200 / 100_000)
    some = plan("tokenizer=mel_rvq", "task=length_reduction", "task.train_codes=6800", *SMALL)
    assert seconds(some, "tokens", "mel_rvq") == pytest.approx(3.4 + 68)  # ten utterances of 3.4 s
    assert seconds(some, "merges", "mel_rvq") == pytest.approx(6800 / 100_000)
