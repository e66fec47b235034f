from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.metrics.signal_pair import Pair
from benchmark.metrics.utmos import WEIGHTS, Utmos, UtmosScore

utmos_torch = pytest.importorskip("utmos_pytorch.utmos_torch")


@pytest.fixture(autouse=True)
def _one_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce the published transformer to one of its twelve layers; all else stays as published."""
    small = partial(utmos_torch.Wav2Vec2Config, encoder_layers=1)
    monkeypatch.setattr(utmos_torch, "Wav2Vec2Config", small)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with random weights."""
    path = tmp_path_factory.mktemp("utmos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utmos_torch, "Wav2Vec2Config", partial(utmos_torch.Wav2Vec2Config, encoder_layers=1))
        torch.manual_seed(0)
        torch.save(utmos_torch.UTMOSModel().state_dict(), path / WEIGHTS)
    return path


def test_is_the_package(folder: Path, noise: np.ndarray) -> None:
    wavs = [0.1 * noise[:20_000], 0.1 * noise[3_000:33_000]]
    theirs = utmos_torch.UTMOSScoreTorch(str(folder / WEIGHTS))
    expected = [theirs.score(torch.from_numpy(wav)).item() for wav in wavs]
    extractor = Utmos(checkpoint=str(folder))
    work = extractor.load("cpu")
    found = [np.asarray(value) for value in work(wavs)]
    assert [value.shape for value in found] == [(1, 1), (1, 1)]
    assert [float(value[0, 0]) for value in found] == pytest.approx(expected, abs=1e-4)
    assert abs(expected[0] - expected[1]) > 1e-3
    np.testing.assert_array_equal(work([wavs[1]])[0], found[1])

    metric = UtmosScore(extractor=extractor)
    pair = Pair("u", wavs[0], wavs[1], given={("decoded", extractor.key): found[1]})
    assert metric.score(pair) == pytest.approx(expected[1], abs=1e-4) and metric.uses_model
    assert [side for side, _ in metric.needs()] == ["decoded"]


def test_what_cannot_be_judged_has_a_reason(folder: Path, noise: np.ndarray) -> None:
    extractor = Utmos(checkpoint=str(folder))
    wavs = [np.zeros(16_000), noise[:800], np.full(16_000, np.nan), noise[:0]]
    found = extractor.load("cpu")([wav.astype(np.float32) for wav in wavs])
    for value, reason in zip(found, ("digital silence", "at least 0.5 s", "NaN", "no samples"), strict=True):
        assert isinstance(value, AudioError) and str(value).startswith("no UTMOS: ") and reason in str(value)
    pair = Pair("u", noise, noise, given={("decoded", extractor.key): found[0]})
    with pytest.raises(AudioError, match="silence"):
        UtmosScore(extractor=extractor).score(pair)


def test_weights_that_lack_something_are_refused(folder: Path, tmp_path: Path) -> None:
    state = torch.load(folder / WEIGHTS)
    del state["output_layers.0.judge_embedding.weight"]
    torch.save(state, tmp_path / WEIGHTS)
    with pytest.raises(UserError, match=r"lacks output_layers\.0\.judge_embedding"):
        Utmos(checkpoint=str(tmp_path)).load("cpu")


def test_weights_of_another_shape_are_refused(folder: Path, tmp_path: Path) -> None:
    state = torch.load(folder / WEIGHTS)
    state["feature_extractors.1.embedding.weight"] = torch.zeros(2, 2)
    torch.save(state, tmp_path / WEIGHTS)
    with pytest.raises(UserError, match="does not fit UTMOS"):
        Utmos(checkpoint=str(tmp_path)).load("cpu")


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.pt").touch()
    with pytest.raises(UserError, match=WEIGHTS):
        _ = Utmos(checkpoint=str(tmp_path)).key


def test_a_pickle_that_holds_code_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": Path("/")}, tmp_path / WEIGHTS)
    with pytest.raises(UserError, match="cannot be loaded safely"):
        Utmos(checkpoint=str(tmp_path)).load("cpu")
