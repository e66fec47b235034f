import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.networks.semanticodec_decoder import HOP, OVERLAP, WINDOW, starts
from benchmark.tokenizers.semanticodec import CODEBOOK_SIZES, SemantiCodec

HERE = Path(__file__).parent
UPSTREAM = "haoheliu/SemantiCodec-inference @ 7c05d42"
FILES = ["encoder.ckpt", "codebook.npy", "decoder.ckpt"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> SemantiCodec:
    """Build the tokenizer on seeded weights at narrow widths, with two steps of diffusion."""
    folder = tmp_path_factory.mktemp("semanticodec")
    tokenizer = SemantiCodec(name="semanticodec_25hz", checkpoint=str(folder), files=FILES, steps=2)
    runpy.run_path(str(HERE / "weights" / "semanticodec.py"))["write"](tokenizer, folder)
    return tokenizer


@pytest.fixture(scope="module")
def theirs() -> dict[str, np.ndarray]:
    """Load upstream's results on the same weights.

    Codes of each piece of `speech`, and every 97th sample of the last one, decoded with the same noise."""
    with np.load(HERE / "fixtures" / "semanticodec.npz") as kept:
        return dict(kept)


@pytest.fixture(scope="module")
def speech(short_speech: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return two pieces, of a whole and of a broken number of 160 ms, and one longer than a window."""
    return [*short_speech, torch.cat(short_speech * 5)]


def encode(tokenizer: SemantiCodec, wav: torch.Tensor) -> torch.Tensor:
    codes, lengths = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
    assert int(lengths[0]) == codes.shape[2]
    return codes[0]


def test_codes_are_upstreams(
    tokenizer: SemantiCodec,
    theirs: dict[str, np.ndarray],
    speech: list[torch.Tensor],
    same_codes: Callable[..., None],
) -> None:
    kept = [torch.from_numpy(theirs[f"codes_{n}"].astype(np.int64)) for n in range(3)]
    pairs = [(encode(tokenizer, wav), codes) for wav, codes in zip(speech, kept, strict=True)]
    same_codes("semanticodec_25hz", UPSTREAM, pairs, note="seeded random weights, narrow")


def test_decoded_sound_is_upstreams(tokenizer: SemantiCodec, theirs: dict[str, np.ndarray]) -> None:
    """Compare two windows, the second of which is padded, with their noise and their crossfade."""
    codes = torch.from_numpy(theirs["codes_2"].astype(np.int64))[None]
    with torch.no_grad():
        wav = tokenizer._decode(codes, torch.tensor([codes.shape[2]]))[0]
    assert len(wav) == HOP * codes.shape[2] > HOP * WINDOW
    torch.testing.assert_close(wav[::97], torch.from_numpy(theirs["audio_2"]), atol=1e-5, rtol=0)


def test_the_rates_are_the_published_ones(tokenizer: SemantiCodec) -> None:
    assert tokenizer.spec.frame_rate == 25
    assert tokenizer.spec.bitrate == 700


@pytest.mark.parametrize("codes", [4, OVERLAP, WINDOW, WINDOW + 4, 2 * WINDOW - OVERLAP, 1000])
def test_windows_are_those_of_upstreams_loop(codes: int) -> None:
    expected = [0]
    while expected[-1] + WINDOW < codes:
        expected.append(expected[-1] + WINDOW - OVERLAP)
    assert list(starts(codes)) == expected


def test_codes_come_in_fours(tokenizer: SemantiCodec, short_speech: list[torch.Tensor]) -> None:
    for samples, frames in ((2560, 4), (2561, 8)):
        assert encode(tokenizer, short_speech[0][:samples]).shape == (2, frames)


def test_codebooks_are_given_to_consumers(tokenizer: SemantiCodec) -> None:
    vectors = tokenizer.codebook_vectors()
    assert vectors.shape[:2] == (2, CODEBOOK_SIZES[0])
    torch.testing.assert_close(vectors[1].mean(0), vectors[1, : CODEBOOK_SIZES[1]].mean(0), atol=1e-5, rtol=0)


def test_steps_change_the_sound_alone() -> None:
    few, many = (SemantiCodec(name="s", checkpoint="c", files=FILES, steps=steps) for steps in (2, 50))
    assert few.decoder_identity() != many.decoder_identity()
    with pytest.raises(UserError, match="divisor of 1000, not 30"):
        replace(few, steps=30)
    with pytest.raises(UserError, match="the encoder, the codebook and the decoder"):
        replace(few, files=FILES[:2])


def test_other_files_are_refused(tokenizer: SemantiCodec, tmp_path: Path) -> None:
    for file in FILES:
        (tmp_path / file).symlink_to(tokenizer.file(file))
    broken = replace(tokenizer, checkpoint=str(tmp_path))

    def put(file: str, write: Callable[[Path], None]) -> None:
        (tmp_path / file).unlink()
        write(tmp_path / file)

    put(FILES[2], lambda path: torch.save({"scale_factor": torch.ones(())}, path))
    with pytest.raises(UserError, match="no decoder of SemantiCodec; it lacks"):
        broken._decode(torch.zeros(1, 2, 4).long(), torch.tensor([4]))
    put(FILES[1], lambda path: np.save(path, np.zeros((16_384, 96), np.float32)))
    with pytest.raises(UserError, match=r"codebook_sizes \(16384, 8192\), where \(32768, 8192\)"):
        replace(broken).codebook_vectors()
    put(FILES[1], lambda path: np.save(path, np.array([{}], dtype=object)))
    with pytest.raises(UserError, match="no array of centroids"):
        replace(broken).codebook_vectors()
    put(FILES[1], lambda path: np.save(path, np.zeros((4, 4), np.float32)))
    put(FILES[0], lambda path: torch.save({"weight": torch.ones(1)}, path))
    with pytest.raises(UserError, match="no encoder of SemantiCodec; it lacks"):
        replace(broken).codebook_vectors()
