"""The results of one profile on disk: one rows file, one utterances file and a folder of audio per job.

A job is tokenizer × variant × dataset × task × seed. It replaces its files whole and appends to nothing, so
jobs on several machines may share the folder, and a killed job leaves the old files or none.
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
"""What a task, tokenizer or dataset may be called: "__" separates them in file names."""


class ResultsStore:
    """Rows and per-utterance scores below `results/<profile>/`."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def write(
        self, rows: Sequence[Row], utterances: pd.DataFrame, audio: Mapping[str, bytes] | None = None
    ) -> None:
        """Replace the results of one job.

        Args:
            rows: Every row of the job: same profile, task, tokenizer, dataset, seed, split and key.
            utterances: Scores per utterance (`utterance_id`, `speaker_id`, one column per metric), or
                the table that the task keeps in their place.
            audio: Contents of the files to listen to, by name.

        Raises:
            UserError: the folder holds another profile, or a name cannot be part of a file name.
            ValueError: the rows are not those of one job.
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
        write_atomic(scores, content.getvalue())  # before the rows: a rows file implies its utterances
        end = {"rows": len(rows), "utterances": file_digest(scores)}
        lines = [row.to_json() for row in sorted(rows, key=_order)]
        write_atomic(path, "\n".join([*lines, json.dumps({"end": end})]) + "\n")

    def rows(self) -> list[Row]:
        """All rows, sorted; a damaged file counts as missing, with a warning.

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
        """Rows of one job, empty when it has not run."""
        return _read(self._path("rows", _stem(task, tokenizer, dataset, seed, variant)))[0]

    def utterances(
        self, task: str, tokenizer: str, dataset: str, seed: int, variant: str = ""
    ) -> pd.DataFrame:
        """What `write` was given beside the rows.

        Raises: FileNotFoundError when the job has not run.
        """
        return pd.read_parquet(self._path("utterances", _stem(task, tokenizer, dataset, seed, variant)))

    def reader(self) -> Callable[[Row], pd.DataFrame]:
        """Looks up what was written beside a row, each file once; nothing where the file is gone."""

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
        """Whether the job need not run: its rows and utterances are whole, under these keys, none failed.

        Args:
            task: Name of the task.
            tokenizer: Name of the tokenizer.
            dataset: Name of the dataset.
            seed: Of the run.
            key: Digest of everything the job depends on now.
            metric_keys: The same for each metric that it is to report; there may be rows of others.
            exists: Whether an artifact "kind/digest" is present; all that the rows refer to must be.
            variant: Of the job.
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
        """Write the sorted `rows.jsonl` for readers, derived from the jobs' files, and return its rows.

        Without any rows there is no such file.
        """
        rows, path = self.rows(), self.root / "rows.jsonl"
        if rows:
            write_atomic(path, "".join(row.to_json() + "\n" for row in rows))
        else:
            path.unlink(missing_ok=True)
        return rows

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
    """What the files of the row's job are called, without a suffix."""
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
    """Put `files` into `folder` in place of what it held; a folder without files goes."""
    mine = f"{platform.node()}.{os.getpid()}"  # nodes that share a disk may have the same process number
    fresh, old = (folder.with_name(f".{folder.name}.{mine}.{word}") for word in ("tmp", "old"))
    shutil.rmtree(fresh, ignore_errors=True)  # of a killed process with the same number
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
                raise  # otherwise another process has just put its own there: the last one stays
    shutil.rmtree(old, ignore_errors=True)


def _read(path: Path) -> tuple[list[Row], str]:
    """Rows of a job's file and the digest of its utterances; no rows when it is missing or damaged."""
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
    except (ValueError, KeyError, TypeError) as error:
        log.warning("%s is damaged and counts as missing: %s", path, error)
        return [], ""
