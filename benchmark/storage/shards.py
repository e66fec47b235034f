"""A frame store made shard by shard: killed it goes on, several processes share it, the bytes are the same.

A shard is an artifact of a fixed run of rows, so its content does not depend on who makes it. Processes
that want the same store at once take the shards that nobody works at; `part=3/16` gives a
process every sixteenth. When all are there they are joined.
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
"""Utterances of a shard: what a kill can cost."""


@dataclass(frozen=True)
class Part:
    """Which of `count` equal parts of the shards a process makes, counted from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Read "3/16"; raises UserError for anything else."""
        found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
        if not found or int(found[1]) > int(found[2]):
            raise UserError(f"part={text!r} is none of 1/N … N/N, such as part=3/16 for the third of 16")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class ShardedBuild:
    """An artifact to be, made shard by shard of the rows of a manifest: a frame store, or decoded speech.

    Attributes:
        kind: Family of the artifact.
        key: Everything that the content depends on.
        rows: Utterances of the manifest.
        build: Writes the content of some rows to a folder: for a frame store by a `FrameWriter`.
        finish: Adds what belongs to the whole to the joined folder.
        join: Writes the folders of all shards to one.
        at_once: Rows of a shard, `ROWS` where it is not said.
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
        """Shards of a part, all without one."""
        first, step = (0, 1) if part is None else (part.number - 1, part.count)
        return range(first, len(self.shards), step)

    @property
    def shards_kind(self) -> str:
        """Folder of the shards, below the root of the store."""
        return f"{self.kind}/{digest(self.key)}.shards"


def make(recipe: ShardedBuild, store: ArtifactStore, progress: str | None = None) -> Path:
    """Folder of the whole store, whatever part of its shards is there already.

    Args:
        recipe: What to make.
        store: Where artifacts are kept.
        progress: Label of the progress bar, None for none.
    """
    if not store.has(recipe.kind, recipe.key) and recipe.kind not in store.awaited:
        make_shards(recipe, store, progress=progress)

    def build(folder: Path) -> None:
        shards = (shard(recipe, store, number) for number in recipe.numbers())
        recipe.join([made for made in shards if made], folder)  # each was waited for
        recipe.finish(folder)

    folder = store.get(recipe.kind, recipe.key, build, missing=lambda: _missing(recipe, store))
    shutil.rmtree(store.root / recipe.shards_kind, ignore_errors=True)
    return folder


def made_bytes(recipe: ShardedBuild, store: ArtifactStore) -> int:
    """Size of the shards that are there already."""
    return sum(path.stat().st_size for path in (store.root / recipe.shards_kind).glob("*/*.bin"))


def make_shards(
    recipe: ShardedBuild, store: ArtifactStore, part: Part | None = None, progress: str | None = None
) -> None:
    """Make the shards of `part`, or all; those that another process is at come last.

    Returns early where another process has joined them all meanwhile.
    """
    with tqdm(total=recipe.rows, desc=progress, unit="utt", disable=progress is None) as bar:
        busy = list(recipe.numbers(part))
        for wait in (False, True):
            numbers, busy = busy, []
            for number in numbers:
                try:
                    made = not store.has(recipe.kind, recipe.key) and shard(recipe, store, number, wait)
                except FileNotFoundError:  # joined, and its shards removed, just now
                    if not store.has(recipe.kind, recipe.key):
                        raise
                    return
                if made is None:
                    busy.append(number)
                else:
                    bar.update(recipe.shards[number].stop - recipe.shards[number].start)


def shard(recipe: ShardedBuild, store: ArtifactStore, number: int, wait: bool = True) -> Path | None:
    """Folder of a shard; None where another process is at it and we do not wait.

    Raises: FileNotFoundError where another process has joined all shards, and removed them.
    """

    def build(folder: Path) -> None:
        if store.has(recipe.kind, recipe.key):  # since it was last looked for
            raise FileNotFoundError(f"{recipe.shards_kind} are joined")
        recipe.build(recipe.shards[number], folder)

    return store.get_part(recipe.shards_kind, {"shard": number}, build, wait)


def _missing(recipe: ShardedBuild, store: ArtifactStore) -> int:
    """Shards that nobody has made yet."""
    return sum(not store.has(recipe.shards_kind, {"shard": number}) for number in recipe.numbers())
