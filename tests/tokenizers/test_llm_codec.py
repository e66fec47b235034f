import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.llm_codec import CODEBOOK_SIZES, HOP, LlmCodec

HERE = Path(__file__).parent
UPSTREAM = "yangdongchao/LLM-Codec @ b162928"
STRIDES = (4, 2, 1)

pytest.importorskip("snac")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> LlmCodec:
    folder = tmp_path_factory.mktemp("llm_codec")
    tokenizer = LlmCodec(name="llm_codec", checkpoint=str(folder), files=["semantic_acoustic.pth"])
    runpy.run_path(str(HERE / "weights" / "llm_codec.py"))["write"](tokenizer, folder)
    return tokenizer


def encode(tokenizer: LlmCodec, wav: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return tokenizer.encode(wav[None], torch.tensor([len(wav)]))


def test_codes_and_audio_are_upstreams(
    tokenizer: LlmCodec, short_speech: list[torch.Tensor], same_codes: Callable[..., None]
) -> None:
    """Compare on the same random weights, at narrow widths and all codebook entries.

    The third piece, 44 ms, is shorter than a window of attention. Every seventh sample of the audio is
    stored, made with the same seed for the decoder's noise."""
    encoded = [encode(tokenizer, wav) for wav in [*short_speech, short_speech[0][4000:4700]]]
    pairs = []
    with np.load(HERE / "fixtures" / "llm_codec.npz") as fixture:
        audio = [torch.from_numpy(fixture[f"audio_{n}"]) for n in range(3)]
        for n, (codes, frames) in enumerate(encoded):
            assert int(frames[0]) == codes.shape[2]
            books = [torch.from_numpy(fixture[f"codes_{n}_{k}"].astype(np.int64)) for k in range(3)]
            repeated = [book.repeat_interleave(s) for book, s in zip(books, STRIDES, strict=True)]
            pairs.append((codes[0], torch.stack(repeated)))
    same_codes("llm_codec", UPSTREAM, pairs, note="seeded random weights, narrow; repeated to one rate")
    for (codes, frames), expected in zip(encoded, audio, strict=True):
        with torch.no_grad():
            decoded = tokenizer._decode(codes, frames)[0, ::7]
        torch.testing.assert_close(decoded, expected, atol=1e-4, rtol=0)


def test_the_rates_are_the_published_ones(tokenizer: LlmCodec) -> None:
    """The survey counts 12, 15 and 15 bits at 8.33, 16.67 and 33.33 Hz, 0.85 kbit/s."""
    spec = tokenizer.spec
    assert spec.frame_rates == pytest.approx((100 / 12, 100 / 6, 100 / 3))
    bits = [(size - 1).bit_length() for size in spec.codebook_sizes]
    assert sum(rate * b for rate, b in zip(spec.frame_rates, bits, strict=True)) == pytest.approx(850)
    assert spec.bitrate == pytest.approx(845.5, abs=0.1)


def test_speech_is_completed_to_whole_windows(tokenizer: LlmCodec, short_speech: list[torch.Tensor]) -> None:
    wav = short_speech[0]
    for samples, frames in ((8 * HOP, 8), (8 * HOP + 1, 16)):
        codes, lengths = encode(tokenizer, wav[:samples])
        assert codes.shape[2] == int(lengths[0]) == frames


def test_noise_is_the_same_in_every_decoding_and_leaves_other_random_numbers_alone(
    tokenizer: LlmCodec, short_speech: list[torch.Tensor]
) -> None:
    codes, frames = encode(tokenizer, short_speech[0])
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = tokenizer.decode(codes, frames, torch.tensor([16_000]))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, tokenizer.decode(codes, frames, torch.tensor([16_000])))


def test_the_smallest_book_is_completed_without_moving_its_mean(tokenizer: LlmCodec) -> None:
    vectors = tokenizer.codebook_vectors()
    assert vectors.shape[:2] == (3, 32_000)
    own = vectors[0, : CODEBOOK_SIZES[0]]
    torch.testing.assert_close(vectors[0].mean(0), own.mean(0), atol=1e-5, rtol=0)
    assert own.std(0).min() > 0


def test_the_checkpoint_without_words_is_refused(tokenizer: LlmCodec, tmp_path: Path) -> None:
    """Published first was a checkpoint with three tables of 32,000, which is another system."""
    training = torch.load(tokenizer.file(tokenizer.files[0]), weights_only=False)
    layers = "quantizer.quantizers.{}.codebook.weight".format
    training["codec_model"][layers(0)] = training["codec_model"][layers(1)]
    torch.save(training, tmp_path / tokenizer.files[0])
    other = replace(tokenizer, checkpoint=str(tmp_path))
    with pytest.raises(UserError, match=r"codebook_sizes \(32000, 32000, 32000\), where \(3248"):
        other.codebook_vectors()


def test_another_models_checkpoint_is_refused(tokenizer: LlmCodec, tmp_path: Path) -> None:
    for content, missing in (({"model": {}}, "codec_model"), ({"codec_model": {}}, "codebook")):
        torch.save(content, tmp_path / tokenizer.files[0])
        with pytest.raises(UserError, match=f"no LLM-Codec checkpoint; it lacks .*{missing}"):
            replace(tokenizer, checkpoint=str(tmp_path)).codebook_vectors()
    with pytest.raises(UserError, match="one checkpoint"):
        LlmCodec(name="l", checkpoint="c")
