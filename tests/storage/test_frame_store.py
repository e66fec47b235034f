"""Frame stores: frames are read back, shards join without a copy, and files are memory-mapped."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from benchmark.storage.frame_store import FrameStore, FrameWriter, join, shard_file

RNG = np.random.default_rng(0)
FRAMES = {f"u{n}": RNG.standard_normal((5 + n, 3)).astype(np.float16) for n in range(4)}


def write(folder: Path, names: list[str], failed: dict[str, str] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    writer = FrameWriter(folder, 3, "float16")
    for name in names:
        writer.add(name, FRAMES[name])
    for name, reason in (failed or {}).items():
        writer.fail(name, reason)
    writer.close()
    return folder


def assert_whole(store: FrameStore) -> None:
    assert list(store) == list(FRAMES) and len(store) == 4 and "u3" in store and "u4" not in store
    for name, frames in FRAMES.items():
        np.testing.assert_array_equal(store.read(name), frames)
        assert store.frames(name) == len(frames)


def test_frames_come_back_whole_and_in_part(tmp_path: Path) -> None:
    store = FrameStore(write(tmp_path, [*FRAMES][::-1]))
    assert_whole(store)
    np.testing.assert_array_equal(store.read("u1", 2, 4), FRAMES["u1"][2:4])
    np.testing.assert_array_equal(store.read("u1", 4, 99), FRAMES["u1"][4:])
    assert store.read("u1", 99, 100).shape == (0, 3)
    assert (tmp_path / shard_file(0)).stat().st_size == 2 * 3 * (5 + 6 + 7 + 8)


def test_another_process_maps_the_files_anew(tmp_path: Path) -> None:
    store = FrameStore(write(tmp_path, list(FRAMES)))
    store.read("u0")
    other = pickle.dumps(store)
    assert len(other) < 500
    assert_whole(pickle.loads(other))


@pytest.mark.parametrize("links", [True, False])
def test_shards_join_to_one_store(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [
        write(tmp_path / "a", ["u1", "u0"], {"bad": "no audio"}),
        write(tmp_path / "b", [], {"u9": "silence"}),
        write(tmp_path / "c", ["u2", "u3"]),
    ]
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    whole = tmp_path / "whole"
    whole.mkdir()
    for _ in range(2):  # the second join meets the files that a killed process left
        join(parts, whole)
    store = FrameStore(whole)
    assert_whole(store)
    assert store.failures == {"bad": "no audio", "u9": "silence"}
    same = os.path.samefile(whole / shard_file(2), parts[2] / shard_file(0))  # noqa: PTH121
    assert same is links
    np.testing.assert_array_equal(store.array(2), np.concatenate([FRAMES["u2"], FRAMES["u3"]]))


def refuse(*_: object) -> None:
    raise OSError("no links here")


def test_rows_of_another_table_leave_out_what_failed(tmp_path: Path) -> None:
    store = FrameStore(write(tmp_path / "a", ["u1", "u3"], {"u2": "silence"}))
    other = FrameStore(write(tmp_path / "b", ["u0", "u1", "u2", "u3"]))
    assert store.rows_of(other.index).tolist() == [-1, 0, -1, 2]
    assert store.rows_of(store.index).tolist() == [0, -1, 2]
    with pytest.raises(KeyError, match="u2"):
        store.read("u2")


def test_a_width_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="width 3"):
        FrameWriter(tmp_path, 3, "float16").add("u", np.zeros((5, 2)))
