import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.data.audio import resample
from benchmark.errors import UserError
from benchmark.storage.feature_codes import from_codes
from benchmark.tokenizers.mel_bigvgan import MelBigVgan
from benchmark.tokenizers.networks.bigvgan import BigVgan, Mel

HERE = Path(__file__).parent
WEIGHTS = runpy.run_path(str(HERE / "weights" / "mel_bigvgan.py"))
UPSTREAM = "NVIDIA/BigVGAN @ 7d2b454"


@pytest.fixture
def tokenizer(tmp_path: Path) -> MelBigVgan:
    made = MelBigVgan(name="mel_bigvgan", checkpoint=str(tmp_path))
    WEIGHTS["write"](made, tmp_path)
    return made


def test_features_and_audio_are_upstreams(tokenizer: MelBigVgan, short_speech, same_codes) -> None:
    """Compare on the same random weights, at a twelfth of the width, for speech padded to whole frames.

    Every fifth frame and third band of the features is stored, and every eleventh sample of the audio."""
    compared = []
    with np.load(HERE / "fixtures" / "mel_bigvgan.npz") as theirs:
        for n, wav in enumerate((*short_speech, short_speech[0][4000:4700])):
            codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
            mel = torch.from_numpy(theirs[f"mel_{n}"])
            ours = from_codes(codes)[0, ::3, ::5]
            torch.testing.assert_close(ours, mel, atol=4.5e-3, rtol=0)  # half of float16's step at 8 … 16
            compared.append(((256 * ours).round().long(), (256 * mel.half().float()).round().long()))
            with torch.no_grad():
                decoded = tokenizer._decode(codes, frames)[0, ::11]
            torch.testing.assert_close(decoded, torch.from_numpy(theirs[f"audio_{n}"]), atol=1e-4, rtol=0)
    same_codes(
        "mel_bigvgan",
        UPSTREAM,
        compared,
        tolerance=0.01,
        note="features in steps of 1/256; up to 1 % may differ",
    )


def test_the_spectrum_before_rounding_is_librosas(short_speech) -> None:
    """Compute the published settings a second time, by NumPy's FFT and librosa's filterbank."""
    librosa = pytest.importorskip("librosa")
    wav = resample(short_speech[0].numpy(), 16_000, 24_000).astype(np.float64)
    padded = np.pad(wav, 384, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 1024)[::256] * np.hanning(1025)[:-1]
    amplitude = np.sqrt(np.abs(np.fft.rfft(frames)) ** 2 + 1e-9)
    bank = librosa.filters.mel(sr=24_000, n_fft=1024, n_mels=100, fmin=0, fmax=None)
    expected = np.log(np.maximum(amplitude @ bank.T, 1e-5))
    found = Mel()(torch.from_numpy(wav).float()[None])[0].T.numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-3  # quiet bands feel the rounding of a float32 FFT


def test_encoding_needs_no_weights_and_decoding_does(tmp_path: Path, short_speech) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    bare = MelBigVgan(name="mel_bigvgan", checkpoint=str(empty))
    codes, frames = bare.encode(short_speech[0][None], torch.tensor([len(short_speech[0])]))
    assert bare.identity()["weights"] is None
    with pytest.raises(UserError, match="is empty"):
        bare.decode(codes, frames, torch.tensor([100]))
    with pytest.raises(UserError, match="is empty"):
        bare.decoder_identity()


def test_an_utterance_is_decoded_alike_alone_and_in_a_batch(tokenizer: MelBigVgan, short_speech) -> None:
    codes, frames = tokenizer.encode(
        torch.nn.utils.rnn.pad_sequence(list(short_speech), batch_first=True),
        torch.tensor([len(wav) for wav in short_speech]),
    )
    samples = torch.tensor([len(wav) for wav in short_speech])
    codes[1, :, int(frames[1]) :] = 7  # undefined there
    together = tokenizer.decode(codes, frames, samples)
    alone = tokenizer.decode(codes[1:, :, : int(frames[1])], frames[1:], samples[1:])
    torch.testing.assert_close(together[1, : int(samples[1])], alone[0], atol=1e-6, rtol=0)


def test_a_config_of_another_model_is_refused(tokenizer: MelBigVgan, tmp_path: Path) -> None:
    for changed, message in (
        ({"num_mels": 80}, "num_mels 80, where 100"),
        ({"activation": "snake"}, "activation snake, where snakebeta"),
        ({"upsample_rates": None}, "is no BigVGAN"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(WEIGHTS["CONFIG"] | changed))
        with pytest.raises(UserError, match=message):
            _ = tokenizer._model
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="is no BigVGAN"):
        _ = tokenizer._model


def test_the_published_size_is_that_of_the_paper() -> None:
    """The paper and its repository give 112 M parameters for the large model."""
    with torch.device("meta"):
        model = BigVgan.of_config(WEIGHTS["CONFIG"] | {"upsample_initial_channel": 1536})
    assert round(sum(p.numel() for p in model.parameters()) / 1e6) == 112
