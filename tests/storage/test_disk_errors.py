"""Messages about full or closed disks, and no messages about other errors."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.errors import UserError
from benchmark.storage import disk_errors as disk
from benchmark.storage.disk_errors import unwritable


@pytest.fixture
def told(tmp_path: Path) -> Callable[[BaseException], UserError | None]:
    return lambda error: unwritable(error, {"CACHE": tmp_path / "cache", "RESULTS": tmp_path / "new/results"})


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("number", "word"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "quota is used up")]
)
def test_no_space(told: Any, tmp_path: Path, number: int, word: str) -> None:
    for error in (OSError(number, "no"), raised(RuntimeError("library says no"), OSError(number, "no"))):
        message = str(told(error))
        assert message.startswith(word) or word in message
        for part in (f"{tmp_path}/cache (", "MB free", "CACHE=<folder> or RESULTS=<folder>", "resumes"):
            assert part in message


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_closed_folder_is_told_and_a_closed_file_elsewhere_is_not(
    told: Any, tmp_path: Path, number: int
) -> None:
    assert f"({tmp_path}/cache/tokens/x)" in str(told(OSError(number, "no", f"{tmp_path}/cache/tokens/x")))
    assert told(OSError(number, "no", f"{tmp_path}/new")) is not None  # on the way to the results
    assert told(OSError(number, "no", "/data/corpus/a.wav")) is None
    assert told(OSError(number, "no")) is None


def test_errors_without_a_number_go_by_the_space_left(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")
    assert told(error) is None
    monkeypatch.setattr(
        disk, "shutil", SimpleNamespace(disk_usage=lambda _: shutil._ntuple_diskusage(1000, 990, 10))
    )
    assert "the disk is full: PytorchStreamWriter failed" in str(told(error))


def test_other_errors_are_left_alone(told: Any) -> None:
    for error in (
        FileNotFoundError(errno.ENOENT, "no", "/x"),
        KeyError("x"),
        raised(ValueError(), OSError()),
    ):
        assert told(error) is None
