"""The results of one profile on disk: per job, a file of rows, a file of utterances and a folder of audio.

A job is tokenizer × variant × dataset × task × seed. A job replaces its files as a whole and never appends.
Jobs on several machines may therefore share the folder, and a killed job leaves the old files or none.
"""

import json
import logging
import os
import platform
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from errno import EEXIST, ENOTEMPTY
from functools import cache
from io import BytesIO
from pathlib import Path

import pandas as pd

from benchmark.errors import UserError
from benchmark.results.row import Row
from benchmark.storage.atomic_files import write_atomic
from benchmark.storage.hashing import file_digest

log = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9.+-]+(_[A-Za-z0-9.+-]+)*")
"""Legal names of tasks, tokenizers and datasets, in which "__" may not occur: it separates them in file
names."""


class ResultsStore:
    """Store of rows and per-utterance scores below `results/<profile>/`."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def write(
        self, rows: Sequence[Row], utterances: pd.DataFrame, audio: Mapping[str, bytes] | None = None
    ) -> None:
        """Replace the results of one job.

        Args:
            rows: Every row of the job: same profile, task, tokenizer, dataset, seed, split and key.
            utterances: Scores per utterance (`utterance_id`, `speaker_id`, one column per metric), or the
                table that the task keeps instead.
            audio: Contents of the audio files to keep, by file name.

        Raises:
            UserError: the folder holds another profile, or a name cannot be part of a file name.
            ValueError: the rows do not belong to one job.
        """
        if not rows:
            raise ValueError("a job writes at least one row")
        jobs = {(r.profile, *_job(r), r.split, r.key) for r in rows}
        if len(jobs) > 1:
            raise ValueError(
                f"rows of one job must share profile, names, seed, split and key; got {sorted(jobs)}"
            )
        if len({row.metric for row in rows}) < len(rows):
            raise ValueError("a metric occurs twice")
        self._refuse_other_profile(rows[0].profile)
        stem = _stem(*_job(rows[0]))
        path, scores = self._path("rows", stem), self._path("utterances", stem)
        _replace_folder(self.root / "audio" / stem, audio or {})
        content = BytesIO()
        utterances.to_parquet(content, index=False)
        write_atomic(scores, content.getvalue())  # first: a rows file implies its utterances
        end = {"rows": len(rows), "utterances": file_digest(scores)}
        lines = [row.to_json() for row in sorted(rows, key=_order)]
        write_atomic(path, "\n".join([*lines, json.dumps({"end": end})]) + "\n")

    def rows(self) -> list[Row]:
        """Return all rows, sorted; a damaged file counts as missing, with a warning.

        Raises:
            UserError: rows of another schema version, or of more than one profile.
        """
        rows = [row for path in sorted((self.root / "rows").glob("*.jsonl")) for row in _read(path)[0]]
        profiles = sorted({row.profile for row in rows})
        if len(profiles) > 1:
            raise UserError(
                f"{self.root} mixes the profiles {', '.join(profiles)}, whose numbers are not comparable. "
                f"Keep one folder per profile and move the others' files out of {self.root / 'rows'}."
            )
        return sorted(rows, key=_order)

    def job(self, task: str, tokenizer: str, dataset: str, seed: int, variant: str = "") -> list[Row]:
        """Return the rows of one job, or an empty list if it has not run."""
        return _read(self._path("rows", _stem(task, tokenizer, dataset, seed, variant)))[0]

    def utterances(
        self, task: str, tokenizer: str, dataset: str, seed: int, variant: str = ""
    ) -> pd.DataFrame:
        """Return the table of utterances that `write` stored with the rows of one job.

        Raises: FileNotFoundError when the job has not run.
        """
        return pd.read_parquet(self._path("utterances", _stem(task, tokenizer, dataset, seed, variant)))

    def reader(self) -> Callable[[Row], pd.DataFrame]:
        """Return a look-up from a row to its utterances that reads each file once.

        A missing file gives an empty table.
        """

        @cache
        def read(task: str, tokenizer: str, dataset: str, seed: int, variant: str) -> pd.DataFrame:
            try:
                return self.utterances(task, tokenizer, dataset, seed, variant)
            except FileNotFoundError:
                return pd.DataFrame()

        return lambda row: read(*_job(row))

    def finished(
        self,
        task: str,
        tokenizer: str,
        dataset: str,
        seed: int,
        key: str,
        metric_keys: Mapping[str, str],
        exists: Callable[[str], bool],
        variant: str = "",
    ) -> bool:
        """Return whether the job is complete: rows and utterances under these keys, none failed.

        Args:
            task: Name of the task.
            tokenizer: Name of the tokenizer.
            dataset: Name of the dataset.
            seed: Seed of the run.
            key: Digest of everything that the job depends on now.
            metric_keys: The same digest for each metric to report; rows of further metrics are allowed.
            exists: Whether an artifact "kind/digest" is present; all artifacts that the rows refer to must
                be.
            variant: Variant of the job.
        """
        stem = _stem(task, tokenizer, dataset, seed, variant)
        rows, utterances_digest = _read(self._path("rows", stem))
        scores = self._path("utterances", stem)
        return (
            metric_keys.items() <= {row.metric: row.metric_key for row in rows}.items()
            and all(row.key == key and row.status != "failed" for row in rows if row.metric in metric_keys)
            and scores.is_file()
            and file_digest(scores) == utterances_digest
            and all(exists(reference) for row in rows for reference in row.artifacts)
        )

    def merge(self) -> list[Row]:
        """Write the sorted `rows.jsonl` for readers, derived from the files of the jobs, and return its rows.

        Without any rows the file is removed.
        """
        rows, path = self.rows(), self.root / "rows.jsonl"
        if rows:
            write_atomic(path, _lines(rows))
        else:
            path.unlink(missing_ok=True)
        return rows

    def has_report(self) -> bool:
        """Return whether `report.html` was made from exactly the rows that the jobs have now.

        Raises:
            UserError: rows of another schema version, or of more than one profile.
        """
        merged, report = self.root / "rows.jsonl", self.root / "report.html"
        if not (merged.is_file() and report.is_file()):
            return False
        # A report that was cut off has merged the rows, and left the page of the report before.
        after = report.stat().st_mtime_ns >= merged.stat().st_mtime_ns
        return after and merged.read_text(encoding="utf-8") == _lines(self.rows())

    def _refuse_other_profile(self, profile: str) -> None:
        for path in sorted((self.root / "rows").glob("*.jsonl")):
            present = _read(path)[0]
            if present and present[0].profile != profile:
                raise UserError(
                    f"{self.root} holds results of the profile {present[0].profile!r}; those of {profile!r} "
                    "are not comparable with them. Give every profile its own results folder."
                )
            if present:  # `rows` refuses a mixture, so one file speaks for all
                return

    def _path(self, kind: str, stem: str) -> Path:
        return self.root / kind / (stem + {"rows": ".jsonl", "utterances": ".parquet"}[kind])


def job_name(row: Row) -> str:
    """Return the file name of a row's job, without a suffix."""
    return _stem(*_job(row))


def _job(row: Row) -> tuple[str, str, str, int, str]:
    return row.task, row.tokenizer, row.dataset, row.seed, row.variant


def _order(row: Row) -> tuple[str, str, str, str, str, str, int]:
    return row.task, row.tokenizer, row.variant, row.dataset, row.split, row.metric, row.seed


def _stem(task: str, tokenizer: str, dataset: str, seed: int, variant: str = "") -> str:
    named = {"task": task, "tokenizer": tokenizer, "dataset": dataset} | (
        {"variant": variant} if variant else {}
    )
    for what, name in named.items():
        if not NAME.fullmatch(name):
            raise UserError(
                f"the {what} name {name!r} cannot be part of a file name. "
                "Use letters, digits, '.', '+', '-' and single '_' between them."
            )
    return f"{task}__{tokenizer}__{dataset}__seed{seed}" + (f"__{variant}" if variant else "")


def _replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Replace the contents of `folder` by `files`; without files the folder is removed."""
    mine = f"{platform.node()}.{os.getpid()}"  # nodes that share a disk may have the same process number
    fresh, old = (folder.with_name(f".{folder.name}.{mine}.{word}") for word in ("tmp", "old"))
    shutil.rmtree(fresh, ignore_errors=True)  # left by a killed process with the same number
    for name, content in files.items():
        write_atomic(fresh / name, content)
    while True:
        shutil.rmtree(old, ignore_errors=True)
        with suppress(FileNotFoundError):
            folder.rename(old)
        try:
            if files:
                fresh.rename(folder)
            break
        except OSError as error:
            if error.errno not in (ENOTEMPTY, EEXIST):
                raise  # else another process has just put its folder there, and the last one wins
    shutil.rmtree(old, ignore_errors=True)


def _lines(rows: Sequence[Row]) -> str:
    return "".join(row.to_json() + "\n" for row in rows)


def _read(path: Path) -> tuple[list[Row], str]:
    """Return a job file's rows and the digest of its utterances; no rows if it is missing or damaged."""
    try:
        *lines, last = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        end = json.loads(last)["end"]
        rows = [Row.from_json(line) for line in lines]
        if not rows or len(rows) != end["rows"]:
            raise ValueError(f"{len(rows)} rows, not {end['rows']}")
        if any(path.stem != _stem(*_job(row)) for row in rows):
            raise ValueError("the rows are of another job than the file's name says")
        return rows, end["utterances"]
    except FileNotFoundError:
        return [], ""
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        log.warning("%s is damaged and counts as missing: %s", path, error)
        return [], ""
