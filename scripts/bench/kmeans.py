"""Measure time and error of our k-means and of the peers' on the same features of speech.

    python -m scripts.bench.kmeans --out docs/measurements/kmeans_speed.md dataset=librispeech

The peers' k-means is scikit-learn's MiniBatchKMeans with the settings of fairseq's HuBERT recipe,
SpeechBrain's DASB and s3prl: batches of 10,000, 20 initialisations, at most 100 passes, and an end after 100
batches without improvement.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits

from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tokenizers.encoding.encode import read_all
from benchmark.tokenizers.kmeans import fit_kmeans
from scripts.bench.interleaved import processor, publish

Fit = Callable[[np.ndarray, int, int], np.ndarray]
OURS = {
    "ours": {},
    "ours, k-means++": {"seeding": "kmeans++"},
    "ours, best of 3": {"restarts": 3},
}


def features(overrides: list[str], count: int) -> tuple[str, np.ndarray]:
    """Return a label, and at most `count` of the tokenizer's features on the train split, (frames, D)."""
    with open_hydra() as hydra:
        cfg = compose(hydra, ["tokenizer=whisper_kmeans", *overrides])
    tokenizer, corpus = build(cfg.tokenizer), build(cfg.dataset)
    parts: list[np.ndarray] = []
    with TemporaryDirectory() as folder:
        manifest = corpus.manifest("train", ArtifactStore(folder))
        for _, wav in read_all(manifest):
            if isinstance(wav, np.ndarray):
                parts.append(tokenizer._features_of(wav))
            if sum(map(len, parts)) >= count:
                break
    frames = np.concatenate(parts)[:count]
    return (
        f"{len(frames):,} frames of {tokenizer.name} on {corpus.name}, {frames.shape[1]} dimensions",
        frames,
    )


def ours(**how: object) -> Fit:
    """Return our fit with these arguments of `fit_kmeans`."""
    return lambda frames, size, seed: fit_kmeans(frames, size, seed, **how)[0][0]  # type: ignore[arg-type]


def peers(frames: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return the (size, D) centroids of the peers' fit."""
    fit = MiniBatchKMeans(
        size,
        init="k-means++",
        batch_size=10_000,
        n_init=20,
        max_iter=100,
        max_no_improvement=100,
        tol=0.0,
        compute_labels=False,
        random_state=seed,
    )
    return np.asarray(fit.fit(frames).cluster_centers_, np.float32)


def inertia(frames: np.ndarray, centroids: np.ndarray) -> float:
    """Return the mean squared distance to the nearest centroid."""
    points, centres = torch.from_numpy(frames).double(), torch.from_numpy(centroids).double()
    return float(
        torch.cat([torch.cdist(part, centres).amin(1).square() for part in points.split(8192)]).mean()
    )


def main(argv: list[str] | None = None) -> int:
    """Run every fit, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="dataset=… and tokenizer=…, as of python -m benchmark")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--frames", type=int, default=50_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256], help="centroids")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_intermixed_args(argv)
    torch.set_num_threads(arguments.threads)
    label, frames = features(arguments.overrides, arguments.frames)
    fits: dict[str, Fit] = {name: ours(**how) for name, how in OURS.items()} | {"peers": peers}
    lines = [
        "| centroids | | seconds: wall | CPU | times as fast by CPU | squared error per frame |",
        "| --: | --- | --: | --: | --: | --: |",
    ]
    for size in arguments.sizes:
        measured = {}
        with threadpool_limits(arguments.threads):
            for name, fit in fits.items():
                wall, cpu = time.perf_counter(), time.process_time()
                centroids = fit(frames, size, arguments.seed)
                seconds = time.perf_counter() - wall, time.process_time() - cpu
                measured[name] = *seconds, inertia(frames, centroids)
        for name, (wall, cpu, error) in measured.items():
            times = measured["peers"][1] / cpu
            lines.append(f"| {size} | {name} | {wall:.1f} | {cpu:.1f} | {times:.1f} | {error:.3f} |")
    text = f"""# Speed and error of k-means

{label}; {arguments.threads} of {os.cpu_count()} hardware threads of {processor("cpu")}, seed \
{arguments.seed}. "peers" is scikit-learn's MiniBatchKMeans with batches of 10,000, n_init 20, max_iter 100 \
and max_no_improvement 100. Our time includes the report of errors and empty clusters.

Written by `python -m scripts.bench.kmeans`.

""" + "".join(f"{line}\n" for line in lines)
    publish(text, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
