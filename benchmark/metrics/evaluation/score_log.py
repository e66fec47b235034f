"""Append-only log of scores: a killed evaluation loses at most the line that it was writing.

A log belongs to the decoded speech of one manifest. Every process appends to its own file, so several
processes may score the same speech, also on a shared file system. A reader takes the union of all files.
"""

import json
import logging
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np

from benchmark.data.audio import AudioError
from benchmark.extractors.base import Extractor, Value

log = logging.getLogger(__name__)

FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """The score of one utterance by one metric; where `value` is None, `reason` says why.

    `remarks` are those of the score, joined by commas.
    """

    value: float | None = None
    weight: float = 1.0
    text: str | None = None
    reason: str = ""
    remarks: str = ""


class ScoreLog:
    """Log of scores by utterance and metric key, and of models' values of the decoded speech.

    The log can be written to while it is used as a context manager.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[tuple[str, str], Entry] = {}
        self._values: dict[tuple[str, str], Any] = {}
        self._file: TextIO | None = None
        for path in sorted(folder.glob("*.jsonl")):
            for line in _lines(path):
                self._take(line)

    def __enter__(self) -> "ScoreLog":
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{platform.node()}.{os.getpid()}.{time.time_ns()}.jsonl"
        self._file = (self.folder / name).open("x", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self.sync()
        self._file.close()
        self._file = None

    def add(self, utterance_id: str, key: str, entry: Entry) -> None:
        """Append a score."""
        self._write({"id": utterance_id, "of": key, "score": asdict(entry)})

    def add_value(self, utterance_id: str, extractor: Extractor, value: Value | AudioError) -> None:
        """Append a model's value of an utterance's decoded speech, or the error that explains its absence."""
        content: Any = value.tolist() if isinstance(value, np.ndarray) else str(value)
        form = "failure" if isinstance(value, AudioError) else "value"
        self._write({"id": utterance_id, "of": extractor.key, form: content})

    def value(self, utterance_id: str, extractor: Extractor) -> Value | AudioError | None:
        """Return the value that was added by `add_value`; None if there is none yet."""
        line = self._values.get((utterance_id, extractor.key))
        if line is None:
            return None
        if "failure" in line:
            return AudioError(line["failure"])
        content = line["value"]
        return content if isinstance(content, str) else np.asarray(content, extractor.dtype)

    def sync(self) -> None:
        """Flush all appended lines to the disk."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())

    def _write(self, line: dict[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        place = line["id"], line["of"]
        if "score" in line:
            self.entries[place] = Entry(**line["score"])
        else:
            self._values[place] = line


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of a file; the last line of a killed process may be incomplete."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, text in enumerate(file, start=1):
            try:
                line = json.loads(text)
                if not text.endswith("\n") or not {"id", "of"} < line.keys():
                    raise ValueError("not a whole line")
            except (ValueError, AttributeError):
                log.info("%s: line %d is incomplete; its score is computed again", path, number)
                continue
            yield line
