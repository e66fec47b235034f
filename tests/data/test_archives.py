"""Unpacking of harmless, harmful and damaged archives."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.data.download import archives
from benchmark.data.download.archives import unpack
from benchmark.errors import UserError

FILES = {
    "LibriSpeech/SPEAKERS.TXT": b"; table",
    "LibriSpeech/dev-clean/84/1/84-1-0000.flac": b"sound",
    "LibriSpeech/dev-clean/84/1/84-1.trans.txt": b"84-1-0000 HELLO",
}


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.mtime, info.mode = 1_400_000_000, 0o640
    return info


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Path]:
    def make(*extra: tarfile.TarInfo) -> Path:
        path = tmp_path / "dev-clean.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for name, content in FILES.items():
                info = member(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            for info in extra:
                info.size = 4 if info.isreg() else 0
                tar.addfile(info, io.BytesIO(b"evil") if info.isreg() else None)
        return path

    return make


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_folder_and_the_files_beside_it(pack: Callable[..., Path], tmp_path: Path) -> None:
    target = tmp_path / "corpora" / "LibriSpeech" / "dev-clean"
    unpack(pack(), "LibriSpeech/dev-clean", target)
    audio = target / "84" / "1" / "84-1-0000.flac"
    assert audio.read_bytes() == b"sound" and audio.stat().st_mtime == 1_400_000_000
    assert (target.parent / "SPEAKERS.TXT").read_bytes() == b"; table"
    assert {path.name for path in target.parent.iterdir()} == {"dev-clean", "SPEAKERS.TXT"}


def test_files_that_are_there_stay(pack: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "SPEAKERS.TXT").write_text("mine")
    unpack(pack(), "LibriSpeech/dev-clean", tmp_path / "dev-clean")
    assert (tmp_path / "SPEAKERS.TXT").read_text() == "mine"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (member("../evil"), "path that leads out"),
        (member("LibriSpeech/../../evil"), "path that leads out"),
        (member("/evil"), "path that leads out"),
        (member("LibriSpeech/out", tarfile.SYMTYPE, "/etc"), "a link"),
        (member("LibriSpeech/out", tarfile.SYMTYPE, "../../.."), "a link"),
        (member("LibriSpeech/out", tarfile.LNKTYPE, "/etc/passwd"), "a link"),
        (member("LibriSpeech/out", tarfile.FIFOTYPE), "device or pipe"),
        (member("LibriSpeech/out", tarfile.CHRTYPE), "device or pipe"),
    ],
    ids=lambda value: value.name + value.type.decode() if isinstance(value, tarfile.TarInfo) else None,
)
def test_what_leads_out_is_refused(
    pack: Callable[..., Path], tmp_path: Path, bad: tarfile.TarInfo, said: str
) -> None:
    archive, folder = pack(bad), tmp_path / "deep" / "corpora"
    with pytest.raises(UserError, match=f"dev-clean.tar.gz was not unpacked: .*{said}"):
        unpack(archive, "LibriSpeech/dev-clean", folder / "dev-clean")
    assert everything(tmp_path) == {"dev-clean.tar.gz", "deep", "deep/corpora"}
    assert not Path("/evil").exists()


def test_a_link_may_not_be_used_as_a_way_out(pack: Callable[..., Path], tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = pack(member("LibriSpeech/a", tarfile.SYMTYPE, str(outside)), member("LibriSpeech/a/evil"))
    with pytest.raises(UserError, match="a link"):
        unpack(archive, "LibriSpeech/dev-clean", tmp_path / "corpora" / "dev-clean")
    assert not list(outside.iterdir())


@pytest.mark.parametrize("damage", ["cut", "end cut", "no gzip"])
def test_a_damaged_archive_leaves_nothing(pack: Callable[..., Path], tmp_path: Path, damage: str) -> None:
    archive = pack()
    content = archive.read_bytes()
    archive.write_bytes({"cut": content[:80], "end cut": content[:-4], "no gzip": b"<html>"}[damage])
    with pytest.raises(UserError, match=r"dev-clean\.tar\.gz is damaged .*delete it"):
        unpack(archive, "LibriSpeech/dev-clean", tmp_path / "corpora" / "dev-clean")
    assert not list((tmp_path / "corpora").iterdir())


def test_another_archive_than_its_name_says(pack: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no folder LibriTTS/dev-clean"):
        unpack(pack(), "LibriTTS/dev-clean", tmp_path / "dev-clean")


def test_what_a_killed_run_left_is_not_taken_over(
    pack: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, folder = pack(), tmp_path / "corpora"

    def killed(*_: object) -> None:
        (folder / ".unpacking-dev-clean" / "LibriSpeech" / "dev-clean").mkdir(parents=True)
        (folder / ".unpacking-dev-clean" / "LibriSpeech" / "dev-clean" / "half").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archives, "_unpack_all", killed)
        patch.setattr(archives.shutil, "rmtree", lambda *_, **__: None)  # no time to clean up
        with pytest.raises(KeyboardInterrupt):
            unpack(archive, "LibriSpeech/dev-clean", folder / "dev-clean")
    assert not (folder / "dev-clean").exists() and (folder / ".unpacking-dev-clean").exists()
    unpack(archive, "LibriSpeech/dev-clean", folder / "dev-clean")
    assert not list(folder.rglob("half")) and not (folder / ".unpacking-dev-clean").exists()
