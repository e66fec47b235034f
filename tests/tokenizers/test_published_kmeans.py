import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.storage.hashing import digest
from benchmark.tokenizers.encoding.encode import needs_fitted_codebook
from benchmark.tokenizers.mel_rvq import MelRvq
from benchmark.tokenizers.mfcc_kmeans import MfccKmeans

SIZE, DIMENSIONS = 16, 39


def convert(source: Path, target: Path, *facts: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.convert_kmeans", str(source), str(target), *facts]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Write a k-means in a published format, and return its path and centroids."""
    cluster = pytest.importorskip("sklearn.cluster")
    frames = np.random.default_rng(0).normal(size=(400, DIMENSIONS)).astype(np.float32)
    model = cluster.MiniBatchKMeans(SIZE, random_state=0, n_init=1).fit(frames)
    joblib.dump(model, tmp_path / "km.bin")
    return tmp_path / "km.bin", model.cluster_centers_


def test_codes_are_the_nearest_of_the_published_centroids(published: tuple[Path, np.ndarray], voice) -> None:
    source, centroids = published
    target = source.with_name("km.safetensors")
    result = convert(source, target, "num_codebooks=1")
    assert result.returncode == 0, result.stderr
    tokenizer = MfccKmeans(name="m", codebook_size=SIZE, centroids=str(target))
    assert not needs_fitted_codebook(tokenizer)
    assert np.allclose(tokenizer.codebook_vectors()[0], centroids)
    wav = torch.from_numpy(voice(16_000, 1))[None]
    codes, _ = tokenizer.encode(wav, torch.tensor([16_000]))
    features, _ = tokenizer.features(wav, torch.tensor([16_000]))
    distances = torch.cdist(features[0].double(), torch.from_numpy(centroids).double())
    assert torch.equal(codes[0, 0], distances.argmin(1))


def test_the_file_counts_for_the_identity_and_its_name_does_not(published, tmp_path: Path) -> None:
    source, _ = published
    for name in ("a", "b"):
        convert(source, tmp_path / f"{name}.safetensors")

    def identity(path: str | None) -> str:
        return digest(MfccKmeans(name="m", codebook_size=SIZE, centroids=path).identity())

    a, b = (identity(str(tmp_path / f"{name}.safetensors")) for name in "ab")
    assert a == b != identity(None)


def test_centroids_of_other_features_are_refused(published, tmp_path: Path) -> None:
    source, _ = published
    target = tmp_path / "km.safetensors"
    convert(source, target, "num_codebooks=1", "codebook_size=99")

    def loaded(**arguments) -> torch.Tensor:
        kind = arguments.pop("kind", MfccKmeans)
        return kind(
            name="m", **{"codebook_size": SIZE, "centroids": str(target), **arguments}
        ).codebook_vectors()

    with pytest.raises(UserError, match="for codebook_size=99, not for codebook_size=16"):
        loaded()
    with pytest.raises(UserError, match=r"holds \(1, 16\) centroids, not \(1, 32\)"):
        loaded(codebook_size=32)
    with pytest.raises(UserError, match=r"not \(2, 16\)"):
        loaded(kind=MelRvq, num_codebooks=2)
    with pytest.raises(UserError, match="is no file; make one"):
        loaded(centroids="/nowhere")
    with pytest.raises(UserError, match="is no file of centroids"):
        loaded(centroids=str(source))


class Payload:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("content", [Payload(), {"cluster_centers_": 1}, np.array([Payload()], dtype=object)])
def test_a_pickle_of_anything_else_is_refused_and_not_run(tmp_path: Path, content) -> None:
    joblib.dump(content, tmp_path / "bad.bin")
    result = convert(tmp_path / "bad.bin", tmp_path / "out.safetensors")
    assert result.returncode == 1
    assert "run" not in result.stdout.split()
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out.safetensors").exists()


def test_a_damaged_file_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.bin").write_bytes(pickle.dumps([1, 2])[:-3])
    result = convert(tmp_path / "bad.bin", tmp_path / "out.safetensors")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
