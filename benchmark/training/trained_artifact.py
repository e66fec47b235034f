"""What a training makes, once: by one process, or by all that were started together for the job."""

import json
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore
from benchmark.training.process_group import LeftToRankZero, ProcessGroup
from benchmark.training.trainer import REPORT

APPEARS = 60.0
"""Seconds after which a folder of another machine is seen on a shared file system, or never."""


def trained_artifact(
    store: ArtifactStore, kind: str, key: dict[str, Any], build: Callable[[Path], None]
) -> Path:
    """Return the folder of an artifact that `build` trains first where it is missing.

    Processes that were started together all call `build`, for the same folder: rank 0 under the lease of the
    artifact, and the others for the calls of `training.fit` in it.

    Args:
        store: Where artifacts are kept.
        kind: As for `ArtifactStore.get`.
        key: As for `ArtifactStore.get`.
        build: As for `ArtifactStore.get`; finds what a killed training has left.

    Raises: UserError where the folder of rank 0 is not on this machine.
    """
    group = ProcessGroup.current
    if group is None:
        return store.get(kind, key, build, resumable=True)
    final = store.path(kind, key)

    def lead(begin: Callable[[], None]) -> str:
        def build_together(folder: Path) -> None:
            begin()
            build(folder)

        return store.get(kind, key, build_together, resumable=True).name

    def join() -> None:
        building = store.building(final)
        _require_shared(building)
        with suppress(LeftToRankZero):
            build(building)

    group.together(f"{kind}/{final.name}", lead, join)
    _require_shared(final)
    return final


def reported(folder: Path, train: Callable[[], None]) -> dict[str, Any]:
    """Return the report of a training within that of an artifact.

    Args:
        folder: Of the training.
        train: Calls `training.fit` and leaves the report; left out where a killed run has come so far.
    """

    def lead(begin: Callable[[], None]) -> str:
        if not (folder / REPORT).exists():
            folder.mkdir(parents=True, exist_ok=True)
            begin()
            train()
        return (folder / REPORT).read_text()

    def join() -> None:
        with suppress(LeftToRankZero):
            train()

    group = ProcessGroup.current
    text = lead(lambda: None) if group is None else group.together(folder.name, lead, join)
    report: dict[str, Any] = json.loads(text)
    return report


def _require_shared(folder: Path) -> None:
    """Wait until a folder that another rank has made is there, with the tokens and checkpoints beside it."""
    end = time.monotonic() + APPEARS
    while not folder.is_dir():
        if time.monotonic() > end:
            raise UserError(
                f"{platform.node()} has no {folder}: CACHE must lie on a file system that all nodes see, "
                "under one path"
            )
        time.sleep(1.0)
