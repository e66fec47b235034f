"""A user's own corpus, listed in a file that `benchmark.data.user_manifest` reads."""

import hashlib
import json
import logging
import math
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
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
    """A line of the manifest with path, size and time of its file; size is -1 if there is no file."""

    line: Line
    path: str
    size: int
    mtime_ns: int


@dataclass(kw_only=True)
class Custom(Corpus):
    """A corpus of recordings listed in a file.

    Recordings that are missing or damaged stay in the manifest with duration NaN, and count as failed.

    Attributes:
        file: The list, `.csv`, `.tsv` or `.jsonl`; without a column `split`, all recordings are for test.
        root: Folder that relative audio paths start from; None for the folder of `file`.
        name: Label of the dataset in rows and tables; made from the name of `file` if empty.
        splits: Splits that go by other names in the list, such as `{"test": ["eval_noisy"]}`; any other
            split has its own name there.
    """

    uid: ClassVar[str] = "benchmark.data.custom.Custom"

    file: str | None
    root: str | None = None
    name: str = ""
    splits: Mapping[str, Sequence[str]] | None = None

    def __post_init__(self) -> None:
        """Check the arguments.

        Raises:
            UserError: the file does not exist or has another suffix, `root` does not exist, or no name for
                the tables can be made.
        """
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
            raise UserError(f"{self._path.name!r} gives no name for the tables; set dataset.name=<name>")

    @property
    def foreign_splits(self) -> tuple[str, ...]:
        """Splits with names such as test_de."""
        return tuple(split for split in self._by_split if FOREIGN.fullmatch(split))

    def split_label(self, split: str) -> str:
        """The names in the list, joined."""
        return "+".join(self._names.get(split, [split]))

    def identity(self, split: str) -> dict[str, Any]:
        """Return class, version, and a digest of the columns, size and last change of every recording.

        The digest depends neither on the folder of the audio nor on the order of the list.
        """
        return {**super().identity(split), "recordings": self._digest(split)}

    def location(self) -> str:
        """Return the folder that paths start from, and a digest of all paths."""
        return f"{self._base}:{digest([line.audio_path for line in self._sound])}"

    def build(self, split: str, folder: Path) -> Manifest:
        """Build the manifest from the audio headers; nothing is written below `folder`."""
        del folder
        recordings = self._look_up_all(split)
        found = headers([recording.path for recording in recordings])
        unusable = _collect_unusable(recordings, (_find_fault(*facts) for facts in found))
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
        return Manifest(_to_utterance(*pair) for pair in zip(recordings, found, strict=True))

    @property
    def is_sound(self) -> bool:
        """True if the list itself has no mistakes; some of its recordings may still be unusable."""
        return not self._reading.problems

    def problems(self) -> Problems:
        """Return all problems of the file and of its recordings that show without decoding them."""
        every = Problems()
        every.update(self._reading.problems)
        recordings = list(in_threads(self._look_up, self._reading.lines))
        found = in_threads(examine, [recording.path for recording in recordings])
        every.update(
            _collect_unusable(recordings, (fault or _find_fault(seconds, "") for seconds, fault in found))
        )
        return every

    def unlabelled(self, column: str, split: str) -> Problems:
        """Return the recordings of a split whose `column` is empty."""
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
            reading = read_user_manifest(
                self._path, [name for names in self._names.values() for name in names]
            )
        except OSError as error:
            raise UserError(f"manifest: {self._path} cannot be read: {error.strerror}") from error
        if reading.warnings:
            log.warning("%s, to be checked:%s", self._path, reading.warnings.summary())
        return reading

    @cached_property
    def _sound(self) -> list[Line]:
        """Lines of the list.

        Raises:
            UserError: the list has mistakes; the message names them all.
        """
        lines, problems, _ = self._reading
        if problems:
            raise UserError(
                f"{self._path} must be corrected in {len(problems):,} places; {CHECK.format(self.file)} "
                f"checks the recordings as well:{problems.summary()}"
            )
        return lines

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """Names in the list by split, of those that have another name there."""
        given = self.splits or {}
        return {split: [names] if isinstance(names, str) else list(names) for split, names in given.items()}

    @cached_property
    def _by_split(self) -> dict[str, list[Line]]:
        by_name: dict[str, list[Line]] = {}
        for line in self._sound:
            by_name.setdefault(line.split, []).append(line)
        own = {
            split: [line for name in names for line in by_name.get(name, [])]
            for split, names in self._names.items()
        }
        return by_name | {split: lines for split, lines in own.items() if lines}

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {}

    def _digest(self, split: str) -> str:
        """Return a digest of a split's columns, file sizes and times, without paths; computed once."""
        if split not in self._digests:
            content = hashlib.sha256()
            for line, _, *facts in sorted(
                self._look_up_all(split), key=lambda recording: recording.line.utterance_id
            ):
                content.update(json.dumps([*line[2:], *facts]).encode())
            self._digests[split] = content.hexdigest()
        return self._digests[split]

    def _look_up_all(self, split: str) -> list[Recording]:
        """Return the recordings of a split with the present state of their files."""
        if split not in self._by_split:
            has = ", ".join(self._by_split)
            raise UserError(
                f"{self._path} has no recordings of the split {split!r}, only of {has}. Its column split "
                "says which are for train, dev and test, or dataset.splits which of its names are; without "
                "the column all are for test."
            )
        return list(in_threads(self._look_up, self._by_split[split]))

    def _look_up(self, line: Line) -> Recording:
        """Find the file of a line under any Unicode spelling, as some file systems split é in two."""
        paths = [os.path.join(self._base, spelled) for spelled in _list_spellings(line.audio_path)]  # noqa: PTH118
        for path in paths:
            try:
                status = os.stat(path)  # noqa: PTH116
            except (OSError, ValueError):  # a name too long, or with a zero byte
                continue
            return Recording(line, path, status.st_size, status.st_mtime_ns)
        return Recording(line, paths[0], -1, 0)


def _list_spellings(path: str) -> list[str]:
    """Return a path as given, followed by its Unicode normal forms if it is not ASCII."""
    if path.startswith("~"):
        path = os.path.expanduser(path)  # noqa: PTH111
    if path.isascii():
        return [path]
    return [path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))]


def _find_fault(duration: float, fingerprint: str) -> str | None:
    """Return the fault that a recording's header reveals, or None."""
    if fingerprint == "missing":
        return "missing audio"
    if math.isnan(duration):
        return "damaged audio"
    return f"shorter than {MIN_SECONDS} s" if duration < MIN_SECONDS else None


def _collect_unusable(recordings: Sequence[Recording], faults: Iterable[str | None]) -> Problems:
    """Return the recordings with a fault, by kind of fault."""
    problems = Problems()
    for recording, fault in zip(recordings, faults, strict=True):
        if fault is not None:
            problems.add(fault, f"line {recording.line.number}: {recording.line.audio_path}")
    return problems


def _to_utterance(recording: Recording, header: tuple[float, str]) -> Utterance:
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
