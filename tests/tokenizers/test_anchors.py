"""The topline and the floor."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.tokenizers.ground_truth import GroundTruth
from benchmark.tokenizers.mel_rvq import MelRvq
from benchmark.tokenizers.opus import Opus
from benchmark.tokenizers.shuffled import Shuffled

Voice = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def base(voice: Voice) -> MelRvq:
    tokenizer = MelRvq(name="base", num_codebooks=2, codebook_size=64)
    return tokenizer.fit([voice(48_000, seed) for seed in range(2)], seed=0)


def test_pcm_gives_every_16_bit_sample_back() -> None:
    samples = torch.arange(-(2**15), 2**15).float() / 2**15
    tokenizer = GroundTruth(name="ground_truth")
    codes, lengths = tokenizer.encode(samples[None], torch.tensor([2**16]))
    assert codes[0, 0].tolist() == list(range(2**16))
    assert torch.equal(tokenizer.decode(codes, lengths, torch.tensor([2**16]))[0], samples)
    assert tokenizer.spec.bitrate == 256_000


def test_pcm_clips_what_16_bit_cannot_hold() -> None:
    codes, _ = GroundTruth(name="g").encode(torch.tensor([[1.0, -1.5, 2.0]]), torch.tensor([3]))
    assert codes[0, 0].tolist() == [65535, 0, 65535]


def test_shuffling_keeps_the_frames_and_loses_their_order(base: MelRvq, voice: Voice) -> None:
    floor = Shuffled(name="shuffled", base=base)
    wavs = torch.stack([torch.from_numpy(voice(32_000, seed)) for seed in (5, 6)])
    lengths = torch.tensor([32_000, 20_000])
    wavs[1, 20_000:] = 0
    ordered, frames = base.encode(wavs, lengths)
    codes, same_frames = floor.encode(wavs, lengths)
    assert torch.equal(frames, same_frames)
    for row, count in enumerate(frames.tolist()):
        before, after = ordered[row, :, :count].T.tolist(), codes[row, :, :count].T.tolist()
        assert Counter(map(tuple, before)) == Counter(map(tuple, after))
        assert np.mean([a == b for a, b in zip(before, after, strict=True)]) < 0.3


def test_two_utterances_are_shuffled_differently(voice: Voice) -> None:
    pcm = GroundTruth(name="g")
    ramp = torch.arange(-500, 500).float()[None] / 2**15
    orders = [
        Shuffled(name="s", base=pcm).encode(wav, torch.tensor([1000]))[0][0, 0].argsort()
        for wav in (ramp, ramp + 1 / 2**15)
    ]
    assert (orders[0] == orders[1]).double().mean() < 0.05


def test_the_floor_is_described_by_its_base(base: MelRvq, voice: Voice) -> None:
    floor = Shuffled(name="shuffled", base=base)
    assert replace(floor.spec, name="base", kind="acoustic") == base.spec
    assert floor.spec.kind == "floor"
    assert floor.base_tokenizer is base
    assert torch.equal(floor.codebook_vectors(), base.codebook_vectors())
    assert Shuffled(name="s", base=GroundTruth(name="g")).spec.can_decode
    assert floor.identity()["arguments"]["base"] == base.identity()
    assert base.codebook_digest in str(floor.identity())


def test_a_floor_over_another_base_is_another_floor(base: MelRvq) -> None:
    bare = Shuffled(name="shuffled", base=MelRvq(name="base", num_codebooks=2, codebook_size=64))
    before = bare.identity()
    fitted = bare.over(base)
    assert fitted.base_tokenizer is base and fitted.name == bare.name
    assert bare.identity() == before != fitted.identity()


def test_a_floor_decodes_where_its_base_can(voice: Voice) -> None:
    opus = Opus(name="opus")
    floor = Shuffled(name="s", base=opus)
    wav, samples = torch.from_numpy(voice(32_000))[None], torch.tensor([32_000])
    decoded = floor.decode(*floor.encode(wav, samples), samples)
    assert decoded.shape == (1, 32_000)
    assert decoded.abs().max() > 0.01
    assert not torch.allclose(decoded, opus.decode(*opus.encode(wav, samples), samples), atol=0.01)
