"""Artifacts made by a training: built once, by one process or by all processes of a distributed job."""

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
from benchmark.training.report import REPORT

APPEARS = 60.0
"""Seconds to wait until a folder made on another machine appears on a shared file system."""


def trained_artifact(
    store: ArtifactStore, kind: str, key: dict[str, Any], build: Callable[[Path], None]
) -> Path:
    """Return the folder of an artifact; if the artifact is missing, `build` trains it first.

    In a distributed job, all processes call `build` with the same folder. Rank 0 holds the lease of the
    artifact; the others take part in the calls of `training.fit` that `build` makes.

    Args:
        store: Store of the artifact.
        kind: Passed to `ArtifactStore.get`.
        key: Passed to `ArtifactStore.get`.
        build: Passed to `ArtifactStore.get`; its folder holds the files that a killed training left.

    Raises: UserError if the folder of rank 0 is not visible on this machine.
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
    """Return the report of one training of an artifact that consists of several.

    Args:
        folder: Folder of this training.
        train: Calls `training.fit` and writes the report; not called if a killed run has already written the
            report.
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
    """Wait until a folder made by another rank is visible, with the tokens and checkpoints beside it.

    Raises: UserError if the folder does not appear within `APPEARS` seconds.
    """
    end = time.monotonic() + APPEARS
    while not folder.is_dir():
        if time.monotonic() > end:
            raise UserError(
                f"{platform.node()} has no {folder}: CACHE must lie on a file system that all nodes see, "
                "under one path"
            )
        time.sleep(1.0)
