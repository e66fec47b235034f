"""Tests of tokenizers that encode the voice beside the codes: they convert by swapping only the voice."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.data.audio import header, read_audio, write_audio
from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.tasks.base import RunContext
from benchmark.tasks.decoding.resynthesis import resynthesise
from benchmark.tasks.decoding.trained_vocoder import uses_vocoder
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.facodec import Facodec
from benchmark.tokenizers.ticodec import TiCodec
from benchmark.types import Utterance

TOKENIZERS = Path(__file__).parents[1] / "tokenizers"
CONFIG = VocoderConfig(name="unused")
KINDS: dict[str, Callable[..., Tokenizer]] = {
    "facodec": Facodec,
    "ticodec": lambda **more: TiCodec(num_codebooks=1, licence="Apache-2.0", **more),
}


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path) -> Tokenizer:
    """Write small random weights in the published format, and build their tokenizer."""
    torch.manual_seed(0)
    folder = tmp_path / "weights"
    folder.mkdir()
    made = KINDS[request.param](name=request.param, checkpoint=str(folder))
    with torch.no_grad():
        runpy.run_path(str(TOKENIZERS / "weights" / f"{request.param}.py"))["write"](made, folder)
    return made


@pytest.fixture
def speech(tmp_path: Path) -> Manifest:
    """Write two excerpts of real speech by two speakers, one second each."""
    utterances = []
    with np.load(TOKENIZERS / "fixtures" / "speech.npz") as pieces:
        for name in sorted(pieces):
            path = tmp_path / f"{name}.wav"
            write_audio(path, pieces[name][4000:20_000].astype(np.float32) / 32768)
            utterances.append(Utterance(name, str(path), name, *header(path)))
    return Manifest(utterances)


def test_the_voice_is_swapped_and_ones_own_gives_the_reconstruction(
    tokenizer: Any, speech: Manifest, voices: Corpus, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = speech
    given: list[torch.Tensor] = []
    decode = tokenizer._decode_with

    def spy(codes: torch.Tensor, lengths: torch.Tensor, side_info: list[torch.Tensor]) -> torch.Tensor:
        given.extend(side_info)
        return decode(codes, lengths, side_info)

    monkeypatch.setattr(tokenizer, "_decode_with", spy)
    assert tokenizer.spec.decode_needs_prompt and not uses_vocoder(tokenizer)
    voice = {
        u.utterance_id: tokenizer.extract_side_info(torch.from_numpy(read_audio(u.audio_path)))
        for u in speech
    }
    assert not torch.equal(*voice.values())

    def decoded(prompts: dict[Utterance, Utterance]) -> list[np.ndarray]:
        given.clear()
        named = {source.utterance_id: prompt for source, prompt in prompts.items()}
        audio = resynthesise(tokenizer, voices, speech, named, CONFIG, context)
        assert audio.decoder == "own" and not audio.failures
        return [read_audio(audio.files[source.utterance_id]) for source in speech]

    swapped = decoded({first: second, second: first})
    assert torch.equal(given[0], voice[second.utterance_id])
    assert torch.equal(given[1], voice[first.utterance_id])
    reconstructed = decoded({first: first, second: second})
    assert torch.equal(given[0], voice[first.utterance_id])
    half = decoded({first: first, second: first})
    assert np.array_equal(half[0], reconstructed[0]) and np.array_equal(half[1], swapped[1])
    for theirs, own in zip(swapped, reconstructed, strict=True):
        assert np.abs(theirs - own).max() > 1e-3
