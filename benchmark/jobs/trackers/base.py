"""Trackers, which publish the numbers of a job beside its rows: wandb, TensorBoard, CSV.

A tracker begins when a job has work to do, provides Lightning with a logger for the trainings, and receives
the numbers of the job at the end. The names of the numbers never change: `<task>/<metric>`, and the same with
`_lo`, `_hi`, `_n_scored`, `_n_failed` and `_n_abstained`. A tracker that fails causes a warning and never
fails the job.
"""

import csv
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.results.row import Row
from benchmark.results.store import job_name

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger, TensorBoardLogger

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """Facts about a job that its trackers receive before the job begins.

    Attributes:
        name: Name of the job, such as "reconstruction-mel_rvq-synthetic-seed0".
        task: Name of the task.
        group: Name shared by all jobs of one sweep.
        folder: Folder that trackers may write to.
        config: The resolved Hydra config.
    """

    name: str
    task: str
    group: str
    folder: Path
    config: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Results:
    """Results of a finished job.

    Attributes:
        rows: Rows of the job, including failed ones.
        utterances: Scores by utterance, or the table that the task writes instead.
        files: Files of the job in the results folder, by their names relative to the folder.
        artifacts: Folders of the artifacts that the job used, by reference "kind/digest".
        figures: Figures as PNG data, by name.
    """

    rows: Sequence[Row]
    utterances: pd.DataFrame
    files: Mapping[str, Path]
    artifacts: Mapping[str, Path]
    figures: Mapping[str, bytes]


class Tracker:
    """Base class of trackers; a method may raise, which stops the tracker but not the job."""

    def begin(self, info: RunInfo) -> None:
        """Prepare for a job that has work to do."""

    def curves(self) -> "Logger | None":
        """Return the logger for the trainings of the job, or None."""
        return None

    def end(self, results: Results) -> None:
        """Publish the results of the job, whose rows are written."""

    def report(self, info: RunInfo, folder: Path) -> None:
        """Publish the report of a sweep that has ended; the report is in `folder`."""


@dataclass(kw_only=True)
class Csv(Tracker):
    """Tracker that writes `metrics.csv` to the job's output folder, beside Lightning's CSV of the curves."""

    _folder: Path | None = None

    def begin(self, info: RunInfo) -> None:
        """Store the output folder of the job."""
        self._folder = info.folder

    def curves(self) -> "Logger":
        """Return Lightning's CSV logger."""
        from lightning.pytorch.loggers import CSVLogger  # slow to import

        return CSVLogger(str(self._folder))

    def end(self, results: Results) -> None:
        """Write one line per metric."""
        assert self._folder is not None
        with (self._folder / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("name", "value", "lo", "hi", "n_scored", "n_failed", "n_abstained", "status"))
            for row in results.rows:
                numbers = (row.value, row.lo, row.hi, row.n_scored, row.n_failed, row.n_abstained)
                table.writerow((f"{row.task}/{row.metric}", *numbers, row.status))


@dataclass(kw_only=True)
class TensorBoard(Tracker):
    """Tracker that writes event files to the job's output folder: curves, and the numbers at the end."""

    _logger: "TensorBoardLogger | None" = None

    def begin(self, info: RunInfo) -> None:
        """Open one folder of events for the whole job."""
        from lightning.pytorch.loggers import TensorBoardLogger  # slow to import

        self._logger = TensorBoardLogger(str(info.folder), name="tensorboard", version="")

    def curves(self) -> "Logger | None":
        """Return Lightning's TensorBoard logger."""
        return self._logger

    def end(self, results: Results) -> None:
        """Write every number as a scalar at step 0."""
        assert self._logger is not None
        for name, value in scalars(results.rows).items():
            self._logger.experiment.add_scalar(name, value, 0)
        self._logger.experiment.flush()


@dataclass
class TrackerCollection:
    """The trackers of one job; a tracker that fails is left out for the rest of the job, the others go on."""

    trackers: dict[str, Any] = field(default_factory=dict)
    """Trackers by name; a Lightning logger is allowed too, and receives only the curves of trainings."""
    group: str = ""
    folder: Path = Path()
    config: dict[str, Any] = field(default_factory=dict)
    _followed: dict[str, Tracker] = field(default_factory=dict)

    def begin(self, task: str, name: str) -> "dict[str, Logger]":
        """Begin every tracker; return the loggers for the trainings by the trackers' names."""
        info = self.info(task, name)
        loggers: dict[str, Any] = {}
        for key, tracker in self.trackers.items():
            curves = tracker
            if isinstance(tracker, Tracker):
                if _tried(key, tracker.begin, info) is Failed:
                    continue
                self._followed[key] = tracker
                curves = _tried(key, tracker.curves)
            if curves is None or curves is Failed:
                continue
            from lightning.pytorch.loggers import Logger  # slow to import

            if isinstance(curves, Logger):
                loggers[key] = curves
            else:
                what = type(curves).__name__
                log.warning("%s gets no curves: %s is not a Logger of Lightning", key, what)
        return loggers

    def end(self, results: Callable[[], Results]) -> None:
        """Pass the results of the job to every tracker that still follows the job."""
        followed, self._followed = self._followed, {}
        made = _tried(", ".join(followed), results) if followed else Failed
        for key, tracker in followed.items():
            if made is not Failed:
                _tried(key, tracker.end, made)

    def report(self, folder: Path) -> None:
        """Pass the report of a sweep to every tracker."""
        info = self.info("report", f"report-{self.group}")
        for key, tracker in self.trackers.items():
            if isinstance(tracker, Tracker):
                _tried(key, tracker.report, info, folder)

    def info(self, task: str, name: str) -> RunInfo:
        """Return the facts that trackers receive."""
        return RunInfo(name=name, task=task, group=self.group, folder=self.folder, config=self.config)


def left_by(rows: Sequence[Row], utterances: pd.DataFrame, root: Path, store: Path) -> Results:
    """Collect the results of a job from the results folder `root` and the artifact folder `store`."""
    from benchmark.results.report.figures import (  # slow to import, and not needed without trackers
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
    """Return the numbers of a job by their stable names; numbers without a value are left out."""
    found: dict[str, float] = {}
    for row in rows:
        name = f"{row.task}/{row.metric}"
        for suffix, value in (("", row.value), ("_lo", row.lo), ("_hi", row.hi)):
            if value is not None:
                found[name + suffix] = value
        counts = ("n_scored", row.n_scored), ("n_failed", row.n_failed), ("n_abstained", row.n_abstained)
        found |= {f"{name}_{what}": count for what, count in counts}
    return found


class Failed:
    """Marker returned instead of the result of a call that failed."""


def _tried(name: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a call; if the call raises, log a warning and return `Failed`."""
    try:
        return call(*arguments)
    except Exception as error:  # a dashboard's library can raise anything, and must not fail the job
        log.warning("%s does not follow this job: %s: %s", name, type(error).__name__, error)
        return Failed
