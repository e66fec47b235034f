"""The topline's features as float16 bit patterns, and the lowest baseline, which carries no information."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.models.probes.frontend import PADDING, features_of
from benchmark.storage.feature_codes import to_codes
from benchmark.storage.frame_store import shard_file
from benchmark.storage.token_store import TokenStore, TokenWriter
from benchmark.tokenizers.constant import Constant
from benchmark.tokenizers.continuous import Continuous
from benchmark.tokenizers.mel_rvq import MelRvq


def test_bit_patterns_are_float16_and_back() -> None:
    features = torch.tensor([0.0, -0.0, 1.0, -1.5, 1 / 3, 65504.0, 1e9, -1e9, 1e-7])
    codes = to_codes(features)
    assert codes.min() >= 0 and codes.max() < 2**16
    expected = features.clamp(-65504, 65504).half().float()
    assert torch.equal(features_of(codes), expected)
    assert features_of(torch.tensor([PADDING, int(codes[2])])).tolist() == [0.0, 1.0]


def test_the_features_are_those_that_the_base_would_quantize(voice, tmp_path: Path) -> None:
    base = MelRvq(name="mel_rvq")
    topline = Continuous(name="mel_continuous", base=base, dimensions=80)
    wavs = [torch.from_numpy(voice(samples, seed)) for seed, samples in ((1, 8_000), (2, 6_001))]
    padded = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True)
    codes, frames = topline.encode(padded, torch.tensor([8_000, 6_001]))
    assert codes.shape == (2, 80, 25) and frames.tolist() == [25, 19]
    assert topline.spec.bitrate == 50 * 80 * 16 and topline.spec.kind == "topline"
    whole = torch.nn.functional.pad(wavs[1], (0, 19 * 320 - 6_001))
    expected, _ = base.features(whole[None], torch.tensor([6_001]))
    torch.testing.assert_close(features_of(codes[1, :, :19]).T, expected[0], rtol=1e-3, atol=1e-3)

    writer = TokenWriter(tmp_path, 80, topline.spec.codebook_size)
    writer.add("a", codes[0].numpy())
    writer.close()
    assert (tmp_path / shard_file(0)).stat().st_size == 2 * 80 * 25, "two bytes a feature"
    assert np.array_equal(TokenStore(tmp_path)["a"], codes[0].numpy())


def test_wrong_dimensions_are_named(voice) -> None:
    topline = Continuous(name="mel_continuous", base=MelRvq(name="mel_rvq"), dimensions=64)
    with pytest.raises(UserError, match=r"have 80 dimensions; set tokenizer\.dimensions=80"):
        topline.encode(torch.from_numpy(voice(3_200, 1))[None], torch.tensor([3_200]))


def test_the_constant_has_no_bits() -> None:
    constant = Constant(name="constant")
    codes, frames = constant.encode(torch.randn(2, 1_000), torch.tensor([1_000, 320]))
    assert constant.spec.bitrate == 0
    assert codes.eq(0).all() and frames.tolist() == [4, 1]
