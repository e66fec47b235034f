"""Training items: alignment, disjoint prompt, counted skips, bounded memory."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmark.data.audio import read_audio
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.models.vocoder.data import AudioCache, VocoderItems, collate, split
from benchmark.models.vocoder.frame_rates import FrameRates

MakeConfig = Callable[..., VocoderConfig]


@pytest.fixture
def items(corpus, make_config: MakeConfig) -> VocoderItems:
    return VocoderItems(corpus.tokens, corpus.manifest, FrameRates(50), make_config(max_seconds=1.2))


def ids(items: VocoderItems) -> list[str]:
    return [items.utterance(index).utterance_id for index in range(len(items))]


def test_unusable_utterances_are_counted(items: VocoderItems) -> None:
    assert ids(items) == ["u0", "u1", "u2", "u3", "u4"]
    assert dict(items.skipped) == {"under 0.8 s": 1, "no tokens": 1}
    assert items.lengths.tolist() == [45, 50, 55, 60, 60]


def test_a_limit_spreads_over_the_manifest(corpus, make_config: MakeConfig) -> None:
    limited = VocoderItems(corpus.tokens, corpus.manifest, FrameRates(50), make_config(), limit=3)
    assert ids(limited) == ["u0", "u2", "u4"]


@pytest.mark.parametrize("frames", [30, 31, 97])
def test_prompt_and_content_cover_the_utterance_without_overlap(frames: int) -> None:
    rng = np.random.default_rng(0)
    shares, heads = [], 0
    for _ in range(200):
        content, prompt = split(frames, rng)
        covered = [*range(frames)[content], *range(frames)[prompt]]
        assert sorted(covered) == list(range(frames))
        shares.append((prompt.stop - prompt.start) / frames)
        heads += prompt.start == 0
    assert min(shares) >= (frames // 3) / frames and max(shares) <= 0.5 and np.ptp(shares) > 0.1
    assert 60 < heads < 140


def test_content_prompt_and_codes_are_where_they_belong(corpus, items: VocoderItems) -> None:
    for draw in [(4, seed) for seed in range(20)] + [(0, 3)]:
        item = items[draw]
        name = items.utterance(draw[0]).utterance_id
        whole, codes = read_audio(corpus.manifest[name].audio_path), corpus.tokens[name]
        content, prompt = (_find(whole, part.numpy()) for part in (item.wav, item.prompt))
        assert content % 320 == 0 and len(item.wav) == 320 * item.codes.shape[1]
        np.testing.assert_array_equal(item.codes, codes[:, content // 320 :][:, : item.codes.shape[1]])
        assert content + len(item.wav) == prompt or prompt + len(item.prompt) == content
        assert len(item.wav) + len(item.prompt) == min(len(whole) // 320 * 320, 60 * 320)
        assert 0 <= item.segment <= item.codes.shape[1] - items.segment


def test_a_draw_fixes_the_item(items: VocoderItems) -> None:
    first, again, other = items[2, 5], items[2, 5], items[2, 6]
    assert torch.equal(first.wav, again.wav) and first.segment == again.segment
    assert first.wav.shape != other.wav.shape or first.segment != other.segment


def test_collate_pads_with_zeros(items: VocoderItems) -> None:
    parts = [items[0, 1], items[4, 1]]
    batch = collate(parts)
    assert batch.lengths.tolist() == [p.codes.shape[1] for p in parts]
    assert batch.prompt_lengths.tolist() == [len(p.prompt) for p in parts]
    assert (
        batch.codes.shape == (2, 2, batch.lengths.max()) and batch.wav.shape[1] == 320 * batch.lengths.max()
    )
    for row, part in enumerate(parts):
        assert torch.equal(batch.codes[row, :, : part.codes.shape[1]], part.codes)
        assert torch.equal(batch.wav[row, : len(part.wav)], part.wav)
        assert not batch.wav[row, len(part.wav) :].any() and not batch.prompt[row, len(part.prompt) :].any()


def test_fast_tokens_are_cut_at_the_model_rate(corpus, make_config: MakeConfig) -> None:
    rates = FrameRates(75)
    items = VocoderItems(corpus.tokens, corpus.manifest, rates, make_config(min_seconds=0.6, max_seconds=0.6))
    item, codes = items[1, 0], rates.expand(corpus.tokens["u1"])
    start = _find(read_audio(corpus.manifest["u1"].audio_path), item.wav.numpy()) // 160
    np.testing.assert_array_equal(item.codes, codes[:, start : start + item.codes.shape[1]])


@pytest.mark.parametrize("offset", [40, -8])
def test_frames_are_paired_with_samples_behind_the_head(corpus, make_config: MakeConfig, offset: int) -> None:
    items = VocoderItems(corpus.tokens, corpus.manifest, FrameRates(50, offset), make_config())
    whole, codes = read_audio(corpus.manifest["u3"].audio_path), corpus.tokens["u3"]
    for seed in range(5):
        item = items[3, seed]
        wav = item.wav.numpy()[320:]  # the very first frame of a negative offset begins in silence
        starts = range(len(whole) - len(wav) + 1)
        found = min(starts, key=lambda start: float(np.abs(whole[start : start + 99] - wav[:99]).max()))
        np.testing.assert_allclose(whole[found : found + len(wav)], wav, atol=1 / 32767)
        frame, rest = divmod(found - offset, 320)
        assert rest == 0
        np.testing.assert_array_equal(item.codes[:, 1:], codes[:, frame : frame + item.codes.shape[1] - 1])


def test_a_cache_goes_to_another_process_empty(corpus) -> None:
    cache = AudioCache(limit=1 << 20)
    cache.read(corpus.manifest["u0"].audio_path)
    other = pickle.loads(pickle.dumps(cache))
    assert cache.bytes and not other.bytes and other.limit == cache.limit
    np.testing.assert_array_equal(*(c.read(corpus.manifest["u0"].audio_path) for c in (cache, other)))


def test_cache_stays_below_its_bound_and_returns_the_same_audio(corpus) -> None:
    paths = [corpus.manifest[f"u{i}"].audio_path for i in range(5)]
    cache = AudioCache(limit=70_000)
    for path in paths * 2:
        np.testing.assert_allclose(cache.read(path), read_audio(path), atol=1 / 32767)
    assert 0 < cache.bytes <= 70_000 and len(cache._kept) == 2


def _find(whole: np.ndarray, part: np.ndarray) -> int:
    """Find the first sample of `part` in `whole`, which differs from it by rounding alone."""
    starts = range(0, len(whole) - len(part) + 1, 160)
    return min(starts, key=lambda start: float(np.abs(whole[start : start + len(part)] - part).max()))
