"""Kill a reproduction at random moments, run it again, and compare its tables with an undisturbed run.

    python -m scripts.kill_and_compare --kills 5 --reference results/mini/tables experiment=mini

The disturbed run works in a cache and a results folder of its own. Exit status 0 when every CSV table
is byte-identical to the reference's, 1 with the names of those that are not.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from filecmp import cmp
from pathlib import Path


def start(overrides: list[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start the job in a process group of its own, so that its workers die with it."""
    environment = os.environ | {"CACHE": str(folder / "cache"), "RESULTS": str(folder / "results")}
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmark", *overrides],
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def main() -> int:
    """Kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("overrides", nargs="+", help="Hydra overrides, such as experiment=mini")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--longest", type=float, default=180.0, help="seconds until a kill, at most")
    parser.add_argument("--folder", type=Path, default=Path("outputs/kill_and_compare"))
    parser.add_argument("--reference", type=Path, required=True, help="tables of the undisturbed run")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    log = arguments.folder / "log.txt"
    moments = random.Random(arguments.seed)
    for kill in range(arguments.kills):
        process = start(arguments.overrides, arguments.folder, log)
        wait = moments.uniform(5, arguments.longest)
        time.sleep(wait)
        if process.poll() is not None:
            print(f"run {kill}: ended by itself before {wait:.0f} s")
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        print(f"run {kill}: killed after {wait:.0f} s", flush=True)
    last = start(arguments.overrides, arguments.folder, log)
    if last.wait() != 0:
        print(f"the last run failed; see {log}")
        return 1
    tables = next((arguments.folder / "results").glob("*/tables"))
    names = sorted(path.name for path in arguments.reference.glob("*.csv"))
    different = [name for name in names if not cmp(arguments.reference / name, tables / name, shallow=False)]
    print("identical: " + ", ".join(name for name in names if name not in different))
    if different:
        print("DIFFERENT: " + ", ".join(different))
    return bool(different or not names)


if __name__ == "__main__":
    sys.exit(main())
