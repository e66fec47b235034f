import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.facodec import Facodec

HERE = Path(__file__).parent
UPSTREAM = "open-mmlab/Amphion @ d3de90f"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Facodec:
    made = Facodec(name="facodec", checkpoint=str(tmp_path_factory.mktemp("weights")))
    runpy.run_path(str(HERE / "weights" / "facodec.py"))["write"](made, Path(made.checkpoint))
    return made


def test_codes_speakers_and_audio_are_upstreams(tokenizer: Facodec, short_speech, same_codes) -> None:
    """Compare on the same random weights, at narrow widths, for speech padded to whole frames.
    Each piece is decoded with its own speaker and with another's; every seventh sample is kept."""
    pieces = [*short_speech, short_speech[0][4000:4700]]
    encoded = [tokenizer.encode(wav[None], torch.tensor([len(wav)])) for wav in pieces]
    speakers = [tokenizer.extract_side_info(wav) for wav in pieces]
    with np.load(HERE / "fixtures" / "facodec.npz") as fixture:
        theirs = {name: torch.from_numpy(fixture[name]) for name in fixture if name != "shapes"}
    same_codes(
        "facodec",
        UPSTREAM,
        [(codes[0], theirs[f"codes_{n}"].long()) for n, (codes, _) in enumerate(encoded)],
        note="seeded random weights, narrow",
    )
    for n, (codes, frames) in enumerate(encoded):
        torch.testing.assert_close(speakers[n], theirs[f"speaker_{n}"], atol=1e-5, rtol=0)
        for speaker, expected in ((n, "audio"), (1 - min(n, 1), "converted")):
            with torch.no_grad():
                decoded = tokenizer._decode_with(codes, frames, [speakers[speaker]])[0, ::7]
            torch.testing.assert_close(decoded, theirs[f"{expected}_{n}"], atol=1e-5, rtol=0)


def test_each_utterance_of_a_batch_has_its_own_speaker(tokenizer: Facodec, short_speech) -> None:
    """Check that speakers do not depend on the place in the batch, as they do upstream."""
    wavs = torch.stack([wav[:16_000] for wav in short_speech])
    alone = torch.stack([tokenizer.extract_side_info(wav) for wav in wavs])
    with torch.no_grad():
        torch.testing.assert_close(tokenizer._model.speaker(wavs), alone, atol=1e-5, rtol=0)
    codes, frames = tokenizer.encode(wavs, torch.tensor([16_000] * 2))
    samples = torch.tensor([16_000] * 2)
    swapped = tokenizer.decode(codes, frames, samples, list(alone.flip(0)))
    first = tokenizer.decode(codes[:1], frames[:1], samples[:1], [alone[1]])
    torch.testing.assert_close(swapped[:1], first, atol=1e-5, rtol=0)


def test_the_decoder_starts_from_the_sum_of_the_code_vectors(tokenizer: Facodec, short_speech) -> None:
    vectors = tokenizer.codebook_vectors()
    assert vectors.shape == (6, 1024, 256)
    codes, _ = tokenizer.encode(short_speech[0][None], torch.tensor([len(short_speech[0])]))
    looked_up = torch.stack([book[code] for book, code in zip(vectors, codes[0], strict=True)]).sum(0)
    summed = sum(book.vectors(code) for book, code in zip(tokenizer._model.books, codes[0], strict=True))
    torch.testing.assert_close(looked_up, summed)


def test_another_models_checkpoint_is_refused(tmp_path: Path) -> None:
    for part in ("encoder", "decoder"):
        torch.save({"weight": torch.zeros(1)}, tmp_path / f"ns3_facodec_{part}.bin")
    with pytest.raises(UserError, match="is no FACodec; it lacks"):
        Facodec(name="facodec", checkpoint=str(tmp_path)).codebook_vectors()
    (tmp_path / "ns3_facodec_decoder.bin").unlink()
    with pytest.raises(UserError, match=r"no file 'ns3_facodec_decoder\.bin'"):
        Facodec(name="facodec", checkpoint=str(tmp_path)).codebook_vectors()
