"""Artifacts built in shards, so that a killed build resumes and several processes can share the work.

A shard is an artifact of a fixed range of rows, so the joined result is byte-identical whichever process
builds which shard. Processes that need the same artifact at once each take shards that no other process is
building; `part=3/16` assigns a process every sixteenth shard. Once all shards exist they are joined.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.frame_store import join
from benchmark.storage.hashing import digest

ROWS = 256
"""Utterances of a shard, the most that have to be processed again after a kill."""


@dataclass(frozen=True)
class Part:
    """One of `count` equal parts of the shards, counted from 1, as the share of one process."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Parse a part such as "3/16".

        Raises:
            UserError: the text is not a part.
        """
        found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
        if not found or int(found[1]) > int(found[2]):
            raise UserError(f"part={text!r} is none of 1/N … N/N, such as part=3/16 for the third of 16")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class ShardedBuild:
    """Instructions for building an artifact, such as a frame store or decoded speech, in shards.

    Attributes:
        kind: Family folder of the artifact.
        key: Everything that the content depends on, JSON-able.
        rows: Number of utterances in the manifest.
        build: Function that writes the content of some rows to a folder, for a frame store by a
            `FrameWriter`.
        finish: Function that adds files about the whole artifact to the joined folder.
        join: Function that joins the folders of all shards to one folder.
        at_once: Rows of a shard; `ROWS` if None.
    """

    kind: str
    key: dict[str, Any]
    rows: int
    build: Callable[[slice, Path], None]
    finish: Callable[[Path], None] = lambda _: None
    join: Callable[[list[Path], Path], None] = join
    at_once: int | None = None

    @property
    def shards(self) -> list[slice]:
        """Rows of each shard."""
        step = self.at_once or ROWS
        return [slice(start, min(start + step, self.rows)) for start in range(0, self.rows, step)]

    def numbers(self, part: Part | None = None) -> range:
        """Return the numbers of the shards of a part, or of all shards if `part` is None."""
        first, step = (0, 1) if part is None else (part.number - 1, part.count)
        return range(first, len(self.shards), step)

    @property
    def shards_kind(self) -> str:
        """Family folder of the shards, below the root of the store."""
        return f"{self.kind}/{digest(self.key)}.shards"


def make(recipe: ShardedBuild, store: ArtifactStore, progress: str | None = None) -> Path:
    """Build the whole artifact, reusing the shards that exist already, and return its folder.

    Args:
        recipe: Instructions for the artifact.
        store: Store of the artifact and its shards.
        progress: Label of the progress bar; None for no bar.
    """
    if not store.has(recipe.kind, recipe.key) and recipe.kind not in store.awaited:
        make_shards(recipe, store, progress=progress)

    def build(folder: Path) -> None:
        shards = (shard(recipe, store, number) for number in recipe.numbers())
        recipe.join([made for made in shards if made], folder)  # none is None, as `shard` has waited
        recipe.finish(folder)

    folder = store.get(recipe.kind, recipe.key, build, missing=lambda: _count_missing(recipe, store))
    shutil.rmtree(store.root / recipe.shards_kind, ignore_errors=True)
    return folder


def made_bytes(recipe: ShardedBuild, store: ArtifactStore) -> int:
    """Return the total size in bytes of the shards that exist already."""
    return sum(path.stat().st_size for path in (store.root / recipe.shards_kind).glob("*/*.bin"))


def make_shards(
    recipe: ShardedBuild, store: ArtifactStore, part: Part | None = None, progress: str | None = None
) -> None:
    """Build the shards of `part`, or all shards if `part` is None.

    Shards that other processes are building are waited for at the end. The function returns early if another
    process has joined all shards meanwhile.
    """
    with tqdm(total=recipe.rows, desc=progress, unit="utt", disable=progress is None) as bar:
        busy = list(recipe.numbers(part))
        for wait in (False, True):
            numbers, busy = busy, []
            for number in numbers:
                try:
                    made = not store.has(recipe.kind, recipe.key) and shard(recipe, store, number, wait)
                except FileNotFoundError:  # another process has just joined and removed the shards
                    if not store.has(recipe.kind, recipe.key):
                        raise
                    return
                if made is None:
                    busy.append(number)
                else:
                    bar.update(recipe.shards[number].stop - recipe.shards[number].start)


def shard(recipe: ShardedBuild, store: ArtifactStore, number: int, wait: bool = True) -> Path | None:
    """Build a shard and return its folder; None if another process is building it and `wait` is False.

    Raises:
        FileNotFoundError: another process has joined all shards and removed them.
    """

    def build(folder: Path) -> None:
        if store.has(recipe.kind, recipe.key):  # joined since the caller's check
            raise FileNotFoundError(f"the shards {recipe.shards_kind} are joined already")
        recipe.build(recipe.shards[number], folder)

    return store.get_part(recipe.shards_kind, {"shard": number}, build, wait)


def _count_missing(recipe: ShardedBuild, store: ArtifactStore) -> int:
    """Return the number of shards that do not exist yet."""
    return sum(not store.has(recipe.shards_kind, {"shard": number}) for number in recipe.numbers())
