from pathlib import Path

import numpy as np
import pytest
import torch
from pesq import pesq
from pystoi import stoi

from benchmark.errors import UserError
from benchmark.tokenizers.lyra import Lyra

RATES = {16: 3_200, 30: 6_000, 46: 9_200}


@pytest.fixture(scope="module")
def lyra_folder(shared: Path) -> Path:
    pytest.importorskip("ai_edge_litert")
    folder = shared / "models" / "lyra-v2"
    if not folder.is_dir():
        pytest.skip("the Lyra models are not in the shared data folder")
    return folder


def encode(tokenizer: Lyra, *wavs: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [torch.from_numpy(wav) for wav in wavs]
    lengths = torch.tensor([len(row) for row in rows])
    return tokenizer.encode(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths)


def test_quality_rises_with_the_rate(lyra_folder: Path, real_speech: list[np.ndarray]) -> None:
    """Compare quality at the three rates; a wrong frame of state or delay would cost more than the margin.

    Over the folder's 60 utterances, cut to 8 s, the means are PESQ 2.06, 2.57, 2.82 and STOI 0.859, 0.894,
    0.908."""
    scores = []
    for quantizers, bitrate in RATES.items():
        tokenizer = Lyra(name="lyra", checkpoint_dir=str(lyra_folder), num_quantizers=quantizers)
        assert tokenizer.spec.bitrate == bitrate
        rows = []
        for wav in (real_speech[2][:64_000], real_speech[4][:64_000]):
            decoded = tokenizer.decode(*encode(tokenizer, wav), torch.tensor([len(wav)]))[0].numpy()
            rows.append((pesq(16_000, wav, decoded, "wb"), stoi(wav, decoded, 16_000)))
        scores.append(np.mean(rows, axis=0))
    assert (np.diff(scores, axis=0) > 0).all()
    assert scores[0][0] > 1.7
    assert scores[2][0] > 2.4
    assert scores[2][1] > 0.87


def test_a_lower_rate_is_a_prefix_of_a_higher_one(lyra_folder: Path, voice: object) -> None:
    codes = {
        quantizers: encode(
            Lyra(name="lyra", checkpoint_dir=str(lyra_folder), num_quantizers=quantizers),
            voice(16_000),  # type: ignore[operator]
        )[0]
        for quantizers in (3, 46)
    }
    assert codes[46].shape == (1, 46, 50)
    assert torch.equal(codes[3], codes[46][:, :3])


def test_no_state_passes_to_the_next_utterance(lyra_folder: Path, real_speech: list[np.ndarray]) -> None:
    tokenizer = Lyra(name="lyra", checkpoint_dir=str(lyra_folder))
    wav, other = real_speech[0][:32_000], real_speech[1][:40_000]
    codes, lengths = encode(tokenizer, wav)
    samples = torch.tensor([32_000])
    decoded = tokenizer.decode(codes, lengths, samples)
    batch, counts = encode(tokenizer, other, wav)
    assert torch.equal(batch[1, :, : int(counts[1])], codes[0])
    assert torch.equal(tokenizer.decode(codes, lengths, samples), decoded)


def test_codes_depend_on_the_past_only(lyra_folder: Path, real_speech: list[np.ndarray]) -> None:
    tokenizer = Lyra(name="lyra", checkpoint_dir=str(lyra_folder))
    wav = real_speech[3][:32_000]
    whole, cut = encode(tokenizer, wav)[0], encode(tokenizer, wav[:16_000])[0]
    assert torch.equal(whole[:, :, :50], cut)


def test_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "quantizer.tflite").touch()
    tokenizer = Lyra(name="lyra", checkpoint_dir=str(tmp_path))
    with pytest.raises(UserError, match=r"lacks soundstream_encoder.tflite, lyragan.tflite;.*LYRA="):
        encode(tokenizer, np.zeros(1600, np.float32))
    with pytest.raises(
        UserError, match=r"checkpoint_dir='' lacks soundstream_encoder.tflite, quantizer.tflite"
    ):
        Lyra(name="lyra", checkpoint_dir="").identity()


@pytest.mark.parametrize("quantizers", [0, 47])
def test_impossible_rates_are_refused(quantizers: int) -> None:
    with pytest.raises(UserError, match=rf"from 1 to 46 .*16, 30 and 46.* not {quantizers}"):
        Lyra(name="lyra", checkpoint_dir="x", num_quantizers=quantizers)


def test_identity_follows_the_weights(lyra_folder: Path, tmp_path: Path) -> None:
    for file in lyra_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    here = Lyra(name="lyra", checkpoint_dir=str(lyra_folder))
    copy = Lyra(name="lyra", checkpoint_dir=str(tmp_path))
    assert here.identity() == copy.identity()
    with (tmp_path / "lyragan.tflite").open("ab") as file:
        file.write(b"\0")
    assert here.identity() != copy.identity()
