"""Measure memory and time of a manifest and its tokens at two sizes, a factor of ten apart.

    python -m scripts.bench.scale --out docs/measurements/scale.md

The larger size has the length of LibriSpeech's 960 hours: 280,000 utterances and 173 million tokens. There is
no audio: lengths are drawn from a distribution like that of read speech, texts and codes at random. For each
size, one process writes the files, and another reads them.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from benchmark.data.manifest import SCHEMA, Manifest
from benchmark.storage.frame_store import join
from benchmark.storage.id_table import IdTable
from benchmark.storage.shards import ROWS
from benchmark.storage.token_store import TokenStore, TokenWriter
from benchmark.training.bucket_sampler import BucketBatches
from benchmark.types import SAMPLE_RATE
from scripts.bench.interleaved import processor, publish

FRAME_RATE, ENTRIES = 50, 1024
MEAN_SECONDS = 12.36
"""Mean length of an utterance: 960 hours divided by 280,000."""
SPEAKERS = 2338
RANDOM_READS = 20_000
BATCH_SECONDS = 120
STEPS = (
    "load the manifest",
    "open the tokens",
    "plan an epoch",
    f"{RANDOM_READS:,} random reads",
    "full pass",
)


def make_speech(folder: Path, utterances: int) -> None:
    """Write a manifest and a token store as a corpus and an encoder would."""
    rng = np.random.default_rng(0)
    seconds = np.clip(rng.gamma(9.0, MEAN_SECONDS / 9, utterances), 1.0, 35.0)
    numbers = np.arange(utterances)
    words = rng.integers(10**9, 10**10, (utterances, 18)).astype(str)  # 180 characters, as in LibriSpeech
    columns: dict[str, Any] = {
        "utterance_id": [f"{n * SPEAKERS // utterances:04d}-{n:06d}-0000" for n in numbers],
        "audio_path": [f"/corpus/train/{n // 1000:03d}/{n:06d}.flac" for n in numbers],
        "speaker_id": [f"{n * SPEAKERS // utterances:04d}" for n in numbers],
        "duration": seconds,
        "fingerprint": [f"{int(s * SAMPLE_RATE)}:16000:{n}" for n, s in zip(numbers, seconds, strict=True)],
        "text": [" ".join(row) for row in words],
        "language": ["en"] * utterances,
    }
    empty = [None] * utterances
    table = pa.table([pa.array(columns.get(f.name, empty), f.type) for f in SCHEMA], SCHEMA)
    Manifest.of(IdTable(table)).save(folder / "manifest.arrow")
    frames = (seconds * FRAME_RATE).astype(int)
    shards = []
    for start in range(0, utterances, ROWS):
        shard = folder / f"shard{start}"
        shard.mkdir()
        writer = TokenWriter(shard, 1, ENTRIES)
        for n in range(start, min(start + ROWS, utterances)):
            writer.add(columns["utterance_id"][n], rng.integers(0, ENTRIES, (1, frames[n])))
        writer.close()
        shards.append(shard)
    (folder / "tokens").mkdir()
    join(shards, folder / "tokens")


class Memory:
    """Sampler of the peak private memory of this process; the kernel may drop pages of mapped files."""

    def __init__(self) -> None:
        self.peak = 0.0
        self._done = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Sample in a thread until the block ends."""
        sampler = threading.Thread(target=self._sample)
        sampler.start()
        try:
            yield
        finally:
            self._done.set()
            sampler.join()

    def _sample(self) -> None:
        while not self._done.wait(0.002):
            self.peak = max(self.peak, self.now("RssAnon"))

    @staticmethod
    def now(kind: str) -> float:
        """Return the memory of a kind in MiB, as the kernel counts it."""
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{kind}:"))


def read_speech(folder: Path) -> dict[str, Any]:
    """Run every step of `STEPS`; return the seconds of each, and the memory over all."""
    memory, seconds = Memory(), []
    facts: dict[str, Any] = {"libraries": Memory.now("RssAnon")}

    def timed(step: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = step()
        seconds.append(time.perf_counter() - start)
        return result

    def plan() -> int:
        lengths = tokens.index.numbers("frames")
        most = BATCH_SECONDS * FRAME_RATE
        batches = BucketBatches(lengths, 64, 1, 0, most)
        batches.batches_per_epoch = batches.batches_per_pass
        return sum(len(batch) for batch in batches)

    def read_at_random() -> int:
        rng = np.random.default_rng(1)
        chosen = (manifest.at(int(row)) for row in rng.integers(0, len(manifest), RANDOM_READS))
        return sum(tokens[utterance.utterance_id].shape[1] for utterance in chosen)

    def read_all() -> int:
        return sum(int(tokens[utterance.utterance_id].shape[1]) for utterance in manifest)

    with memory.watched():
        manifest = timed(lambda: Manifest.load(folder / "manifest.arrow"))
        tokens = timed(lambda: TokenStore(folder / "tokens"))
        timed(plan)
        timed(read_at_random)
        facts["tokens"] = timed(read_all)
    return facts | {
        "utterances": len(manifest),
        "hours": manifest.hours,
        "seconds": seconds,
        "peak": memory.peak,
        "mapped": Memory.now("RssFile"),
        "disk": sum(
            p.stat().st_size for p in folder.rglob("*") if p.is_file() and "shard" not in str(p.parent)
        ),
    }


def run(step: str, folder: Path, utterances: int) -> str:
    """Run one step in a process of its own, and return its output."""
    arguments = [sys.executable, "-m", "scripts.bench.scale", "--worker", step, str(folder), str(utterances)]
    return subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout


def page(measured: list[dict[str, Any]]) -> str:
    """Format the page: the conditions of the measurement, and the table."""
    small, large = measured
    growth = large["peak"] / small["peak"] - 1
    lines = [
        "| | " + " | ".join(f"{facts['utterances']:,} utterances" for facts in measured) + " |",
        "| --- | --: | --: |",
        "| hours, tokens | " + " | ".join(f"{f['hours']:,.0f} h, {f['tokens']:,}" for f in measured) + " |",
        "| on disk | " + " | ".join(f"{facts['disk'] / 1e6:,.0f} MB" for facts in measured) + " |",
        *(
            f"| {step} | " + " | ".join(f"{facts['seconds'][n]:.3g} s" for facts in measured) + " |"
            for n, step in enumerate(STEPS)
        ),
        "| **most private memory** | " + " | ".join(f"{facts['peak']:.1f} MiB" for facts in measured) + " |",
        "| of it the libraries | " + " | ".join(f"{facts['libraries']:.1f} MiB" for facts in measured) + " |",
        "| mapped files at the end | " + " | ".join(f"{f['mapped']:,.0f} MiB" for f in measured) + " |",
    ]
    return f"""# A manifest and its tokens at scale

Two sizes, a factor of {large["utterances"] / small["utterances"]:.0f} apart; read by one process each, on \
{processor("cpu")}, {os.cpu_count()} hardware threads. Codes of {ENTRIES} entries at {FRAME_RATE} Hz, one \
codebook. Private memory differs by **{growth:+.1%}**; mapped files are pages that the kernel takes back \
when it needs them. An epoch is planned in batches of at most {BATCH_SECONDS} s; the full pass looks up \
every utterance by its id and reads its tokens.

Written by `python -m scripts.bench.scale`.

""" + "".join(f"{line}\n" for line in lines)


def main(argv: list[str] | None = None) -> int:
    """Write and read both sizes; write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--utterances", type=int, default=280_000, help="of the larger size")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.worker:
        step, folder, utterances = arguments.worker
        if step == "make":
            make_speech(Path(folder), int(utterances))
        else:
            print(json.dumps(read_speech(Path(folder))))
        return 0
    measured = []
    for utterances in (arguments.utterances // 10, arguments.utterances):
        with TemporaryDirectory() as folder:
            run("make", Path(folder), utterances)
            measured.append(json.loads(run("read", Path(folder), utterances)))
    text = page(measured)
    publish(text, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
