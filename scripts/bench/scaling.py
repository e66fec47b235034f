"""Measure the speed-up of two jobs over one, for encoding a corpus and for scoring decoded speech in parts.

    python -m scripts.bench.scaling --out docs/measurements/scaling.md

Every job is a process of the real command line (`stage=encode part=1/2` and so on); all share one cache.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.bench.interleaved import processor, publish

CORPUS = ("dataset.train_utterances=1024", "dataset.test_utterances=256", "limit=256")
WORK = {
    "encode": ("tokenizer=whisper_kmeans", "task=asr_probe"),
    "score": ("tokenizer=opus_6k", "task=reconstruction", "metric=[pesq,stoi,estoi,gpe,vde,mel_distance]"),
}
BEFORE = {
    "encode": ("tokenizer=whisper_kmeans", "task=codebook_usage", "stage=encode"),
    "score": ("tokenizer=opus_6k", "task=reconstruction", "stage=encode"),
}
"""Jobs that run before the measurement: they make the recordings, the codebook and the codes to score."""
SECONDS = {"encode": r"encoded .* in ([\d.]+) s", "score": r"scored in ([\d.]+) s"}


def start(cache: Path, *overrides: str) -> subprocess.Popen[str]:
    """Start one job."""
    line = sys.executable, "-m", "benchmark", *overrides, *CORPUS, "trainer.progress_bar=false"
    return subprocess.Popen(
        [*line, f"hydra.run.dir={cache}.out"],
        env=os.environ | {"CACHE": str(cache), "RESULTS": f"{cache}.results", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(jobs: list[subprocess.Popen[str]]) -> list[str]:
    """Wait for the jobs and return their logs; exit if one of them has failed."""
    logs = [job.communicate()[0] for job in jobs]
    if any(job.returncode for job in jobs):
        raise SystemExit(f"a job has failed:\n{''.join(logs)[-3000:]}")
    return logs


def measure(stage: str, ready: Path, workers: int, cache: Path) -> tuple[float, float]:
    """Return the seconds until the last of `workers` jobs ends, and the longest work without start-up."""
    shutil.copytree(ready, cache, copy_function=os.link)
    begin = time.perf_counter()
    parts = [f"part={number}/{workers}" for number in range(1, workers + 1)]
    logs = finish([start(cache, *WORK[stage], f"stage={stage}", part) for part in parts])
    wall = time.perf_counter() - begin
    worked = max(sum(map(float, re.findall(SECONDS[stage], log))) for log in logs)
    shutil.rmtree(cache)
    return wall, worked


def main(argv: list[str] | None = None) -> int:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args(argv)
    lines = [
        "| stage | jobs | s, all included | efficiency | s of work | efficiency |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    load = os.getloadavg()[0]
    with TemporaryDirectory() as folder:
        for stage in WORK:
            ready = Path(folder) / f"ready-{stage}"
            finish([start(ready, *BEFORE[stage])])
            alone = None
            for workers in arguments.workers:
                found = measure(stage, ready, workers, Path(folder) / f"{stage}-{workers}")
                alone = alone or found
                gain = [f"{first / (workers * now):.2f}" for first, now in zip(alone, found, strict=True)]
                lines.append(
                    f"| {stage} | {workers} | {found[0]:.1f} | {gain[0]} | {found[1]:.1f} | {gain[1]} |"
                )
                print(lines[-1], flush=True)
    text = f"""# Scaling over jobs

`stage=encode` of 1024 training and the dev utterances by `whisper_kmeans`, `stage=score` of 256 utterances \
of `opus_6k` by metrics without models, divided by `part=` among so many processes over one cache, on \
{os.cpu_count()} hardware threads of {processor("cpu")}, load average {load:.1f} before. Efficiency is the \
time of one job over the time of n, divided by n. Work is what the slowest job says of itself, without the \
start of Python and the libraries.

Written by `python -m scripts.bench.scaling`.

""" + "".join(f"{line}\n" for line in lines)
    publish(text, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
