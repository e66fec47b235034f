"""Commands and sizes of downloads from the Hugging Face hub, for the user to see before they start."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch

from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HTTPError, RepositoryNotFoundError, RevisionNotFoundError

from benchmark.storage.checkpoints import download_command, unneeded, wanted

TIMEOUT = 3.0
"""Seconds to wait for the hub; short, because sizes are helpful but not required."""
MB = 1e6


@dataclass(frozen=True)
class Download:
    """One checkpoint to download."""

    command: str
    megabytes: float | None = None
    exact: bool = False
    """True if the size comes from the hub, False if it is the estimate in the yaml."""
    note: str = ""
    """Obstacle to the download, such as terms to accept."""
    licence: str = field(default="", compare=False)
    """Licence of the weights, as their publisher states it; empty if the yaml names none."""

    @property
    def size(self) -> str:
        """Size in words, such as "93 MB"."""
        return "size unknown" if self.megabytes is None else size_text(self.megabytes, self.exact)


class Hub:
    """A client that asks the hub about repositories, and stops asking once the hub cannot be reached."""

    def __init__(self) -> None:
        self._reachable = True

    def download(
        self, checkpoint: str, revision: str | None, files: Sequence[str], about_mb: float | None
    ) -> Download:
        """Return the download that `checkpoints.resolve` would make for the same arguments.

        Args:
            checkpoint: Hub id.
            revision: Branch, tag or commit.
            files: Patterns of the files that are needed; empty for the whole checkpoint.
            about_mb: Size in MB to state if the hub does not tell.
        """
        offline = Download(download_command(checkpoint, revision, files), about_mb)
        if not self._reachable:
            return offline
        try:
            info = HfApi().model_info(checkpoint, revision=revision, files_metadata=True, timeout=TIMEOUT)
        except (RepositoryNotFoundError, RevisionNotFoundError, GatedRepoError) as error:
            reasons = {
                GatedRepoError: "gated: accept its terms on the hub, then hf auth login",
                RevisionNotFoundError: f"the hub knows no revision {revision!r} of it",
            }
            note = reasons.get(type(error), "the hub knows no such repository, or needs: hf auth login")
            return Download(offline.command, about_mb, note=note)
        except (HTTPError, OSError, ValueError):
            self._reachable = False
            return offline
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        note = "gated: accept its terms on the hub, then hf auth login" if info.gated else ""
        if absent := [pattern for pattern in files if not any(fnmatch(name, pattern) for name in sizes)]:
            note = f"the hub's repository has no file {', '.join(absent)}"
        return Download(
            download_command(checkpoint, revision, files, unneeded(sizes)),
            sum(sizes[name] for name in wanted(sizes, files)) / MB,
            exact=True,
            note=note,
        )


def size_text(megabytes: float, exact: bool) -> str:
    """Return a size in words, such as "93 MB" or "about 2.5 GB"."""
    number = f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"
    return number if exact else f"about {number}"


def total(downloads: Iterable[Download]) -> str:
    """Return the total size of all downloads in words."""
    parts = list(downloads)
    known = [part.megabytes for part in parts if part.megabytes is not None]
    unknown = len(parts) - len(known)
    text = size_text(sum(known), exact=all(part.exact for part in parts if part.megabytes is not None))
    return text + (f", and {unknown} of unknown size" if unknown else "")
