"""Measure the overhead of each launcher by sweeps of one and of several jobs that are already done.

    python -m scripts.bench.launchers --out docs/measurements/launchers.md

SLURM is measured if it runs here (`python -m tests.cluster.slurm <folder>` starts one), and is left out
otherwise. Ray is measured on the cluster that RAY_ADDRESS names, or else on one that starts here.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from scripts.bench.interleaved import processor, publish

LAUNCHERS = ("basic", "joblib", "submitit_local", "submitit_slurm", "ray")
JOB = [
    "profile=mini",
    "tokenizer=mfcc_kmeans",
    "tokenizer.codebook_size=32",
    "task=codebook_usage",
    "dataset.train_utterances=36",
    "dataset.dev_utterances=12",
    "dataset.test_utterances=12",
    "limit=6",
    "trainer.progress_bar=false",
]


def lacks(launcher: str) -> str:
    """Return the reason why a launcher cannot be measured here, or "" if it can."""
    library = {"basic": "hydra", "joblib": "joblib", "ray": "ray"}.get(launcher, "submitit")
    if find_spec(library) is None:
        return f"{library} is not installed (make cluster)"
    if "slurm" in launcher:
        if shutil.which("scontrol") is None:
            return "there is no SLURM here"
        if subprocess.run(["scontrol", "ping"], capture_output=True, timeout=60, check=False).returncode:
            return "SLURM has no controller that answers (python -m tests.cluster.slurm <folder> starts one)"
    return ""


def sweep(folder: Path, launcher: str, jobs: int) -> float:
    """Return the seconds of a sweep over `jobs` seeds, from the start of the command to its end."""
    place = folder / f"{launcher}-{time.monotonic_ns()}"
    seeds = ",".join(map(str, range(jobs)))
    command = [sys.executable, "-m", "benchmark", "-m", *JOB, f"seed={seeds}", f"hydra/launcher={launcher}"]
    environment = os.environ | {"CACHE": str(folder / "cache"), "RESULTS": str(folder / "results")}
    begin = time.monotonic()
    done = subprocess.run(
        [*command, f"hydra.sweep.dir={place}"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{launcher}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - begin


def main(argv: list[str] | None = None) -> int:
    """Measure the launchers in alternating turns, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--jobs", type=int, default=9, help="of the longer sweep")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--launchers", nargs="+", default=LAUNCHERS)
    arguments = parser.parse_args(argv)
    left_out = {name: why for name in arguments.launchers if (why := lacks(name))}
    for name, why in left_out.items():
        sys.stderr.write(f"{name} is left out: {why}\n")
    names = [name for name in arguments.launchers if name not in left_out]
    lengths = (1, arguments.jobs)
    with TemporaryDirectory() as text:
        folder = Path(text)
        sweep(folder, "basic", arguments.jobs)  # leaves the measured sweeps nothing to do
        taken: dict[tuple[str, int], list[float]] = {(name, jobs): [] for name in names for jobs in lengths}
        for _ in range(arguments.rounds):
            for (name, jobs), seconds in taken.items():
                seconds.append(sweep(folder, name, jobs))
    lines = [
        f"| launcher | a sweep of 1 job (s) | of {arguments.jobs} jobs (s) | each further job (s) |",
        "| --- | --: | --: | --: |",
    ]
    for name in names:
        one, many = (median(taken[name, jobs]) for jobs in lengths)
        lines.append(f"| `{name}` | {one:.1f} | {many:.1f} | {(many - one) / (arguments.jobs - 1):.2f} |")
    table = "\n".join(lines)
    publish(
        f"""# Count the cost of launchers

Every job had been done before, so that this is what starting, looking and ending cost. Median of \
{arguments.rounds} rounds by turns, {os.cpu_count()} cores of {processor("cpu")}. `basic` runs one job at a \
time, in the process of the command; the others as many as fit, in processes of their own.

{table}

`python -m scripts.bench.launchers` writes this page.
""",
        arguments.out,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
