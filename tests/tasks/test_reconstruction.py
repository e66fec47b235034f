"""Tests of reconstruction: one prompt rule for every decoder, and codes that carry nothing."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import UserError
from benchmark.jobs.job import Job
from benchmark.metrics.base import Metric
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.results.store import ResultsStore
from benchmark.tasks.base import Outcome, RunContext
from benchmark.tasks.decoding import resynthesis
from benchmark.tasks.reconstruction import Reconstruction
from benchmark.tasks.voice_conversion import VoiceConversion
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.constant import Constant
from benchmark.tokenizers.continuous import Continuous
from benchmark.tokenizers.ground_truth import GroundTruth
from benchmark.tokenizers.mel_bigvgan import MelBigVgan
from benchmark.tokenizers.mel_rvq import MelRvq
from benchmark.tokenizers.ticodec import TiCodec

WEIGHTS = Path(__file__).parents[1] / "tokenizers" / "weights"


@pytest.fixture
def ticodec(tmp_path: Path) -> TiCodec:
    """Write small random weights in the published format; its side information is 80 bit a recording."""
    torch.manual_seed(0)
    folder = tmp_path / "weights"
    folder.mkdir()
    made = TiCodec(name="ticodec", checkpoint=str(folder), num_codebooks=1, licence="Apache-2.0")
    with torch.no_grad():
        runpy.run_path(str(WEIGHTS / "ticodec.py"))["write"](made, folder)
    return made


@pytest.fixture
def task(metrics: dict[str, Metric]) -> Any:
    chosen = {"stoi": metrics["stoi"]}

    def make(**arguments: Any) -> Reconstruction:
        vocoder = VocoderConfig(name="parrot")
        return Reconstruction(name="reconstruction", metrics=chosen, vocoder=vocoder, **arguments)

    return make


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """Record who prompts whom, by tokenizer."""
    asked: dict[str, dict[str, str]] = {}
    for name in ("_decode", "_vocode"):
        real = getattr(resynthesis, name)

        def spy(first: Any, tokens: Any, own: Any, prompts: Any, real: Any = real) -> Any:
            key = first.name if isinstance(first, Tokenizer) else "vocoder"
            asked[key] = {source: prompt.utterance_id for source, prompt in prompts.items()}
            return real(first, tokens, own, prompts)

        monkeypatch.setattr(resynthesis, name, spy)
    return asked


@pytest.mark.usefixtures("parrot")
def test_all_lines_of_a_table_follow_one_prompt_rule(
    task: Any, ticodec: TiCodec, voices: Any, context: RunContext, heard: dict[str, dict[str, str]]
) -> None:
    mel = MelRvq(name="mel_rvq", num_codebooks=1, codebook_size=16)
    mel = mel.fit([torch.randn(16_000).numpy()], seed=0)
    test = voices.manifest("test", context.store)
    for rule in ("same_speaker", "original"):
        own, vocoded = (task(prompt=rule).run(t, voices, context) for t in (ticodec, mel))
        assert heard["ticodec"] == heard["vocoder"]
        assert any(source == prompt for source, prompt in heard["vocoder"].items()) is (rule == "original")
        assert own.notes["prompt"] == vocoded.notes["prompt"] == rule
        assert "side_info_bitrate" not in vocoded.notes
        rate = 80 * len(test) / test.durations.sum()
        assert own.notes["side_info_bitrate"] == pytest.approx(rate, rel=1e-6)
    assert heard["ticodec"] == {u.utterance_id: u.utterance_id for u in test}
    assert task().run(ticodec, voices, context).notes["prompt"] == "same_speaker"


def test_the_rule_is_in_names_and_keys_where_it_matters(
    task: Any, ticodec: TiCodec, voices: Any, context: RunContext
) -> None:
    usual, original = task(), task(prompt="original")
    mel, topline = MelRvq(name="mel_rvq"), GroundTruth(name="ground_truth")
    names = [original.variant(tokenizer) for tokenizer in (ticodec, mel, topline)]
    assert names == ["original_prompt", "original_prompt", ""]
    assert task(prompt="original", decoder="vocoder").variant(ticodec) == "vocoder+original_prompt"
    assert not any(usual.variant(tokenizer) for tokenizer in (ticodec, mel, topline))
    survey = task(prompt="original", default_prompt="original")
    assert not any(survey.variant(tokenizer) for tokenizer in (ticodec, mel, topline))
    assert task(default_prompt="original").variant(ticodec) == "same_speaker_prompt"
    assert survey.identity(mel, voices, context) == original.identity(mel, voices, context)
    told = {
        (tokenizer.name, rule): each.identity(tokenizer, voices, context).get("prompt")
        for rule, each in (("usual", usual), ("original", original))
        for tokenizer in (ticodec, mel, topline)
    }
    assert told == {
        ("ticodec", "usual"): "same_speaker",  # rows from before the rule were of the recording itself
        ("ticodec", "original"): None,
        ("mel_rvq", "usual"): None,
        ("mel_rvq", "original"): "original",
        ("ground_truth", "usual"): None,
        ("ground_truth", "original"): None,
    }
    with pytest.raises(UserError, match=r"task\.prompt 'own'.*Legal: original, same_speaker"):
        task(prompt="own")


def test_codes_without_information_are_not_decoded(
    task: Any, metrics: dict[str, Metric], voices: Any, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    constant = Constant(name="constant")
    vocoder = VocoderConfig(name="parrot")
    convert = VoiceConversion(name="voice_conversion", metrics=metrics, vocoder=vocoder)
    monkeypatch.setattr("benchmark.tasks.decoding.base.trained_vocoder", lambda *_: pytest.fail("trained"))
    for each in (task(), convert):
        outcome: Outcome = each.run(constant, voices, context)
        assert outcome.status == "n/a" and "no information" in outcome.reason
        each.train(constant, voices, context)
        assert not each.encodes(constant, voices, context.store)


def test_features_are_decoded_by_an_own_decoder_alone(
    task: Any, voices: Any, context: RunContext, tmp_path: Path
) -> None:
    folder, results = tmp_path / "bigvgan", ResultsStore(tmp_path / "results")
    folder.mkdir()
    decodes = MelBigVgan(name="mel_bigvgan", checkpoint=str(folder))
    runpy.run_path(str(WEIGHTS / "mel_bigvgan.py"))["write"](decodes, folder)
    cannot = Continuous(name="mel_continuous", base=MelRvq(name="mel_rvq"), dimensions=80)
    made = {}
    for tokenizer in (decodes, cannot):
        Job(
            profile="test",
            tokenizer=tokenizer,
            corpus=voices,
            task=task(decoder="vocoder"),  # never decodes a topline
            context=context,
            results=results,
            config={},
        ).run()
        (made[tokenizer.name],) = results.job("reconstruction", tokenizer.name, voices.name, context.seed)
    assert (made["mel_bigvgan"].status, made["mel_bigvgan"].decoder) == ("ok", "own")
    assert made["mel_bigvgan"].n_scored == len(voices.manifest("test", context.store))
    assert made["mel_continuous"].status == "n/a" and "features" in made["mel_continuous"].reason
