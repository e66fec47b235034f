"""Tests of scripts of `make bench`: memory does not grow, and k-means is no worse than the peers'."""

import json
from pathlib import Path

import numpy as np
import pytest

from scripts.bench import kmeans as bench_kmeans
from scripts.bench import scale as bench_scale


@pytest.mark.timeout(300)
def test_private_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    measured = []
    for utterances in (600, 6_000):
        folder = tmp_path / str(utterances)
        folder.mkdir()
        bench_scale.run("make", folder, utterances)
        measured.append(json.loads(bench_scale.run("read", folder, utterances)))
    small, large = measured
    assert large["utterances"] == 10 * small["utterances"] and large["tokens"] > 9 * small["tokens"]
    assert large["tokens"] == pytest.approx(large["hours"] * 3600 * bench_scale.FRAME_RATE, rel=0.01)
    assert large["peak"] < 1.1 * small["peak"]
    assert large["peak"] > large["libraries"] > 0  # it was sampled
    text = bench_scale.page(measured)
    assert "6,000 utterances" in text and "full pass" in text


def test_ours_is_at_least_as_good_as_the_peers_k_means() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(12, 12)) * np.linspace(2, 0.2, 12)[:, None]
    frames = (rng.standard_t(5, size=(20_000, 12)) @ mixing).astype(np.float32)
    errors = {
        name: bench_kmeans.inertia(frames, fit(frames, 64, 0))
        for name, fit in {"ours": bench_kmeans.ours(), "peers": bench_kmeans.peers}.items()
    }
    assert errors["ours"] < 1.01 * errors["peers"]
    brute = ((frames[:500, None] - frames[None, :64]) ** 2).sum(-1).min(1).mean()
    assert bench_kmeans.inertia(frames[:500], frames[:64]) == pytest.approx(brute, rel=1e-5)
