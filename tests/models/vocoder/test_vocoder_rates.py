"""Token frames to model frames."""

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.models.vocoder.frame_rates import FrameRates


@pytest.mark.parametrize(
    ("token_rate", "model_rate", "hop"),
    [(12.5, 50, 320), (25, 50, 320), (50, 50, 320), (75, 100, 160), (80, 100, 160), (100, 100, 160)],
)
def test_ten_seconds_have_the_same_length_at_every_rate(token_rate: float, model_rate: int, hop: int) -> None:
    rates = FrameRates(token_rate)
    assert (rates.model_rate, rates.hop_length) == (model_rate, hop)
    assert rates.frames(round(10 * token_rate)) * rates.hop_length == 160_000


@pytest.mark.parametrize("token_rate", [12.5, 21.5, 40, 50, 62.5, 75, 80, 86.1328125, 100])
def test_no_token_is_dropped_and_each_stays_at_its_time(token_rate: float) -> None:
    rates = FrameRates(token_rate)
    index = rates.index(333)
    assert sorted(set(index)) == list(range(333)) and (np.diff(index) >= 0).all()
    centres = (np.arange(len(index)) + 0.5) / rates.model_rate
    late = centres * token_rate - index
    assert (late[:-1] >= -1e-6).all() and (late[:-1] <= 1 + 1e-6).all()


def test_patterns_of_the_published_rates() -> None:
    codes = np.arange(6).reshape(1, 6)
    assert FrameRates(75).expand(codes).tolist() == [[0, 1, 1, 2, 3, 4, 4, 5]]
    assert FrameRates(25).expand(codes[:, :3]).tolist() == [[0, 0, 1, 1, 2, 2]]
    assert FrameRates(12.5).expand(codes[:, :1]).tolist() == [[0, 0, 0, 0]]
    assert FrameRates(50).expand(codes).tolist() == codes.tolist()


def test_faster_tokens_are_refused() -> None:
    with pytest.raises(UserError, match="150"):
        FrameRates(150)


@pytest.mark.parametrize("offset", [0, 40, 152, -8])
def test_the_head_is_put_back_to_the_sample(offset: int) -> None:
    rates = FrameRates(50, offset)
    wav = np.arange(1, 1701, dtype=np.float32)
    cut = rates.from_first_frame(wav)
    assert len(cut) == 1700 - offset and rates.frames_within(1700) == (1700 - offset) // 320
    back = rates.from_first_sample(cut)
    np.testing.assert_array_equal(back[max(0, offset) :], wav[max(0, offset) :])
    assert len(back) == 1700 and not back[: max(0, offset)].any()


def test_a_recording_within_the_head_has_no_frame() -> None:
    assert FrameRates(100, 152).frames_within(100) == 0


@pytest.mark.parametrize(
    ("tokenizer", "offset"),
    [("hubert_base_l9", 40), ("wav2vec2_vq", 40), ("vq_wav2vec", -8), ("w2vbert2", 120), ("mel_rvq", 0)],
)
def test_tokenizers_tell_where_their_first_window_lies(tokenizer: str, offset: int) -> None:
    with open_hydra() as hydra:
        spec = build(compose(hydra, [f"tokenizer={tokenizer}"]).tokenizer).spec
    rates = FrameRates.of(spec)
    assert (rates.token_rate, rates.frame_offset) == (spec.frame_rate, offset)
