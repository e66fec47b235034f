"""Reader of a user's list of recordings in CSV, TSV or JSON lines.

Every mistake is recorded with its line and reading continues, so that one run finds all mistakes.
"""

import csv
import json
import re
import sys
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.data.manifest_errors import Problems

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = ".jsonl"
COLUMNS = (
    "audio_path", "utterance_id", "speaker_id", "split", "text", "intent", "scenario", "language", "gender",
)  # fmt: skip
REQUIRED = ("audio_path", "speaker_id")
ALIASES = {
    "audio": "audio_path", "audio_filepath": "audio_path", "file": "audio_path", "filename": "audio_path",
    "path": "audio_path", "wav": "audio_path", "id": "utterance_id", "utt": "utterance_id",
    "client_id": "speaker_id", "speaker": "speaker_id", "spk": "speaker_id", "spk_id": "speaker_id",
    "sentence": "text", "transcript": "text", "transcription": "text", "wrd": "text",
    "label": "intent", "subset": "split", "lang": "language", "locale": "language", "sex": "gender",
}  # fmt: skip
"""Names of the columns in other manifests; such a column is reported as a mistake and not ignored."""
SPLITS = ("train", "dev", "test")
FOREIGN = re.compile(r"test_[a-z]{2,3}")
"""A test split in another language, such as test_de."""
SPLIT_ALIASES = {"valid": "dev", "validation": "dev", "val": "dev", "devel": "dev", "eval": "test"}
GENDERS = {"f": "F", "female": "F", "m": "M", "male": "M"}
SURROGATE = re.compile("[\ud800-\udfff]")
"""Python's stand-in for a byte that is not UTF-8, or half of a character in JSON."""
LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")

csv.field_size_limit(1 << 30)


class Line(NamedTuple):
    """One recording as listed in the manifest; `number` counts the file's lines from 1."""

    number: int
    audio_path: str
    utterance_id: str
    speaker_id: str
    split: str
    text: str | None
    intent: str | None
    scenario: str | None
    language: str
    gender: str | None


class Reading(NamedTuple):
    """The recordings of a manifest, the problems that make it unusable, and warnings."""

    lines: list[Line]
    problems: Problems
    warnings: Problems


def read_user_manifest(path: Path, own_splits: Collection[str] = ()) -> Reading:
    """Read a manifest whose suffix is in `DELIMITERS` or `JSON_LINES`; mistakes are returned, not raised.

    Raises:
        OSError: the file cannot be read.
    """
    problems, warnings = Problems(), Problems()
    records = _read_json_lines if path.suffix.lower() == JSON_LINES else _read_table
    lines = []
    for number, record in records(path, problems, warnings):
        line = _line(number, record, problems, own_splits)
        if line is not None:
            lines.append(line)
    if not lines and not problems:
        problems.add("no recordings", "the file lists none")
    _compare_lines(lines, problems, warnings)
    return Reading(lines, problems, warnings)


Record = tuple[int, dict[str, str]]


def _read_table(path: Path, problems: Problems, warnings: Problems) -> Iterator[Record]:
    """Yield the number and columns of each record of a CSV or TSV file.

    Bytes that are not UTF-8 become surrogates, which are reported later.
    """
    delimiter = DELIMITERS[path.suffix.lower()]
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        header: list[str] | None = None
        while True:
            number = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                problems.add("not readable as a table; is a quote not closed?", f"line {number}: {error}")
                continue
            if not any(field.strip() for field in fields):
                continue
            if header is None:
                header = [name.strip() for name in fields]
                _check_columns(header, problems, warnings, number)
                for name in REQUIRED:
                    if name not in header:
                        problems.add("missing column", f"{name} (the header is line {number})")
                for name in sorted({name for name in header if header.count(name) > 1}):
                    problems.add("column given twice", f"line {number}: {name}")
            elif len(fields) != len(header):
                place = f"line {number}: {len(fields)} fields, the header has {len(header)}"
                problems.add(f"wrong number of fields; one that holds {delimiter!r} needs quotes", place)
            else:
                yield number, dict(zip(header, fields, strict=True))


def _read_json_lines(path: Path, problems: Problems, warnings: Problems) -> Iterator[Record]:
    """Yield the line number and fields of each object in a file of JSON lines."""
    seen: set[str] = set()
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                record = json.loads(text)
            except (ValueError, RecursionError) as error:
                problems.add("not JSON", f"line {number}: {error}")
                continue
            if not isinstance(record, dict):
                problems.add("not a JSON object", f"line {number}")
                continue
            _check_columns([name for name in record if name not in seen], problems, warnings, number)
            seen.update(record)
            values = {name: value for name, value in record.items() if name in COLUMNS and value is not None}
            wrong = [n for n, v in values.items() if not isinstance(v, str | int) or isinstance(v, bool)]
            for name in wrong:
                problems.add("not a text", f"line {number}: {name} is {_shorten(values[name])}")
            for name in REQUIRED:
                if name not in values:
                    problems.add(f"no {name}", f"line {number}")
            yield number, {name: str(value) for name, value in values.items() if name not in wrong}


def _check_columns(names: Sequence[str], problems: Problems, warnings: Problems, number: int) -> None:
    """Report columns with a name close to a known one as problems, and other unknown ones as warnings."""
    for name in names:
        if name in COLUMNS:
            continue
        known = name.strip().lower().replace(" ", "_").replace("-", "_")
        near = ALIASES.get(known) or next(iter(get_close_matches(known, COLUMNS, n=1, cutoff=0.75)), None)
        if near is not None:
            problems.add("unknown column", f"line {number}: {_shorten(name)}, did you mean {near!r}?")
        else:
            warnings.add("columns that are not used", _shorten(name))


def _line(
    number: int, record: dict[str, str], problems: Problems, own_splits: Collection[str]
) -> Line | None:
    """The recording of one record, None where it names no file; what is wrong with it is noted."""
    where = f"line {number}"
    for name in COLUMNS:
        if SURROGATE.search(record.get(name, "")):
            problems.add("not UTF-8; save the file as UTF-8", f"{where}: {name}")
    value = {name: _compose(text).strip() for name, text in record.items()}
    path = record.get("audio_path", "").strip()  # not normalised: the disk may use either Unicode form
    for name in REQUIRED:
        if name in record and not value[name]:
            problems.add(f"no {name}", where)
    utterance_id = value.get("utterance_id") or _compose(Path(path).stem)
    for name, text in (("utterance_id", utterance_id), ("speaker_id", value.get("speaker_id", ""))):
        if not text.isprintable():
            problems.add("control or invisible characters", f"{where}: {name} {_shorten(text)}")
    split = value.get("split", "test")
    if split not in (*SPLITS, *own_splits) and not FOREIGN.fullmatch(split):
        near = SPLIT_ALIASES.get(split.lower()) or next(iter(get_close_matches(split, SPLITS, n=1)), None)
        hint = f", did you mean {near!r}?" if near else ""
        legal = f"unknown split; legal: {', '.join((*SPLITS, *own_splits))}, and test_de and the like"
        problems.add(legal, f"{where}: {_shorten(split)}{hint}")
    language = (value.get("language") or "en").lower()
    if not LANGUAGE.fullmatch(language):
        problems.add("unknown language; a code such as en or pt-br", f"{where}: {_shorten(language)}")
    gender = value.get("gender", "")
    if gender and gender.lower() not in GENDERS:
        problems.add("unknown gender; legal: F, M, or nothing", f"{where}: {_shorten(gender)}")
    if not path:
        return None
    return Line(
        number,
        path,
        utterance_id,
        sys.intern(value.get("speaker_id", "")),
        sys.intern(split),
        " ".join(value.get("text", "").split()) or None,
        sys.intern(value.get("intent", "")) or None,
        sys.intern(value.get("scenario", "")) or None,
        sys.intern(language),
        GENDERS.get(gender.lower()),
    )


def _compose(text: str) -> str:
    """Return the text in Unicode's normal form C, in which é is one character whatever the file has."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _compare_lines(lines: Sequence[Line], problems: Problems, warnings: Problems) -> None:
    """Report problems that concern several lines, such as ids given twice."""
    ids: dict[str, int] = {}
    files: dict[str, int] = {}
    scenarios: dict[str, str | None] = {}
    speakers: dict[str, list[str]] = {}
    for line in lines:
        first = ids.setdefault(line.utterance_id, line.number)
        if first != line.number:
            place = f"line {line.number}: {_shorten(line.utterance_id)} is on line {first} as well"
            problems.add("utterance_id given twice; without that column it is the file's name", place)
        first = files.setdefault(line.audio_path, line.number)
        if first != line.number:
            warnings.add("the same recording twice", f"lines {first} and {line.number}: {line.audio_path}")
        if line.intent is not None:
            scenario = scenarios.setdefault(line.intent, line.scenario)
            if scenario != line.scenario:
                place = f"line {line.number}: {line.intent} is of {scenario} and of {line.scenario}"
                problems.add("intent with two scenarios", place)
        splits = speakers.setdefault(line.speaker_id, [])
        split = line.split.partition("_")[0]
        if split in SPLITS and split not in splits:
            splits.append(split)
    for speaker, splits in speakers.items():
        if len(splits) > 1:
            warnings.add("speakers in several splits", f"{speaker}: {', '.join(splits)}")


def _shorten(value: Any, most: int = 60) -> str:
    """Return a value for a message, escaped and cut to at most `most` characters."""
    shown = repr(value)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
