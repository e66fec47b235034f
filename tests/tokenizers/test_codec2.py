import importlib.metadata
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.data.audio import resample
from benchmark.errors import UserError
from benchmark.tokenizers.codec2 import HOPS, Codec2

MODES = {"codec2_3200": 3200, "codec2_1600": 1600, "codec2_700c": 700}


@pytest.fixture
def pycodec2() -> Any:
    return pytest.importorskip("pycodec2")


@pytest.mark.parametrize("name", MODES)
def test_codes_and_sound_are_those_of_the_package(
    pycodec2: Any, name: str, short_speech: list[torch.Tensor], same_codes: Any
) -> None:
    tokenizer = Codec2(name=name, bitrate=MODES[name])
    pairs = []
    for wav in short_speech:
        codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        codec = pycodec2.Codec2(MODES[name])
        hop = codec.samples_per_frame()
        native = np.clip(np.round(resample(wav.numpy(), 16_000, 8_000) * 32768), -32768, 32767)
        ahead = np.concatenate([np.zeros(hop - 160), native, np.zeros(2 * hop)]).astype(np.int16)
        blocks = ahead[: len(ahead) // hop * hop].reshape(-1, hop)
        packed = [codec.encode(block) for block in blocks[: int(frames[0]) + 1]][1:]
        theirs = np.array([list(frame) for frame in packed])
        if MODES[name] == 700:
            assert (theirs[:, -1] % 16 == 0).all()  # 28 bits: the last byte is half empty
            theirs[:, -1] //= 16
        pairs.append((codes[0], torch.from_numpy(theirs.T)))
        ours = tokenizer._decode(codes, frames)[0] * 32768
        np.testing.assert_array_equal(ours.numpy(), in_a_fresh_process(MODES[name], packed))
    same_codes(name, f"pycodec2 {importlib.metadata.version('pycodec2')}", pairs)


def in_a_fresh_process(bitrate: int, packed: list[bytes]) -> np.ndarray:
    """Decode by the package alone, in a new process because the noise generator cannot be reset."""
    program = f"""
import pycodec2, sys
codec = pycodec2.Codec2({bitrate})
sys.stdout.buffer.write(b"".join(codec.decode(frame).tobytes() for frame in {packed!r}))
"""
    out = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(out, np.int16)


def test_noise_does_not_depend_on_what_was_decoded_before(pycodec2: Any, voice: Any) -> None:
    tokenizer = Codec2(name="c", bitrate=3200)
    samples = torch.tensor([16_000])
    codes, frames = tokenizer.encode(torch.from_numpy(voice(16_000, 1))[None], samples)
    first = tokenizer.decode(codes, frames, samples)
    for _ in range(2):
        pycodec2.Codec2(3200).decode(b"\x00" * 8)
    assert torch.equal(tokenizer.decode(codes, frames, samples), first)


@pytest.mark.parametrize("bitrate", HOPS)
def test_the_nominal_bitrate_is_the_transmitted_one(pycodec2: Any, bitrate: int) -> None:
    spec = Codec2(name="c", bitrate=bitrate).spec
    codec = pycodec2.Codec2(bitrate)
    assert spec.bitrate == bitrate
    assert spec.hop_length == codec.samples_per_frame()
    assert spec.num_codebooks == codec.bytes_per_frame()


@pytest.mark.parametrize("name", MODES)
def test_decoded_speech_is_in_time(pycodec2: Any, name: str, short_speech: list[torch.Tensor]) -> None:
    tokenizer = Codec2(name=name, bitrate=MODES[name])
    for wav in short_speech:
        samples = torch.tensor([len(wav)])
        decoded = tokenizer.decode(*tokenizer.encode(wav[None], samples), samples)[0]
        assert abs(lag(wav.numpy(), decoded.numpy())) <= 0.015


def lag(wav: np.ndarray, other: np.ndarray) -> float:
    """Return the seconds by which the envelope of `other` lags."""
    window = np.hanning(320)
    one, two = (np.sqrt(np.convolve(x.astype(float) ** 2, window, "same")) for x in (wav, other))
    correlation = np.correlate(two - two.mean(), one - one.mean(), "full")
    return float(correlation.argmax() - (len(one) - 1)) / 16_000


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycodec2", None)
    with pytest.raises(UserError, match=r"needs pycodec2: pip install 'speech-token-benchmark\[zoo\]'"):
        Codec2(name="c", bitrate=3200).encode(torch.zeros(1, 1600), torch.tensor([1600]))


def test_an_unknown_bitrate_is_refused() -> None:
    with pytest.raises(UserError, match="450"):
        Codec2(name="c", bitrate=450)
