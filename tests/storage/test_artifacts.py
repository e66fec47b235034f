"""The artifact store: built once, whole or absent, rebuilt when damaged."""

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmark.storage import hashing
from benchmark.storage.artifacts import SEAL, ArtifactStore
from benchmark.storage.atomic_files import write_atomic
from benchmark.storage.hashing import FileDigests, digest, file_digest
from benchmark.storage.identity import KEY_UNLESS_DEFAULT, describe

KEY = {"tokenizer": "a", "manifest": "b"}


def test_is_built_once(store: ArtifactStore) -> None:
    builds = []

    def build(folder: Path) -> None:
        builds.append(folder)
        (folder / "data").write_text("x")

    first = store.get("tokens", KEY, build)
    second = ArtifactStore(store.root).get("tokens", dict(reversed(KEY.items())), build)
    assert first == second and len(builds) == 1
    assert (first / "data").read_text() == "x"
    assert store.exists(f"tokens/{first.name}") and f"tokens/{first.name}" in store.used


def test_other_key_is_another_artifact(store: ArtifactStore) -> None:
    assert store.path("tokens", KEY) != store.path("tokens", KEY | {"seed": 1})
    assert store.path("tokens", KEY) != store.path("codebooks", KEY)


@pytest.mark.parametrize("damage", ["changed", "shortened", "deleted", "unsealed"])
def test_damage_is_noticed_and_mended(store: ArtifactStore, damage: str) -> None:
    def build(folder: Path) -> None:
        (folder / "data").write_text("right")

    folder = store.get("tokens", KEY, build)
    if damage == "changed":
        (folder / "data").write_text("wrong")
    elif damage == "shortened":
        (folder / "data").write_text("rig")
    elif damage == "deleted":
        (folder / "data").unlink()
    else:
        (folder / SEAL).unlink()
    again = ArtifactStore(store.root).get("tokens", KEY, build)
    assert (again / "data").read_text() == "right"


def test_a_failed_build_leaves_nothing_behind_that_counts(store: ArtifactStore) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("…")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        store.get("tokens", KEY, fail)
    assert not store.path("tokens", KEY).exists()
    seen = []
    store.get("tokens", KEY, lambda folder: seen.extend(folder.iterdir()))
    assert seen == []


def test_a_resumable_build_finds_what_was_left(store: ArtifactStore) -> None:
    def fail(folder: Path) -> None:
        (folder / "checkpoint").write_text("step 5")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        store.get("vocoders", KEY, fail, resumable=True)
    found = []
    store.get("vocoders", KEY, lambda folder: found.append((folder / "checkpoint").read_text()), True)
    assert found == ["step 5"]


def _slow_build(folder: Path) -> None:
    (folder / f"built-by-{os.getpid()}").write_text("x")
    time.sleep(0.5)


def _get(root: Path) -> None:
    ArtifactStore(root).get("tokens", KEY, _slow_build)


def test_two_processes_share_one_build_and_a_killed_one_frees_the_lock(store: ArtifactStore) -> None:
    context = multiprocessing.get_context("fork")
    killed = context.Process(target=_get, args=(store.root,))
    killed.start()
    time.sleep(0.2)
    os.kill(killed.pid or 0, signal.SIGKILL)
    killed.join()
    workers = [context.Process(target=_get, args=(store.root,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=20)
        assert worker.exitcode == 0
    built = [p.name for p in store.path("tokens", KEY).iterdir() if p.name != SEAL]
    assert len(built) == 1 and built[0] != f"built-by-{killed.pid}"


def test_write_atomic_replaces_whole_and_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, "one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_describe_tells_classes_of_equal_fields_apart() -> None:
    @dataclass
    class A:
        x: int = 1

    @dataclass
    class B:
        x: int = 1

    assert digest(describe({"g": A()})) != digest(describe({"g": B()}))
    assert digest(describe([A(2)])) != digest(describe([A()]))


def test_a_later_field_is_no_part_of_the_key_while_it_holds_its_default() -> None:
    @dataclass
    class Config:
        size: int = 1
        choices: Sequence[str] = field(default=(), metadata=KEY_UNLESS_DEFAULT)

    before = {"class": f"{Config.__module__}.{Config.__qualname__}", "size": 1}
    assert describe(Config()) == describe(Config(choices=[])) == before
    assert describe({"probe": [Config(choices=["a"])]}) == {"probe": [before | {"choices": ["a"]}]}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A large file that was written an hour ago."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"a" * FileDigests.worth)
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))
    return path


def no_reading(_: Path) -> str:
    raise AssertionError("the file was read again")


def test_a_large_file_is_hashed_once(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = FileDigests(tmp_path / "digests")(weights)
    assert expected == file_digest(weights)
    monkeypatch.setattr(hashing, "file_digest", no_reading)
    assert FileDigests(tmp_path / "digests")(weights) == expected  # as another process would
    for elsewhere in (None, tmp_path / "other"):
        with pytest.raises(AssertionError, match="read again"):
            FileDigests(elsewhere)(weights)


@pytest.mark.parametrize("change", ["content", "size", "path"])
def test_a_changed_file_is_hashed_again(weights: Path, tmp_path: Path, change: str) -> None:
    digests = FileDigests(tmp_path / "digests")
    before = digests(weights)
    status = weights.stat()
    if change == "path":
        weights = weights.rename(tmp_path / "renamed")
        weights.write_bytes(b"b" * FileDigests.worth)
        os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "size":
        weights.write_bytes(b"a" * (FileDigests.worth + 1))
        os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        weights.write_bytes(b"b" * FileDigests.worth)
        os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert digests(weights) == file_digest(weights) != before


def test_a_file_still_changing_or_small_is_not_remembered(weights: Path, tmp_path: Path) -> None:
    digests = FileDigests(tmp_path / "digests")
    small = tmp_path / "config.json"
    small.write_text("{}")
    os.utime(small, (0, 0))
    digests(small)
    weights.write_bytes(b"b" * FileDigests.worth)  # now
    assert digests(weights) == file_digest(weights)
    assert not (tmp_path / "digests").exists()


def test_a_damaged_or_unwritable_memory_costs_time_only(weights: Path, tmp_path: Path) -> None:
    digests = FileDigests(tmp_path / "digests")
    expected = digests(weights)
    (kept,) = (tmp_path / "digests").iterdir()
    kept.write_text("half a dig")
    assert digests(weights) == expected == kept.read_text()
    (tmp_path / "file").write_text("")
    assert FileDigests(tmp_path / "file")(weights) == expected
