"""Content-addressed artifacts, each built once and verified on reading; a build may be killed at any moment.

An artifact is a folder `<root>/<kind>/<digest>`. The digest covers everything the content depends on, so a
changed argument leads to another folder and no artifact is ever stale. The artifact is built in
`<digest>.building` under a lock, fsynced, sealed by a `seal.json` with sizes and checksums, and renamed
into place, so that a reader sees the whole artifact or none of it.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.storage.atomic_files import fsync_path, write_atomic
from benchmark.storage.hashing import digest, file_digest
from benchmark.storage.lease import PATIENT, POLL, SAY_AGAIN, Lease, holder_of

log = logging.getLogger(__name__)

SEAL = "seal.json"


class ArtifactStore:
    """A store, under one root folder, of the artifacts that one run builds and other runs may reuse.

    Attributes:
        root: Folder that holds one sub-folder per kind.
        awaited: Kinds that are never built here, but waited for while another job builds them.
        patience: Seconds to wait while no process is building the awaited artifact.
    """

    def __init__(
        self, root: str | Path, awaited: Collection[str] = (), patience: float = 24 * 3600.0
    ) -> None:
        self.root = Path(root)
        self.awaited, self.patience = frozenset(awaited), patience
        self.used: set[str] = set()
        """`kind/digest` of every artifact requested so far; result rows record them as provenance."""
        self._verified: set[Path] = set()

    def path(self, kind: str, key: dict[str, Any]) -> Path:
        """Return the folder of the artifact of this kind and key, whether or not it exists."""
        return self.root / kind / digest(key)

    def building(self, final: Path) -> Path:
        """Return the folder in which an artifact is built before it is renamed to `final`."""
        return final.with_name(f"{final.name}.building")

    def get(
        self,
        kind: str,
        key: dict[str, Any],
        build: Callable[[Path], None],
        resumable: bool = False,
        missing: Callable[[], int] | None = None,
    ) -> Path:
        """Return the artifact's folder, building the artifact first if it is missing or damaged.

        Args:
            kind: Family folder, such as "tokens".
            key: Everything the content depends on, JSON-able.
            build: Function that fills the folder passed to it. The folder is empty, unless `resumable` is
                set and a killed build left files behind.
            resumable: Keep the folder of a killed build for the next build to continue.
            missing: Function that returns how many of the parts that `build` joins do not exist yet. If the
                kind is `awaited`, these parts are waited for instead of the whole artifact.

        Raises:
            UserError: the kind is `awaited`, and no process has made progress on it for `patience` seconds.
        """
        final = self.path(kind, key)
        self.used.add(f"{kind}/{final.name}")
        if kind in self.awaited:
            self._await(final, missing)
        self._make(final, key, build, resumable, wait=True)
        return final

    def get_part(
        self, kind: str, key: dict[str, Any], build: Callable[[Path], None], wait: bool
    ) -> Path | None:
        """Return the folder of one part of a future artifact, built first if necessary, or None.

        Unlike `get`, this method does not record the part in `used`.

        Args:
            kind: Family folder of the part, as for `get`.
            key: Everything the content of the part depends on, JSON-able.
            build: Function that fills the empty folder passed to it.
            wait: True to wait while another process builds the part, False to return None at once.
        """
        final = self.path(kind, key)
        return final if self._make(final, key, build, resumable=False, wait=wait) else None

    def _make(
        self, final: Path, key: dict[str, Any], build: Callable[[Path], None], resumable: bool, wait: bool
    ) -> bool:
        """Build the artifact unless it is whole, and return whether it exists afterwards.

        False means that another process is building the artifact and `wait` is False.
        """
        while not self._is_whole(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            lease = Lease(final)
            if not lease.acquire(wait):
                return False
            try:
                list(final.parent.iterdir())  # refreshes a network file system's cached "does not exist"
                if not self._is_whole(final):  # another process may have built the artifact meanwhile
                    self._build(final, key, build, resumable, lease)
            finally:
                lease.release()
        return True

    def _build(
        self, final: Path, key: dict[str, Any], build: Callable[[Path], None], resumable: bool, lease: Lease
    ) -> None:
        if final.exists():
            log.warning("%s is damaged and is built again", final)
            shutil.rmtree(final)
        building = self.building(final)
        if building.exists() and not resumable:
            shutil.rmtree(building)
        building.mkdir(exist_ok=True)
        start = time.monotonic()
        try:
            build(building)
            self._seal(building, key)
        except Exception:
            if lease.is_held:
                raise
        if not lease.is_held:
            log.warning("%s was taken over by another process, which will finish the build", final)
            return
        building.replace(final)
        fsync_path(final.parent)
        self._verified.add(final)
        level = logging.DEBUG if final.parent.suffix else logging.INFO  # shards are too many for the log
        log.log(level, "built %s/%s in %.1f s", final.parent.name, final.name, time.monotonic() - start)

    def _await(self, final: Path, missing: Callable[[], int] | None) -> None:
        start = since = time.monotonic()
        say, before = start + PATIENT, -1
        while not (final / SEAL).is_file() and (left := missing() if missing else 1):
            now, holder = time.monotonic(), holder_of(final)
            if holder or left != before:
                since, before = now, left
            what = f"{final} ({left} parts missing)" if missing else f"{final}"
            who = f"{holder} is building it" if holder else "no process is building it as a whole"
            if now - since > self.patience:
                raise UserError(
                    f"{what} is awaited, but made no progress for {self.patience / 3600:.3g} h. Start the "
                    "stage that builds it, or stage=all, which builds everything; patience= waits longer"
                )
            if now > say:
                say = now + SAY_AGAIN
                log.info("waiting for %s: %s", what, who)
            time.sleep(POLL[1])

    def has(self, kind: str, key: dict[str, Any]) -> bool:
        """Return whether the artifact is present, without verifying its checksums."""
        return self.exists(f"{kind}/{digest(key)}")

    def exists(self, reference: str) -> bool:
        """Return whether the artifact `kind/digest` is present, without verifying its checksums."""
        return (self.root / reference / SEAL).is_file()

    def _seal(self, folder: Path, key: dict[str, Any]) -> None:
        files = {}
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SEAL):
            fsync_path(path)
            name = path.relative_to(folder).as_posix()
            files[name] = {"size": path.stat().st_size, "sha256": file_digest(path)}
        write_atomic(folder / SEAL, json.dumps({"key": key, "files": files}, indent=1, sort_keys=True))

    def _is_whole(self, folder: Path) -> bool:
        """Return whether sizes and checksums match the seal, checked once per process and artifact."""
        if folder in self._verified and folder.exists():
            return True
        try:
            files = json.loads((folder / SEAL).read_text())["files"]
        except (OSError, ValueError, KeyError):
            return False
        for name, facts in files.items():
            path = folder / name
            size_fits = path.is_file() and path.stat().st_size == facts["size"]
            if not size_fits or file_digest(path) != facts["sha256"]:
                return False
        self._verified.add(folder)
        return True
