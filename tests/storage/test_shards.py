"""Stores built in shards: resumed, shared and divided builds give the same bytes."""

import hashlib
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.storage import shards
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.frame_store import FrameStore, FrameWriter
from benchmark.storage.shards import Part, ShardedBuild, make, make_shards

ROWS = 23


class Killed(BaseException):
    """An exception that no code expects, in place of a kill."""


class Builder:
    """A builder of frames that depend on the row, which can be killed in a shard."""

    def __init__(self, killed_at: int | None = None) -> None:
        self.built: list[int] = []
        self.killed_at = killed_at

    def __call__(self, rows: slice, folder: Path) -> None:
        writer = FrameWriter(folder, 2, "uint16")
        for row in range(ROWS)[rows]:
            if row == self.killed_at:
                raise Killed
            if row == 7:
                writer.fail("u07", "no audio")
            else:
                writer.add(f"u{row:02}", np.full((row, 2), row))
        writer.close()
        self.built.append(rows.start)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROWS", 5)


def recipe(builder: Builder) -> ShardedBuild:
    return ShardedBuild("tokens", {"of": "test"}, ROWS, builder)


def content(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, str]:
    return content(make(recipe(Builder()), ArtifactStore(tmp_path / "undisturbed")))


def test_every_row_is_there_and_the_shards_are_gone(store: ArtifactStore) -> None:
    whole = FrameStore(make(recipe(Builder()), store))
    assert list(whole) == [f"u{row:02}" for row in range(ROWS) if row != 7]
    assert all((whole.read(name) == int(name[1:])).all() for name in whole)
    assert whole.failures == {"u07": "no audio"}
    assert [path.name for path in (store.root / "tokens").iterdir() if path.name.endswith(".shards")] == []
    assert store.used == {f"tokens/{whole.folder.name}"}  # shards are removed, so they are no provenance


@pytest.mark.parametrize("row", [0, 4, 12, 22])
def test_a_killed_process_is_continued(store: ArtifactStore, undisturbed: dict[str, str], row: int) -> None:
    first, second = Builder(killed_at=row), Builder()
    with pytest.raises(Killed):
        make(recipe(first), store)
    assert content(make(recipe(second), store)) == undisturbed
    assert sorted(first.built + second.built) == [0, 5, 10, 15, 20]


def test_parts_make_the_same_store(store: ArtifactStore, undisturbed: dict[str, str]) -> None:
    builders = [Builder() for _ in range(3)]
    for number, builder in enumerate(builders, start=1):
        make_shards(recipe(builder), store, Part(number, 3))
    assert [builder.built for builder in builders] == [[0, 15], [5, 20], [10]]
    last = Builder()
    assert content(make(recipe(last), store)) == undisturbed
    assert last.built == []


def test_two_at_once_share_the_shards(store: ArtifactStore, undisturbed: dict[str, str]) -> None:
    both = threading.Barrier(2)

    class Meeting(Builder):
        def __call__(self, rows: slice, folder: Path) -> None:
            if not self.built:
                both.wait(10)  # each process is in a shard of its own; otherwise this times out
            super().__call__(rows, folder)

    builders = [Meeting(), Meeting()]
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda b=builder: folders.append(make(recipe(b), ArtifactStore(store.root))))
        for builder in builders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(builders[0].built + builders[1].built) == [0, 5, 10, 15, 20]
    assert content(folders[0]) == content(folders[1]) == undisturbed


def test_shards_that_were_joined_since_are_not_made_again(
    store: ArtifactStore, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process joins the shards between the check for the whole and the check for the shard."""
    looked_for = shards.shard
    late, other = Builder(), Builder()

    def overtaken(*arguments: Any) -> Path | None:
        monkeypatch.setattr(shards, "shard", looked_for)
        make(recipe(other), ArtifactStore(store.root))
        return looked_for(*arguments)

    monkeypatch.setattr(shards, "shard", overtaken)
    assert content(make(recipe(late), store)) == undisturbed
    assert (late.built, sorted(other.built)) == ([], [0, 5, 10, 15, 20])


def test_a_damaged_shard_is_made_again(store: ArtifactStore, undisturbed: dict[str, str]) -> None:
    make_shards(recipe(Builder()), store)
    damaged = next((store.root / recipe(Builder()).shards_kind).glob("*/*.bin"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    again = Builder()
    assert content(make(recipe(again), ArtifactStore(store.root))) == undisturbed
    assert len(again.built) == 1


def test_parts_are_named_as_people_count() -> None:
    assert Part.parse("3/16") == Part(3, 16)
    for wrong in ("0/4", "5/4", "3", "a/b", "1/0", "-1/2"):
        with pytest.raises(UserError, match=r"1/N … N/N"):
            Part.parse(wrong)
