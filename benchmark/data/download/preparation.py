"""Preparation of a published corpus, in which missing parts are downloaded, checked and unpacked."""

import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.data.download.archives import unpack
from benchmark.data.download.download import download, require_intact
from benchmark.data.download.published_corpora import Archive, PublishedCorpus, Source
from benchmark.errors import UserError, unknown
from benchmark.storage.lease import Lease

log = logging.getLogger(__name__)

RESERVE = 1 << 28
"""Bytes of the disk that are left free."""


@dataclass(frozen=True)
class Preparation:
    """The download and unpacking of a corpus, which a later run resumes if it is killed.

    Attributes:
        published: The published corpus.
        root: The corpus's own folder, or its parent folder.
        archives: Folder of the archives; None for a folder below `root`.
        mirror: Server and folder to download from instead of the published ones.
        delete_archives: Delete each archive after unpacking.
    """

    published: PublishedCorpus
    root: Path
    archives: Path | None = None
    mirror: str | None = None
    delete_archives: bool = False

    @property
    def folder(self) -> Path:
        """Folder of the corpus itself, as its reader finds it in `root`."""
        inner = self.root / self.published.title
        if not self.published.own_folder:
            return self.root
        places = (self.root / place for one in self.published.archives.values() for place in one.places)
        is_own = self.root.name == self.published.title or any(map(_is_filled, places))
        return self.root if is_own and not inner.is_dir() else inner

    @property
    def annotations(self) -> Path:
        """Folder of the annotations: the first that holds any, or else the one that they are written to."""
        names = {source.name for one in self.published.archives.values() for source in one.annotations}
        places = [self.folder / place for place in self.published.annotation_places or (".",)]
        return next((p for p in places if any((p / name).is_file() for name in names)), places[0])

    def present(self, subset: str) -> Path | None:
        """Return the folder of a subset, or None if the subset is missing."""
        places = (self.folder / place for place in self._archive(subset).places)
        return next(filter(_is_filled, places), None)

    def run(self, subsets: Sequence[str]) -> None:
        """Download and unpack missing subsets and annotations.

        Raises:
            UserError: a step failed; completed files stay in place.
        """
        lacking = [name for name in subsets if self.present(name) is None]
        for name in subsets:
            if name not in lacking:
                log.info("%s exists already: %s", name, self.present(name))
        sources = dict.fromkeys(s for name in subsets for s in self._archive(name).annotations)
        missing = [source for source in sources if not (self.annotations / source.name).is_file()]
        if not lacking and not missing:
            return
        self._require_space(lacking, missing)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lease = Lease(self.root / f".preparing-{self.published.title}")
            if not lease.acquire(wait=False):
                raise UserError(
                    f"another process prepares {self.published.title} in {self.root}; wait until it has ended"
                )
            try:
                for source in missing:
                    download(source, self.annotations / source.name, self.mirror)
                for name in lacking:
                    self._fetch(self._archive(name))
            finally:
                lease.release()
        except OSError as error:
            raise UserError(f"cannot write below {self.root}: {error.strerror or error}") from error

    def _archive(self, subset: str) -> Archive:
        if subset not in self.published.archives:
            raise unknown(f"subset of {self.published.title}", subset, self.published.archives)
        return self.published.archives[subset]

    def _fetch(self, archive: Archive) -> None:
        path = self._archive_path(archive.source)
        if path.is_file():
            require_intact(path, archive.source, str(path.parent))
        else:
            log.info("downloading %s", archive.source.name)
            download(archive.source, path, self.mirror)
        target = self.folder / archive.places[0]
        log.info("unpacking %s to %s", path, target)
        unpack(path, archive.inside, target)
        if self.delete_archives:
            path.unlink()

    def _archive_path(self, source: Source) -> Path:
        """Return the path of an archive, in one folder per corpus, because archive names repeat."""
        return (self.archives or self.root / "archives" / self.published.title) / source.name

    def _require_space(self, subsets: Iterable[str], missing: Iterable[Source]) -> None:
        """Check that the disk has enough space, as far as sizes are known.

        Raises:
            UserError: the disk would be full before the end.
        """
        archives = list(map(self._archive, subsets))
        fetched = [(one.source.size or 0) - self._count_fetched(one.source) for one in archives]
        kept = max(fetched, default=0) if self.delete_archives else sum(fetched)
        unpacked = round(sum((one.source.size or 0) * one.unpacked for one in archives))
        unpacked += sum(source.size or 0 for source in missing)
        places = {_find_existing(self.archives or self.root): kept, _find_existing(self.root): unpacked}
        if len({place.stat().st_dev for place in places}) == 1:
            places = {_find_existing(self.root): kept + unpacked}
        log.info("about %s to write", _gigabytes(kept + unpacked))
        for place, need in places.items():
            free = shutil.disk_usage(place).free
            if need + RESERVE > free:
                raise UserError(
                    f"{place} has {_gigabytes(free)} free, about {_gigabytes(need + RESERVE)} are needed. "
                    "Make room, name fewer subsets, add --delete-archives, or keep the archives on another "
                    "disk (--archives)"
                )

    def _count_fetched(self, source: Source) -> int:
        """Return the number of bytes of an archive that are on the disk already."""
        path = self._archive_path(source)
        part = path.with_name(f"{path.name}.part")
        return next((file.stat().st_size for file in (path, part) if file.is_file()), 0)


def _is_filled(folder: Path) -> bool:
    """Return whether the folder exists and is not empty."""
    return folder.is_dir() and any(folder.iterdir())


def _find_existing(folder: Path) -> Path:
    """Return the folder itself if it exists, otherwise its nearest existing parent."""
    return next(place for place in (folder, *folder.absolute().parents) if place.is_dir())


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
