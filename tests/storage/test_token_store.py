"""The token store keeps codes, offsets and failures exactly."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.storage.token_store import TokenStore, TokenWriter, code_dtype


def test_dtype_is_the_smallest_that_fits() -> None:
    assert code_dtype(256) == np.uint8
    assert code_dtype(257) == np.uint16
    assert code_dtype(65536) == np.uint16
    assert code_dtype(65537) == np.uint32


@pytest.mark.parametrize("size", [16, 256, 1024, 65536])
def test_round_trip(tmp_path: Path, size: int) -> None:
    rng = np.random.default_rng(0)
    codes = {name: rng.integers(0, size, (3, frames)) for name, frames in [("b", 7), ("a", 1), ("c", 0)]}
    codes["b"][0, 0] = size - 1
    writer = TokenWriter(tmp_path, 3, size)
    for name, array in codes.items():
        writer.add(name, array)
    writer.fail("bad", "unreadable")
    writer.close()
    tokens = TokenStore(tmp_path)
    assert sorted(tokens) == ["a", "b", "c"] and len(tokens) == 3
    assert "bad" not in tokens and tokens.failures == {"bad": "unreadable"}
    for name, array in codes.items():
        np.testing.assert_array_equal(tokens[name], array)
        assert tokens[name].dtype == np.int64 and tokens.frames(name) == array.shape[1]


def test_refuses_what_it_would_corrupt(tmp_path: Path) -> None:
    writer = TokenWriter(tmp_path, 2, 256)
    with pytest.raises(ValueError, match="codebooks"):
        writer.add("a", np.zeros((3, 4), int))
    with pytest.raises(ValueError, match="range"):
        writer.add("a", np.full((2, 4), 256))
    with pytest.raises(ValueError, match="range"):
        writer.add("a", np.full((2, 4), -1))


def test_a_store_of_failures_alone_opens(tmp_path: Path) -> None:
    writer = TokenWriter(tmp_path, 1, 256)
    writer.fail("a", "silence")
    writer.close()
    tokens = TokenStore(tmp_path)
    assert len(tokens) == 0 and list(tokens) == [] and tokens.failures == {"a": "silence"}
