"""A corpus of one's own: a file that lists the recordings, see `benchmark.data.user_manifest`."""

import hashlib
import json
import logging
import math
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from benchmark.data.audio import MIN_SECONDS, headers
from benchmark.data.audio_faults import examine
from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.data.manifest_errors import Problems
from benchmark.data.thread_map import in_threads
from benchmark.data.user_manifest import DELIMITERS, FOREIGN, JSON_LINES, Line, Reading, read_user_manifest
from benchmark.errors import UserError, unknown
from benchmark.storage.hashing import digest
from benchmark.types import Utterance

log = logging.getLogger(__name__)

CHECK = "speech-token-benchmark doctor dataset=custom manifest={}"


class Recording(NamedTuple):
    """A line of the manifest with what the disk says of its file; a size of -1 says that there is none."""

    line: Line
    path: str
    size: int
    mtime_ns: int


@dataclass(kw_only=True)
class Custom(Corpus):
    """Recordings listed in a file.

    Recordings that are missing or damaged stay in the manifest with duration NaN, and count as failed.

    Attributes:
        file: The list, `.csv`, `.tsv` or `.jsonl`; without a column `split` all of it is the test split.
        root: Folder that relative audio paths start from; that of `file` where it is None.
        name: As for every corpus; made of the name of `file` where it is empty.
    """

    uid: ClassVar[str] = "benchmark.data.custom.Custom"

    file: str | None
    root: str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        """Raise UserError where there is no such file, or no name for the tables."""
        legal = (*DELIMITERS, JSON_LINES)
        if not self.file:
            raise UserError(f"the list of recordings is not set; give manifest=<file>, {' or '.join(legal)}")
        if not self._path.is_file():
            raise UserError(f"manifest: there is no file {self.file!r}")
        if self._path.suffix.lower() not in legal:
            raise unknown("kind of manifest", self._path.suffix, legal)
        if self.root is not None and not self._base.is_dir():
            raise UserError(f"dataset.root: there is no folder {self.root!r}")
        if not self.name:
            parts = re.findall(r"[A-Za-z0-9.+-]+", self._path.stem)
            self.name = "_".join(parts)
        if not self.name:
            raise UserError(f"no name for the tables can be made of {self._path.name!r}; set dataset.name=…")

    @property
    def foreign_splits(self) -> tuple[str, ...]:
        """Those called test_de and the like."""
        return tuple(split for split in self._by_split if FOREIGN.fullmatch(split))

    def identity(self, split: str) -> dict[str, Any]:
        """Class, version, and of every recording its columns, size and time of last change.

        Where the audio lies and in which order it is listed makes no difference.
        """
        return {**super().identity(split), "recordings": self._digest(split)}

    def location(self) -> str:
        """The folder that paths start from, and a digest of them all."""
        return f"{self._base}:{digest([line.audio_path for line in self._sound])}"

    def build(self, split: str, folder: Path) -> Manifest:
        """Make the manifest from the audio headers; nothing is written below `folder`."""
        del folder
        recordings = self._of(split)
        found = headers([recording.path for recording in recordings])
        unusable = _unusable(recordings, (_fault(*facts) for facts in found))
        if len(unusable) == len(recordings):
            raise UserError(
                f"none of the {len(recordings)} recordings of the {split} split can be used. Their paths "
                f"start from {self._base}; dataset.root=<folder> changes that.{unusable.summary()}"
            )
        if unusable:
            log.warning(
                "%d of the %d recordings of the %s split will count as failed:%s",
                *(len(unusable), len(recordings), split, unusable.summary()),
            )
        return Manifest(_utterance(*pair) for pair in zip(recordings, found, strict=True))

    @property
    def is_sound(self) -> bool:
        """Whether the list can be used, though some of its recordings may not."""
        return not self._reading.problems

    def problems(self) -> Problems:
        """Everything wrong with the file and with the recordings it lists, short of decoding them."""
        every = Problems()
        every.update(self._reading.problems)
        recordings = list(in_threads(self._look_up, self._reading.lines))
        found = in_threads(examine, [recording.path for recording in recordings])
        every.update(_unusable(recordings, (fault or _fault(seconds, "") for seconds, fault in found)))
        return every

    def unlabelled(self, column: str, split: str) -> Problems:
        """Recordings of a split that have nothing in a column."""
        empty = Problems()
        for line in self._by_split.get(split, []):
            if getattr(line, column) is None:
                empty.add(f"no {column} in the {split} split", f"line {line.number}")
        return empty

    @property
    def _path(self) -> Path:
        return Path(str(self.file)).expanduser().absolute()

    @cached_property
    def _base(self) -> Path:
        return self._path.parent if self.root is None else Path(self.root).expanduser().absolute()

    @cached_property
    def _reading(self) -> Reading:
        try:
            reading = read_user_manifest(self._path)
        except OSError as error:
            raise UserError(f"manifest: {self._path} cannot be read: {error.strerror}") from error
        if reading.warnings:
            log.warning("%s, to be looked at:%s", self._path, reading.warnings.summary())
        return reading

    @cached_property
    def _sound(self) -> list[Line]:
        """The lines of a manifest without mistakes.

        Raises: UserError that lists them all.
        """
        lines, problems, _ = self._reading
        if problems:
            raise UserError(
                f"{self._path} must be mended in {len(problems):,} places; {CHECK.format(self.file)} looks "
                f"at the recordings as well:{problems.summary()}"
            )
        return lines

    @cached_property
    def _by_split(self) -> dict[str, list[Line]]:
        splits: dict[str, list[Line]] = {}
        for line in self._sound:
            splits.setdefault(line.split, []).append(line)
        return splits

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {}

    def _digest(self, split: str) -> str:
        """Of what the list and the disk say of a split, without paths; looked up once."""
        if split not in self._digests:
            content = hashlib.sha256()
            for line, _, *facts in sorted(self._of(split), key=lambda recording: recording.line.utterance_id):
                content.update(json.dumps([*line[2:], *facts]).encode())
            self._digests[split] = content.hexdigest()
        return self._digests[split]

    def _of(self, split: str) -> list[Recording]:
        """The recordings of a split as the disk has them now."""
        if split not in self._by_split:
            has = ", ".join(self._by_split)
            raise UserError(
                f"{self._path} has no recordings of the split {split!r}, only of {has}. Its column split "
                "says which are for train, dev and test; without the column all are for test."
            )
        return list(in_threads(self._look_up, self._by_split[split]))

    def _look_up(self, line: Line) -> Recording:
        """File systems differ in how they spell é: as one character or as two."""
        paths = [os.path.join(self._base, spelled) for spelled in _spellings(line.audio_path)]  # noqa: PTH118
        for path in paths:
            try:
                status = os.stat(path)  # noqa: PTH116
            except (OSError, ValueError):  # a name too long, or with a zero byte
                continue
            return Recording(line, path, status.st_size, status.st_mtime_ns)
        return Recording(line, paths[0], -1, 0)


def _spellings(path: str) -> list[str]:
    """A path as it is given, then in the normal forms of Unicode."""
    if path.startswith("~"):
        path = os.path.expanduser(path)  # noqa: PTH111
    if path.isascii():
        return [path]
    return [path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))]


def _fault(duration: float, fingerprint: str) -> str | None:
    """What the header of a recording tells that it cannot be used for."""
    if fingerprint == "missing":
        return "missing audio"
    if math.isnan(duration):
        return "damaged audio"
    return f"shorter than {MIN_SECONDS} s" if duration < MIN_SECONDS else None


def _unusable(recordings: Sequence[Recording], faults: Iterable[str | None]) -> Problems:
    """Those with a fault."""
    problems = Problems()
    for recording, fault in zip(recordings, faults, strict=True):
        if fault is not None:
            problems.add(fault, f"line {recording.line.number}: {recording.line.audio_path}")
    return problems


def _utterance(recording: Recording, header: tuple[float, str]) -> Utterance:
    line, (duration, fingerprint) = recording.line, header
    return Utterance(
        utterance_id=line.utterance_id,
        audio_path=recording.path,
        speaker_id=line.speaker_id,
        duration=duration,
        fingerprint=fingerprint,
        text=line.text,
        intent=line.intent,
        scenario=line.scenario,
        language=line.language,
        gender=line.gender,
    )
