r"""Kill a run at random moments, restart it, and compare its files with those of an undisturbed run.

    python -m scripts.kill_and_compare --kills 5 experiment=mini
    python -m scripts.kill_and_compare --kills 20 --first 6 --last 30 --what tokens --processes 2 \
        dataset=librispeech tokenizer=whisper_kmeans task=asr_probe stage=encode

Each run has a cache and a results folder of its own. The exit status is 0 if every CSV table, or every file
of every token store, is byte-identical. Otherwise it is 1, and the names of the different files are printed.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from filecmp import cmp
from pathlib import Path

WHAT = {"tables": "results/*/tables/*.csv", "tokens": "cache/tokens/*/*"}


def start(overrides: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start the run in a process group of its own, so that its workers die with it."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"CACHE": str(folder / "cache"), "RESULTS": str(folder / "results")}
    with (folder / "log.txt").open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmark", *overrides],
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def finish(overrides: list[str], folder: Path, processes: int) -> None:
    """Run to the end, in `processes` processes at once; exit if one of them fails."""
    running = [start(overrides, folder) for _ in range(processes)]
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit(f"the run failed; see {folder / 'log.txt'}")


def kill_once(overrides: list[str], folder: Path, processes: int, wait: float) -> bool:
    """Start a run and kill it after `wait` seconds; return False if it ended before."""
    running = [start(overrides, folder) for _ in range(processes)]
    time.sleep(wait)
    alive = [process for process in running if process.poll() is None]
    for process in alive:
        os.killpg(process.pid, signal.SIGKILL)
    for process in running:
        process.wait()
    return bool(alive)


def compare(one: Path, other: Path, pattern: str) -> tuple[list[str], list[str]]:
    """Return the names of files that both folders hold with the same bytes, and of all other files."""
    names = {
        path.relative_to(folder).as_posix()
        for folder in (one, other)
        for path in folder.glob(pattern)
        if path.is_file() and path.parent.suffix != ".lease"
    }
    same = {
        name
        for name in names
        if all((folder / name).is_file() for folder in (one, other)) and cmp(one / name, other / name, False)
    }
    return sorted(same), sorted(names - same)


def main() -> int:
    """Run once undisturbed and once with kills, and compare the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("overrides", nargs="+", help="Hydra overrides, such as experiment=mini")
    parser.add_argument("--what", choices=WHAT, default="tables", help="what is compared")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--first", type=float, default=5.0, help="seconds until a kill, at least")
    parser.add_argument("--last", type=float, default=180.0, help="seconds until a kill, at most")
    parser.add_argument("--processes", type=int, default=1, help="the same run so many times at once")
    parser.add_argument("--folder", type=Path, default=Path("outputs/kill_and_compare"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    undisturbed, disturbed = arguments.folder / "undisturbed", arguments.folder / "disturbed"
    if disturbed.exists():  # a finished run would have no work left to be killed in
        parser.error(f"{disturbed} is there already; remove it or name another --folder")
    finish(arguments.overrides, undisturbed, 1)
    if arguments.what == "tokens" and (undisturbed / "cache" / "codebooks").exists():
        # Only encoding is to be killed here; a codebook is fitted in one go.
        shutil.copytree(
            undisturbed / "cache" / "codebooks", disturbed / "cache" / "codebooks", dirs_exist_ok=True
        )
    moments = random.Random(arguments.seed)
    for kill in range(arguments.kills):
        wait = moments.uniform(arguments.first, arguments.last)
        killed = kill_once(arguments.overrides, disturbed, arguments.processes, wait)
        print(f"run {kill}: {'killed after' if killed else 'ended before'} {wait:.1f} s", flush=True)
    finish(arguments.overrides, disturbed, arguments.processes)
    same, different = compare(undisturbed, disturbed, WHAT[arguments.what])
    print(f"identical: {len(same)} files")
    if different:
        print("DIFFERENT: " + ", ".join(different))
    return bool(different or not same)


if __name__ == "__main__":
    sys.exit(main())
