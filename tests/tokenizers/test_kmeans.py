import faiss
import numpy as np
import pytest
import torch

from benchmark.tokenizers.kmeans import CHUNK, FrameReservoir, fit_kmeans, fit_residual, quantize


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Make correlated frames with more structure than a codebook can represent."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(12, 12)) * np.linspace(2, 0.2, 12)[:, None]
    return (rng.standard_t(5, size=(6000, 12)) @ mixing).astype(np.float32)


def nearest(frames: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    return ((frames[:, None].astype(np.float64) - codebook) ** 2).sum(-1).argmin(1)


def test_planted_clusters_are_found() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(6, 8)).astype(np.float32) * 10
    labels = rng.integers(0, 6, 4000)
    frames = centres[labels] + rng.normal(size=(4000, 8)).astype(np.float32) * 0.1
    codebooks, report = fit_kmeans(frames, 6, seed=0, restarts=20)
    gap = np.linalg.norm(codebooks[0][:, None] - centres, axis=-1)
    assert codebooks.shape == (1, 6, 8)
    assert sorted(gap.argmin(0)) == list(range(6))
    assert gap.min(0).max() < 0.05
    assert report["empty"] == [0]
    assert report["mse"][0] == pytest.approx(0.01, rel=0.05)
    assert report["frames"] == 4000


def test_centroids_no_frame_chose_are_counted() -> None:
    frames = np.repeat(np.eye(4, dtype=np.float32), 50, axis=0)
    _, report = fit_kmeans(frames, 16, seed=0)
    assert report["empty"] == [12]


def test_each_level_lowers_the_error_on_held_out_frames(frames: np.ndarray) -> None:
    codebooks, report = fit_residual(frames[:5000], 4, 64, seed=0)
    residual = frames[5000:].astype(np.float64)
    errors = [np.mean(residual**2)]
    for codebook in codebooks:
        residual = residual - codebook[nearest(residual, codebook)]
        errors.append(np.mean(residual**2))
    assert codebooks.shape == (4, 64, 12)
    assert (np.diff(errors) < 0).all()
    assert errors[-1] < 0.25 * errors[0]
    assert (np.diff(report["mse"]) < 0).all()


def test_the_report_says_the_error_that_is_left(frames: np.ndarray) -> None:
    codebooks, report = fit_residual(frames, 3, 32, seed=0)
    codes = quantize(torch.from_numpy(frames), torch.from_numpy(codebooks)).numpy()
    decoded = sum(codebooks[level][codes[:, level]].astype(np.float64) for level in range(3))
    assert report["mse"][-1] == pytest.approx(np.mean((frames - decoded) ** 2), rel=1e-5)


def test_residual_fit_is_as_good_as_kmeans_level_by_level(frames: np.ndarray) -> None:
    residual = frames[:5000]
    books = []
    for level in range(3):
        codebook = fit_kmeans(residual, 64, seed=level)[0][0]
        residual = residual - codebook[nearest(residual, codebook)]
        books.append(codebook)
    held_out = torch.from_numpy(frames[5000:])

    def error(codebooks: np.ndarray) -> float:
        codes = quantize(held_out, torch.from_numpy(codebooks)).numpy()
        decoded = sum(book[codes[:, level]] for level, book in enumerate(codebooks))
        return float(np.mean((frames[5000:] - decoded) ** 2))

    assert error(fit_residual(frames[:5000], 3, 64, seed=0)[0]) < 1.03 * error(np.stack(books))


def test_codes_equal_those_of_faiss(frames: np.ndarray) -> None:
    codebooks, _ = fit_residual(frames, 3, 32, seed=0)
    quantizer = faiss.ResidualQuantizer(12, 3, 5)
    faiss.copy_array_to_vector(codebooks.ravel(), quantizer.codebooks)
    quantizer.is_trained, quantizer.max_beam_size = True, 1
    decoded = quantizer.decode(quantizer.compute_codes(frames))
    codes = quantize(torch.from_numpy(frames), torch.from_numpy(codebooks)).numpy()
    ours = sum(codebooks[level][codes[:, level]] for level in range(3))
    np.testing.assert_allclose(ours, decoded, atol=1e-4)


def test_the_seed_decides(frames: np.ndarray) -> None:
    same = [fit_residual(frames, 2, 32, seed=5)[0] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(same[0], fit_residual(frames, 2, 32, seed=6)[0])
    assert not np.array_equal(fit_kmeans(frames, 32, seed=5)[0], fit_kmeans(frames, 32, seed=6)[0])


def test_restarts_keep_the_best(frames: np.ndarray) -> None:
    once = fit_kmeans(frames, 64, seed=0, iterations=5)[1]["mse"][0]
    assert fit_kmeans(frames, 64, seed=0, restarts=8, iterations=5)[1]["mse"][0] < once


def test_a_residual_codebook_has_any_size(frames: np.ndarray) -> None:
    codebooks, report = fit_residual(frames, 2, 100, seed=0)
    assert codebooks.shape == (2, 100, 12) and report["mse"][1] < report["mse"][0]


def test_the_fit_is_as_good_as_that_of_faiss(frames: np.ndarray) -> None:
    other = faiss.Kmeans(12, 64, niter=25, seed=0, min_points_per_centroid=1, max_points_per_centroid=5000)
    other.train(frames[:5000])
    ours = fit_kmeans(frames[:5000], 64, seed=0)[0][0]
    errors = [
        np.mean((frames[5000:] - book[nearest(frames[5000:], book)]) ** 2) for book in (ours, other.centroids)
    ]
    assert errors[0] < 1.02 * errors[1]


def test_a_tie_goes_to_the_lowest_index() -> None:
    codebook = torch.tensor([[[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]])
    frames = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-2.0, 2.0]])
    assert quantize(frames, codebook)[:, 0].tolist() == [0, 0, 1]


def test_codes_do_not_depend_on_the_chunk(frames: np.ndarray) -> None:
    codebooks = torch.from_numpy(fit_residual(frames, 2, 32, seed=0)[0])
    many = torch.from_numpy(np.tile(frames, (2, 1)))
    assert len(many) > CHUNK
    codes = quantize(many, codebooks)
    for row in (0, CHUNK - 1, CHUNK, len(many) - 1):
        assert torch.equal(codes[row], quantize(many[row : row + 1], codebooks)[0])


def test_reservoir_is_a_uniform_sample_of_the_stream() -> None:
    counts = np.zeros(100)
    for seed in range(400):
        reservoir = FrameReservoir(20, seed)
        for start in range(0, 100, 7):
            reservoir.add(np.arange(start, min(start + 7, 100), dtype=np.float32)[:, None])
        assert reservoir.seen == 100
        sample = reservoir.frames[:, 0].astype(int)
        assert len(set(sample)) == 20
        counts[sample] += 1
    assert abs(counts - 80).max() < 5 * np.sqrt(400 * 0.2 * 0.8)
    assert abs(counts[:50].mean() - counts[50:].mean()) < 5


def test_reservoir_keeps_everything_below_its_capacity() -> None:
    reservoir = FrameReservoir(10, 0)
    frames = np.arange(12, dtype=np.float32).reshape(6, 2)
    reservoir.add(frames[:4])
    reservoir.add(frames[4:])
    np.testing.assert_array_equal(reservoir.frames, frames)
    assert FrameReservoir(10, 0).frames.size == 0


def test_kmeans_plus_plus_finds_clusters_that_random_frames_miss() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(24, 8)).astype(np.float32) * 10
    frames = centres[rng.integers(0, 24, 4000)] + rng.normal(size=(4000, 8)).astype(np.float32) * 0.1
    errors = {
        seeding: [fit_kmeans(frames, 24, seed, seeding=seeding)[1]["mse"][0] for seed in range(4)]
        for seeding in ("random", "kmeans++")
    }
    assert np.mean(errors["kmeans++"]) < 0.5 * np.mean(errors["random"])
