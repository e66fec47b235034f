"""Tests of decoding: requirements of a tokenizer, and utterances that count as failed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.data.audio import header, read_audio, write_audio
from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import RunContext
from benchmark.tasks.decoding import resynthesis
from benchmark.tasks.decoding.resynthesis import resynthesise
from benchmark.tasks.decoding.trained_vocoder import decoding_splits
from benchmark.tokenizers.ground_truth import GroundTruth
from benchmark.tokenizers.mel_rvq import MelRvq
from benchmark.tokenizers.shuffled import Shuffled
from benchmark.training.trainer import TrainerConfig
from benchmark.types import TokenizerSpec, Utterance


@dataclass(kw_only=True)
class TestOnly(Corpus):
    """A corpus with a test split and no training data."""

    __test__ = False
    folder: str

    def identity(self, split: str) -> dict[str, Any]:
        if split != "test":
            raise UserError(f"no split {split}")
        return {"split": split}

    def build(self, split: str, folder: Path) -> Manifest:
        rng = np.random.default_rng(0)
        utterances = []
        for number in range(3):
            path = Path(self.folder) / f"{number}.wav"
            write_audio(path, 0.1 * rng.standard_normal(3200 + 500 * number).astype(np.float32))
            utterances.append(Utterance(f"u{number}", str(path), "s0", *header(path)))
        return Manifest(utterances)


@dataclass(kw_only=True)
class Diverged(GroundTruth):
    """A tokenizer that decodes the longest utterance to NaN."""

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        wav = super()._decode(codes, lengths)
        return wav * float("nan") if wav.shape[-1] > 4000 else wav


@dataclass(kw_only=True)
class Loudness(GroundTruth):
    """A tokenizer with signs as codes, and the loudness of a recording as side information."""

    @property
    def spec(self) -> TokenizerSpec:
        return replace(super().spec, decode_needs_prompt=True, side_info="loudness", side_info_bits=32)

    def _side_info(self, wav: torch.Tensor) -> torch.Tensor:
        return wav.abs().mean(1)

    def _decode_with(
        self, codes: torch.Tensor, lengths: torch.Tensor, side_info: list[torch.Tensor]
    ) -> torch.Tensor:
        return self._decode(codes, lengths).sign() * torch.cat(side_info)[:, None]


@pytest.fixture
def corpus(tmp_path: Path) -> TestOnly:
    return TestOnly(name="test_only", folder=str(tmp_path))


@pytest.fixture
def context(store: ArtifactStore) -> RunContext:
    return RunContext(store=store, trainer=TrainerConfig(accelerator="cpu"))


def test_a_complete_codec_needs_a_test_split_alone(corpus: TestOnly, context: RunContext) -> None:
    test = corpus.manifest("test", context.store)
    config = VocoderConfig(name="unused")
    audio = resynthesise(GroundTruth(name="ground_truth"), corpus, test, {}, config, context)
    assert audio.decoder == "own" and not audio.failures and len(audio.files) == 3
    for utterance in test:
        original, decoded = (
            read_audio(p) for p in (utterance.audio_path, audio.files[utterance.utterance_id])
        )
        np.testing.assert_allclose(decoded, original, atol=2 / 32768)


def test_samples_that_are_not_numbers_are_a_failure_and_not_silence(
    corpus: TestOnly, context: RunContext
) -> None:
    test = corpus.manifest("test", context.store)
    audio = resynthesise(Diverged(name="diverged"), corpus, test, {}, VocoderConfig(name="unused"), context)
    assert list(audio.failures) == ["u2"] and "NaN" in audio.failures["u2"]
    assert sorted(audio.files) == ["u0", "u1"]


def test_a_killed_decoding_goes_on_where_it_was(
    corpus: TestOnly, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    test, config = corpus.manifest("test", context.store), VocoderConfig(name="unused")
    whole = resynthesise(GroundTruth(name="t"), corpus, test, {}, config, context)
    again = replace(context, store=ArtifactStore(context.store.root.parent / "again"))
    monkeypatch.setattr(resynthesis, "AT_ONCE", 1)
    heard: list[str] = []

    def killed_at(name: str | None) -> Callable[..., resynthesis.Decoded]:
        def decode(tokenizer: GroundTruth, tokens: Any, part: Manifest, prompts: Any) -> resynthesis.Decoded:
            if name in (u.utterance_id for u in part):
                raise KeyboardInterrupt
            heard.extend(u.utterance_id for u in part)
            return original(tokenizer, tokens, part, prompts)

        return decode

    original = resynthesis._decode
    monkeypatch.setattr(resynthesis, "_decode", killed_at("u1"))
    with pytest.raises(KeyboardInterrupt):
        resynthesise(GroundTruth(name="t"), corpus, test, {}, config, again)
    monkeypatch.setattr(resynthesis, "_decode", killed_at(None))
    resumed = resynthesise(GroundTruth(name="t"), corpus, test, {}, config, again)
    assert heard == ["u0", "u1", "u2"]
    files = {path.name: path.read_bytes() for path in whole.folder.iterdir()}
    assert {path.name: path.read_bytes() for path in resumed.folder.iterdir()} == files
    assert resumed.files.keys() == whole.files.keys()


def test_splits_that_decoding_depends_on() -> None:
    mel = MelRvq(name="mel_rvq")
    assert decoding_splits(GroundTruth(name="ground_truth")) == ("test",)
    assert (
        decoding_splits(mel) == decoding_splits(Shuffled(name="floor", base=mel)) == ("train", "dev", "test")
    )


def test_side_information_comes_from_the_prompt(corpus: TestOnly, context: RunContext) -> None:
    test = corpus.manifest("test", context.store)
    config, tokenizer = VocoderConfig(name="unused"), Loudness(name="loudness")
    names = [utterance.utterance_id for utterance in test]
    own = {name: test[name] for name in names}
    swapped = {names[0]: test[names[1]], names[1]: test[names[0]]}

    def level(path: str | Path) -> float:
        return float(np.abs(read_audio(path)).mean())

    plain = resynthesise(tokenizer, corpus, test, own, config, context)
    converted = resynthesise(tokenizer, corpus, test, swapped, config, context)
    for name in names:
        assert level(plain.files[name]) == pytest.approx(level(test[name].audio_path), rel=1e-2)
    for name, prompt in swapped.items():
        assert level(converted.files[name]) == pytest.approx(level(prompt.audio_path), rel=1e-2)
    assert converted.failures == {names[2]: "there is no recording to prompt s0 with"}
    assert converted.folder != plain.folder
