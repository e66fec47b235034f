"""Measure the speed of the benchmark's encoding against a loop over single utterances.

    python -m scripts.bench.encode --out docs/measurements/encoding_speed.md dataset=librispeech

Both encode the same utterances in alternating turns. The loop reads and encodes one file after the other.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

from benchmark.data.audio import read_audio
from benchmark.data.manifest import Manifest
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest, fit_codebook
from scripts.bench.interleaved import processor, publish


def in_batches(tokenizer: Tokenizer, manifest: Manifest) -> None:
    """Encode as the benchmark does: read ahead, batch by length, write to a store and seal it."""
    with TemporaryDirectory() as folder:
        encode_manifest(tokenizer, manifest, ArtifactStore(folder))


def one_by_one(tokenizer: Tokenizer, manifest: Manifest) -> None:
    """Encode in a plain loop and keep the codes in memory."""
    codes = []
    for utterance in manifest:
        wav = torch.from_numpy(read_audio(utterance.audio_path))
        codes.append(tokenizer.encode(wav[None], torch.tensor([len(wav)]))[0])


def main(argv: list[str] | None = None) -> int:
    """Encode in alternating turns, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="dataset=… and device=…, as of python -m benchmark")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--tokenizers", nargs="+", default=["whisper_kmeans", "mel_rvq"])
    parser.add_argument("--utterances", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of the models; reading has its own")
    arguments = parser.parse_intermixed_args(argv)
    torch.set_num_threads(arguments.threads)
    logging.disable(logging.INFO)
    lines = [
        "| tokenizer | × real time: in batches | one by one | times as fast: wall | CPU |",
        "| --- | --: | --: | --: | --: |",
    ]
    ways: tuple[Callable[[Tokenizer, Manifest], None], ...] = (in_batches, one_by_one)
    load = [os.getloadavg()[0]]
    for name in arguments.tokenizers:
        with open_hydra() as hydra:
            cfg = compose(hydra, [f"tokenizer={name}", *arguments.overrides])
        tokenizer, corpus = build(cfg.tokenizer), build(cfg.dataset)
        with TemporaryDirectory() as folder:
            store = ArtifactStore(folder)
            tokenizer = fit_codebook(tokenizer, corpus, store, seed=0)
            manifest = corpus.manifest("train", store).subset(arguments.utterances)
            seconds: list[list[tuple[float, float]]] = [[], []]
            for _ in range(arguments.rounds):
                for way, measured in zip(ways, seconds, strict=True):
                    wall, cpu = time.perf_counter(), time.process_time()
                    way(tokenizer, manifest)
                    measured.append((time.perf_counter() - wall, time.process_time() - cpu))
        walls, cpus = ([median(times[part] for times in way) for way in seconds] for part in (0, 1))
        speeds = " | ".join(f"{manifest.hours * 3600 / wall:.0f}" for wall in walls)
        lines.append(f"| {name} | {speeds} | {walls[1] / walls[0]:.2f} | {cpus[1] / cpus[0]:.2f} |")
        print(lines[-1], flush=True)
    load.append(os.getloadavg()[0])
    text = f"""# Speed of encoding

{len(manifest)} utterances of {corpus.name}, {manifest.hours * 60:.1f} min, on {arguments.threads} of \
{os.cpu_count()} hardware threads of {processor("cpu")}, device {cfg.device}; medians of {arguments.rounds} \
rounds by turns, load average {load[0]:.1f} before and {load[1]:.1f} after. In batches: files read ahead by \
threads, utterances sorted by length, batches of equal length for models that must not see padding, tokens \
written and sealed. One by one: the plain loop, which keeps its codes in memory.

Written by `python -m scripts.bench.encode`.

""" + "".join(f"{line}\n" for line in lines)
    publish(text, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
