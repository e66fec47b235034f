"""Content-addressed artifacts: built once, verified on reading, safe to kill at any moment.

An artifact is a folder `<root>/<kind>/<digest>`. The digest covers everything the content depends
on, so a changed argument is another folder and nothing is ever stale. It is built in
`<digest>.building` under a lock, fsynced, sealed by a `seal.json` with sizes and checksums, and
renamed into place: a reader sees the whole artifact or none of it.
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
    """Everything a run builds and another run may reuse, under one root folder.

    Attributes:
        awaited: Kinds that are not built here but waited for: another job makes them.
        patience: Seconds to wait for one that nobody makes.
    """

    def __init__(
        self, root: str | Path, awaited: Collection[str] = (), patience: float = 24 * 3600.0
    ) -> None:
        self.root = Path(root)
        self.awaited, self.patience = frozenset(awaited), patience
        self.used: set[str] = set()
        """`kind/digest` of every artifact asked for: the provenance of a result row."""
        self._verified: set[Path] = set()

    def path(self, kind: str, key: dict[str, Any]) -> Path:
        """Where the artifact of this kind and key lives, whether or not it exists."""
        return self.root / kind / digest(key)

    def building(self, final: Path) -> Path:
        """Where an artifact is built before it gets its name."""
        return final.with_name(f"{final.name}.building")

    def get(
        self,
        kind: str,
        key: dict[str, Any],
        build: Callable[[Path], None],
        resumable: bool = False,
        missing: Callable[[], int] | None = None,
    ) -> Path:
        """Return the artifact's folder, building it first when it is missing or damaged.

        Args:
            kind: Family folder, such as "tokens".
            key: Everything the content depends on, JSON-able.
            build: Fills the folder it is given. It may find there what a killed build left behind
                if `resumable`; otherwise the folder is empty.
            resumable: Keep the folder of a killed build for the next one to continue.
            missing: How many of the parts that `build` joins are not there yet: those are what is waited
                for where the kind is `awaited`.

        Raises: UserError for one that is awaited, and that nobody makes.
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
        """As `get`, for a piece of an artifact to be, which is not noted as `used`.

        Args:
            kind: As for `get`.
            key: As for `get`.
            build: As for `get`.
            wait: Whether to wait where another process builds it, or to return None.
        """
        final = self.path(kind, key)
        return final if self._make(final, key, build, resumable=False, wait=wait) else None

    def _make(
        self, final: Path, key: dict[str, Any], build: Callable[[Path], None], resumable: bool, wait: bool
    ) -> bool:
        """Whether the artifact is there in the end; it is not where another builds it and we do not wait."""
        while not self._is_whole(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            lease = Lease(final)
            if not lease.acquire(wait):
                return False
            try:
                list(final.parent.iterdir())  # or a file server's client may believe that it is still missing
                if not self._is_whole(final):  # otherwise another process built it while we waited
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
            log.warning("%s is left to the process that has taken it over", final)
            return
        building.replace(final)
        fsync_path(final.parent)
        self._verified.add(final)
        level = logging.DEBUG if final.parent.suffix else logging.INFO  # a shard is not worth a line
        log.log(level, "made %s/%s in %.1f s", final.parent.name, final.name, time.monotonic() - start)

    def _await(self, final: Path, missing: Callable[[], int] | None) -> None:
        start = since = time.monotonic()
        say, before = start + PATIENT, -1
        while not (final / SEAL).is_file() and (left := missing() if missing else 1):
            now, holder = time.monotonic(), holder_of(final)
            if holder or left != before:
                since, before = now, left
            what = f"{final} ({left} parts missing)" if missing else f"{final}"
            who = f"{holder} makes it" if holder else "nobody makes it as a whole"
            if now - since > self.patience:
                raise UserError(
                    f"{what} is awaited, and has not come on for {self.patience / 3600:.3g} h. Start the "
                    "stage that makes it, or stage=all, which makes everything; patience= waits longer"
                )
            if now > say:
                say = now + SAY_AGAIN
                log.info("waiting for %s: %s", what, who)
            time.sleep(POLL[1])

    def has(self, kind: str, key: dict[str, Any]) -> bool:
        """Whether the artifact is present (its checksums are not read)."""
        return self.exists(f"{kind}/{digest(key)}")

    def exists(self, reference: str) -> bool:
        """Whether the artifact called `kind/digest` is present (its checksums are not read)."""
        return (self.root / reference / SEAL).is_file()

    def _seal(self, folder: Path, key: dict[str, Any]) -> None:
        files = {}
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SEAL):
            fsync_path(path)
            name = path.relative_to(folder).as_posix()
            files[name] = {"size": path.stat().st_size, "sha256": file_digest(path)}
        write_atomic(folder / SEAL, json.dumps({"key": key, "files": files}, indent=1, sort_keys=True))

    def _is_whole(self, folder: Path) -> bool:
        """Check the seal: sizes and checksums, once per process and artifact."""
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
