"""Downloads from a server on loopback that breaks off, ignores ranges, refuses or sends another file."""

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from benchmark.data.download import download as downloads
from benchmark.data.download.download import checksum, download
from benchmark.data.download.published_corpora import Source
from benchmark.errors import UserError

CONTENT = bytes(range(256)) * 4000


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses requested so far; none of them is waited for."""
    made: list[float] = []
    monkeypatch.setattr(downloads.time, "sleep", made.append)
    return made


@pytest.fixture
def source(file_server: Any) -> Source:
    (file_server.folder / "some.tar.gz").write_bytes(CONTENT)
    return Source("some.tar.gz", file_server.url, len(CONTENT), f"md5:{hashlib.md5(CONTENT).hexdigest()}")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "archives" / "some.tar.gz"


def part_of(target: Path) -> Path:
    return target.with_name("some.tar.gz.part")


def test_a_broken_connection_is_gone_on_with(
    file_server: Any, source: Source, target: Path, pauses: list[float]
) -> None:
    file_server.drops = [100_000, 50_000]
    download(source, target)
    assert target.read_bytes() == CONTENT and not part_of(target).exists()
    assert file_server.asked == [
        ("some.tar.gz", None),
        ("some.tar.gz", "bytes=100000-"),
        ("some.tar.gz", "bytes=150000-"),
    ]
    assert pauses == [1.0, 1.0]  # both brought something


def test_a_part_of_a_killed_run_is_gone_on_with(file_server: Any, source: Source, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:300_000])
    download(source, target)
    assert target.read_bytes() == CONTENT
    assert file_server.asked == [("some.tar.gz", "bytes=300000-")]


def test_a_whole_part_is_not_fetched_again(file_server: Any, source: Source, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT)
    download(source, target)
    assert target.read_bytes() == CONTENT and not file_server.asked


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 7])
def test_a_part_of_unknown_size_is_compared_with_the_server(
    file_server: Any, source: Source, target: Path, size: int
) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes((CONTENT + CONTENT)[:size])
    download(Source(source.name, source.base, None, source.checksum), target)
    assert target.read_bytes() == CONTENT
    assert len(file_server.asked) == (1 if size == len(CONTENT) else 2)


def test_a_server_without_ranges_sends_all_of_it_again(
    file_server: Any, source: Source, target: Path
) -> None:
    file_server.ranges, file_server.drops = False, [100_000]
    download(source, target)
    assert target.read_bytes() == CONTENT
    assert [asked for _, asked in file_server.asked] == [None, "bytes=100000-"]


def test_a_busy_server_is_asked_again_after_longer_and_longer_pauses(
    file_server: Any, source: Source, target: Path, pauses: list[float]
) -> None:
    file_server.refusals = [503, 429, 500]
    download(source, target)
    assert target.read_bytes() == CONTENT and pauses == [1.0, 2.0, 4.0]


def test_a_connection_that_brings_nothing_is_given_up(
    file_server: Any, source: Source, target: Path, pauses: list[float]
) -> None:
    file_server.drops = [1000] + [0] * 20
    with pytest.raises(
        UserError,
        match=r"ended early, 7 times in a row\. 1,000 bytes are in .*some\.tar\.gz\.part; run the same",
    ):
        download(source, target)
    assert part_of(target).stat().st_size == 1000 and not target.exists()
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


def test_no_server_at_all(source: Source, target: Path) -> None:
    with pytest.raises(UserError, match=r"ConnectionRefusedError.* 7 times in a row.*--mirror"):
        download(source, target, "http://127.0.0.1:9")


@pytest.mark.parametrize("change", ["a byte", "shorter"])
def test_a_corrupt_file_is_named_and_deleted(
    file_server: Any, source: Source, target: Path, change: str
) -> None:
    served = file_server.folder / "some.tar.gz"
    served.write_bytes(CONTENT[:-1] + b"?" if change == "a byte" else CONTENT[:5000])
    said = (
        r"some\.tar\.gz of http.* checksum is not md5:.*deleted" if change == "a byte" else "has 5,000 bytes"
    )
    with pytest.raises(UserError, match=said):
        download(source, target)
    assert not target.exists() and not part_of(target).exists()


def test_a_part_of_another_file_is_found_out(file_server: Any, source: Source, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(b"?" * 300_000)
    with pytest.raises(UserError, match=r"checksum.*deleted"):
        download(source, target)
    download(source, target)
    assert target.read_bytes() == CONTENT


def test_a_missing_file_and_a_mirror(file_server: Any, source: Source, target: Path) -> None:
    with pytest.raises(UserError, match=r"elsewhere/some\.tar\.gz: the server answers 404.*--mirror"):
        download(source, target, file_server.url + "elsewhere")
    (file_server.folder / "elsewhere").mkdir()
    (file_server.folder / "some.tar.gz").rename(file_server.folder / "elsewhere" / "some.tar.gz")
    download(source, target, file_server.url + "elsewhere")
    assert target.read_bytes() == CONTENT


def test_a_range_follows_the_file_to_where_it_moved(file_server: Any, source: Source, target: Path) -> None:
    file_server.drops = [100_000]
    download(source, target, file_server.url + "moved")
    assert target.read_bytes() == CONTENT
    assert file_server.asked[-1] == ("some.tar.gz", "bytes=100000-")


def test_a_folder_that_cannot_be_written(source: Source, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*file/archives.*Not a directory"):
        download(source, tmp_path / "file" / "archives" / "some.tar.gz")


def test_a_full_disk(source: Source) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    link = Path("/tmp") / f"full-{os.getpid()}.part"
    link.symlink_to("/dev/full")
    try:
        with pytest.raises(UserError, match=r"cannot write .*No space left"):
            download(source, link.with_suffix(""))
    finally:
        link.unlink()


def test_without_a_checksum_there_is_a_warning(
    source: Source, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    download(Source(source.name, source.base), target)
    assert target.read_bytes() == CONTENT
    assert "no checksum is known" in caplog.text and logging.WARNING in {r.levelno for r in caplog.records}


def test_the_name_git_gives(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"what is up, doc?")  # from the book Pro Git, section 10.2
    assert checksum(tmp_path / "a", "git") == "git:bd9dbf5aae1a3862dd1526723246b20206e5fc37"
