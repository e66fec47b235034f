"""What follows a job beside its rows: wandb, TensorBoard, CSV. Whatever fails here is a warning and no more.

A tracker begins when a job has something to do, gives Lightning a logger for the trainings, and gets the
job's numbers at the end, under names that never change: `<task>/<metric>`, and the same with `_lo`, `_hi`,
`_n_scored` and `_n_failed`.
"""

import csv
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from benchmark.results.row import Row
from benchmark.results.store import job_name

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What a tracker is told before the job begins.

    Attributes:
        name: Of the job, such as "reconstruction-mel_rvq-synthetic-seed0".
        task: Name of the task.
        group: What the jobs of one sweep share.
        folder: Where files may go.
        config: The resolved Hydra config.
    """

    name: str
    task: str
    group: str
    folder: Path
    config: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a job has left behind.

    Attributes:
        rows: Its rows, failed ones too.
        utterances: Scores by utterance, or what the task keeps in their place.
        files: Files of the job in the results folder, by the name that they have there.
        artifacts: Folders of the artifacts it used, by reference "kind/digest".
        figures: PNG by name.
    """

    rows: Sequence[Row]
    utterances: pd.DataFrame
    files: Mapping[str, Path]
    artifacts: Mapping[str, Path]
    figures: Mapping[str, bytes]


class Tracker:
    """Base of every tracker; each method may raise, which costs the tracker and not the job."""

    def begin(self, info: RunInfo) -> None:
        """The job has something to do."""

    def curves(self) -> Logger | None:
        """Where the trainings of the job log to."""
        return None

    def end(self, results: Results) -> None:
        """The rows are written."""

    def report(self, info: RunInfo, folder: Path) -> None:
        """A sweep has ended, and its report is in `folder`."""


@dataclass(kw_only=True)
class Csv(Tracker):
    """`metrics.csv` in the job's output folder, and Lightning's CSV of the curves."""

    _folder: Path | None = None

    def begin(self, info: RunInfo) -> None:
        """Remember the folder."""
        self._folder = info.folder

    def curves(self) -> Logger:
        """Lightning's own."""
        return CSVLogger(str(self._folder))

    def end(self, results: Results) -> None:
        """One line per number."""
        assert self._folder is not None
        with (self._folder / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("name", "value", "lo", "hi", "n_scored", "n_failed", "status"))
            for row in results.rows:
                numbers = (row.value, row.lo, row.hi, row.n_scored, row.n_failed)
                table.writerow((f"{row.task}/{row.metric}", *numbers, row.status))


@dataclass(kw_only=True)
class TensorBoard(Tracker):
    """Event files in the job's output folder: the curves, and the job's numbers at the end."""

    _logger: TensorBoardLogger | None = None

    def begin(self, info: RunInfo) -> None:
        """One folder of events for the whole job."""
        self._logger = TensorBoardLogger(str(info.folder), name="tensorboard", version="")

    def curves(self) -> Logger | None:
        """Lightning's own."""
        return self._logger

    def end(self, results: Results) -> None:
        """Every number as a scalar at step 0."""
        assert self._logger is not None
        for name, value in scalars(results.rows).items():
            self._logger.experiment.add_scalar(name, value, 0)
        self._logger.experiment.flush()


@dataclass
class TrackerCollection:
    """The trackers of one job, each on its own: one that fails is left out from then on."""

    trackers: dict[str, Any] = field(default_factory=dict)
    """By name; a Lightning logger of the user's own counts as well, and gets the curves alone."""
    group: str = ""
    folder: Path = Path()
    config: dict[str, Any] = field(default_factory=dict)
    _followed: dict[str, Tracker] = field(default_factory=dict)

    def begin(self, task: str, name: str) -> dict[str, Logger]:
        """Begin all of them; loggers for the trainings, by name."""
        info = self.info(task, name)
        loggers: dict[str, Logger] = {}
        for key, tracker in self.trackers.items():
            if isinstance(tracker, Logger):
                loggers[key] = tracker
            elif _tried(key, tracker.begin, info) is not Failed:
                self._followed[key] = tracker
                curves = _tried(key, tracker.curves)
                if isinstance(curves, Logger):
                    loggers[key] = curves
        return loggers

    def end(self, results: Callable[[], Results]) -> None:
        """Give what the job has left to those that follow it."""
        followed, self._followed = self._followed, {}
        made = _tried(", ".join(followed), results) if followed else Failed
        for key, tracker in followed.items():
            if made is not Failed:
                _tried(key, tracker.end, made)

    def report(self, folder: Path) -> None:
        """Give the report of a sweep to all of them."""
        info = self.info("report", f"report-{self.group}")
        for key, tracker in self.trackers.items():
            if isinstance(tracker, Tracker):
                _tried(key, tracker.report, info, folder)

    def info(self, task: str, name: str) -> RunInfo:
        """What trackers are told."""
        return RunInfo(name=name, task=task, group=self.group, folder=self.folder, config=self.config)


def left_by(rows: Sequence[Row], utterances: pd.DataFrame, root: Path, store: Path) -> Results:
    """What a job has left in the results folder `root` and in the artifact store."""
    from benchmark.results.report.figures import (  # only where somebody follows
        codebook_growth,
        codebook_histogram,
        counts_codes,
    )

    row, stem = rows[0], job_name(rows[0])
    paths = [root / "rows" / f"{stem}.jsonl", root / "utterances" / f"{stem}.parquet"]
    paths += [root / "configs" / f"{row.config_digest}.json", *sorted((root / "audio" / stem).glob("*"))]
    figures = {}
    if counts_codes(utterances) and len(utterances) and row.codebook_size:
        figures["codebook_histogram"] = codebook_histogram(
            {row.label: utterances}, {row.label: row.codebook_size}
        )
        if "growth" in row.notes:
            figures["codebook_growth"] = codebook_growth({row.label: row.notes["growth"]})
    return Results(
        rows=rows,
        utterances=utterances,
        files={path.relative_to(root).as_posix(): path for path in paths if path.is_file()},
        artifacts={reference: store / reference for reference in row.artifacts},
        figures={name: drawn.png for name, drawn in figures.items() if drawn is not None},
    )


def scalars(rows: Sequence[Row]) -> dict[str, float]:
    """The numbers of a job by their stable names; what has no value is left out."""
    found: dict[str, float] = {}
    for row in rows:
        name = f"{row.task}/{row.metric}"
        for suffix, value in (("", row.value), ("_lo", row.lo), ("_hi", row.hi)):
            if value is not None:
                found[name + suffix] = value
        found |= {f"{name}_n_scored": row.n_scored, f"{name}_n_failed": row.n_failed}
    return found


class Failed:
    """Stands for what a call would have given."""


def _tried(name: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call gives; `Failed` and a warning where it raises."""
    try:
        return call(*arguments)
    except Exception as error:  # a dashboard's library can raise anything, and no job is lost for it
        log.warning("%s does not follow this job: %s: %s", name, type(error).__name__, error)
        return Failed
