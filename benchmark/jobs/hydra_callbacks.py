"""Hydra callbacks of a sweep: preflight before the jobs, progress during them, report after them."""

import atexit
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from benchmark.errors import UserError
from benchmark.jobs import launchers
from benchmark.jobs.progress import CLEAR, Expected, Failure, JobFile, ProgressBoard, closing
from benchmark.jobs.settings import require_settings
from benchmark.training.cluster_environment import is_follower, started_world

log = logging.getLogger(__name__)

Hook = Callable[..., None]


def rank_zero(hook: Hook) -> Hook:
    """Skip a hook in processes that only take part in the trainings of rank 0's jobs."""

    @wraps(hook)
    def wrapped(self: Callback, config: DictConfig, **arguments: Any) -> None:
        if not _only_trains(config):
            hook(self, config, **arguments)

    return wrapped


class WriteReport(Callback):
    """Hydra callback that rewrites tables and figures after a run or a whole sweep with new rows."""

    def on_run_end(self, config: DictConfig, **_: Any) -> None:
        """Write the report once, after a single run."""
        self._write(config)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Write the report once, after all jobs of a sweep."""
        self._write(config)

    @rank_zero
    def _write(self, config: DictConfig) -> None:
        # Both import libraries that the jobs of a sweep never need at their start.
        from benchmark.results.store import ResultsStore

        folder = Path(config.paths.results) / config.profile_name
        try:
            if ResultsStore(folder).has_report():
                return
            from benchmark.results.report.write import write_report

            write_report(folder)
        except UserError as error:  # a run that failed before its first row has no tables
            log.warning("no tables: %s", error)
            return
        if config.logger and config.hydra.mode == RunMode.MULTIRUN:
            self._publish(config, folder)

    def _publish(self, config: DictConfig, folder: Path) -> None:
        """Upload the report of a sweep to the dashboards."""
        from benchmark.jobs.build import make_trackers

        sweep = Path(config.hydra.sweep.dir)
        try:
            plain = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
            make_trackers(plain, sweep.name, sweep).report(folder)
        except (UserError, OmegaConfBaseException) as error:
            log.warning("the report is not published: %s", error)


class WatchSweep(Callback):
    """Hydra callback that checks a sweep before it starts, shows its progress, and lists failures at the end.

    The processes of a launcher get a pickled copy of the callback, and write to its `folder`. A sweep with a
    failed job, or one that preflight stops, ends the process with status 1. The callback is therefore the
    first one in the config: at the end of a sweep, Hydra calls the first one last.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.rewrites = False
        self.labels: Mapping[int, str] = {}
        self._board: ProgressBoard | None = None
        self._current: JobFile | None = None
        """The job that this process is running."""

    def __getstate__(self) -> dict[str, Any]:
        # The board's thread cannot be pickled.
        return self.__dict__ | {"_board": None, "_place": launchers.Place.here()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state.pop("_place").enter()  # before any code of the job reads a relative path
        self.__dict__.update(state)

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Check the settings, and disable the output folder and the log file on every rank but 0."""
        _require_settings([config])
        if _only_trains(config):
            with read_write(config), open_dict(config):
                config.hydra.run.dir, config.hydra.output_subdir = ".", None
                config.hydra.job_logging.handlers.file.filename = os.devnull

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Run preflight, then start the progress display."""
        if started_world() is not None and not config.hydra.launcher._target_.endswith(".BasicLauncher"):
            sys.stderr.write(f"{started_world()} run this sweep job by job: leave hydra/launcher at basic\n")
            raise SystemExit(1)
        self._prepare(config)

    @rank_zero
    def _prepare(self, config: DictConfig) -> None:
        try:
            launchers.prepare(config)
        except UserError as error:
            sys.stderr.write(f"{error}\n")
            raise SystemExit(1) from None
        expected = self._look_ahead(config)
        if expected.jobs and len(expected.done) == expected.jobs and started_world() is None:
            self._end_at_once(config, expected)
        # Two sweeps may share one folder, and an earlier sweep may have left files there.
        own = f"{os.getpid()}-{time.time_ns()}"
        self.folder = Path(config.hydra.sweep.dir).absolute() / "jobs" / own
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rewrites = sys.stderr.isatty() and not config.trainer.progress_bar
        self._board = ProgressBoard(self.folder, expected, self.rewrites)
        # If a launcher gives up, Hydra does not call `on_multirun_end`.
        atexit.register(self._close, launchers.left_behind(config))

    def _end_at_once(self, config: DictConfig, expected: Expected) -> None:
        """End a sweep whose jobs all have their rows, before its launcher starts processes in vain."""
        ended = [JobFile(number=n, label=self.labels[n], log="", begin=0, state="done") for n in self.labels]
        sys.stdout.write("".join(f"done already: {job.label}\n" for job in ended))
        sys.stderr.write(f"{closing(ended, expected)}\n")
        if "report" in config.hydra.callbacks:
            WriteReport().on_multirun_end(config)
        raise SystemExit(0)

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Write the file of the job; Hydra calls this method in the process of the job."""
        if self.folder is not None:
            launchers.leave_when_told(config)
        if _only_trains(config):
            _leave_no_log()
        elif self.folder is not None:
            self._begin(config, self.folder)

    def _begin(self, config: DictConfig, folder: Path) -> None:
        self._current = _begun(config, self.labels)
        if (folder / self._current.file).exists():
            # A scheduler restarted the job after a kill, a lost node or a time limit.
            log.warning("started again, and what is done is kept: %s", self._current.label)
        self._current.write(folder)
        if self.rewrites:
            _begin_lines_anew()

    @rank_zero
    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Record the end of the job in its file; Hydra calls this method in the process of the job."""
        if self.folder is None:
            return
        given = job_return._return_value
        failed = job_return.status == JobStatus.FAILED or isinstance(given, Failure)
        reason = given.reason if isinstance(given, Failure) else f"{type(given).__name__}: {given}"
        ended = replace(
            self._current or _begun(config, self.labels),
            end=time.time(),
            state="failed" if failed else "done",
            reason=reason if failed else "",
        )
        ended.write(self.folder)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:  # noqa: ARG002
        """Write the summary, and exit with status 1 if a job is not done."""
        if self._close():
            raise SystemExit(1)

    def _look_ahead(self, config: DictConfig) -> Expected:
        from benchmark.jobs import compose as plan

        try:
            with plan.running() as hydra:
                configs = plan.expand_sweep(hydra, config)
            _require_settings(configs)
            logging.getLogger("faiss.loader").setLevel(logging.WARNING)  # it logs which build it loads
            from benchmark.jobs.preflight import preflight  # imports the models' libraries

            found = preflight(configs, launchers.at_once(config), launchers.is_elsewhere(config))
        except (UserError, HydraException, OmegaConfBaseException) as error:
            # A mistake in the overrides, which Hydra is about to report, or another kind of sweeper.
            log.debug("the sweep cannot be checked before it starts: %s", error)
            return Expected()
        if found.text:
            sys.stderr.write(f"{found.text}\n\n")
            if config.preflight == "stop":
                sys.stderr.write("The sweep was not started. preflight=warn starts it all the same.\n")
                raise SystemExit(1)
        self.labels = found.labels
        return found.expected

    def _close(self, more: str = "") -> bool:
        """Stop the display and write the summary, once; return whether any job is not done."""
        atexit.unregister(self._close)
        board, self._board = self._board, None
        if board is None:
            return False
        files = board.close()
        sys.stderr.write("\n".join(filter(None, (closing(files, board.expected), more))) + "\n")
        return any(file.state != "done" for file in files)


def _require_settings(configs: Iterable[DictConfig]) -> None:
    """Check the settings of all jobs; a mistake in one ends the process before any job starts."""
    try:
        for cfg in configs:
            require_settings(cfg)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(1) from None


def _only_trains(config: DictConfig) -> bool:
    """Return whether rank 0 runs the job, and this process only takes part in its trainings."""
    return config.trainer.strategy == "ddp" and is_follower()


def _leave_no_log() -> None:
    """Close the log file and keep warnings only, because rank 0 logs the job."""
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    for handler in [handler for handler in root.handlers if isinstance(handler, logging.FileHandler)]:
        root.removeHandler(handler)
        handler.close()


def _begun(config: DictConfig, labels: Mapping[int, str]) -> JobFile:
    """Build the file of a job that starts now."""
    names = [OmegaConf.select(config, f"{part}.name") or "?" for part in ("task", "tokenizer", "dataset")]
    number = int(config.hydra.job.num)
    return JobFile(
        number=number,
        label=labels.get(number, f"{' × '.join(map(str, names))} × seed {config.seed}"),
        log=_relative(str(OmegaConf.select(config, "hydra.job_logging.handlers.file.filename") or "")),
        begin=time.time(),
    )


def _relative(path: str) -> str:
    """Return a path relative to the working directory if it lies below it, or else unchanged."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


def _begin_lines_anew() -> None:
    """Make log lines to a terminal erase the progress line first, which is then drawn again below them."""

    class Wiping(logging.Formatter):
        def __init__(self, inner: logging.Formatter | None) -> None:
            super().__init__()
            self.inner = inner or logging.Formatter()

        def format(self, record: logging.LogRecord) -> str:
            return CLEAR + self.inner.format(record)

    for handler in logging.getLogger().handlers:
        stream = getattr(handler, "stream", None)
        if (
            stream in (sys.stdout, sys.stderr)
            and stream.isatty()
            and not isinstance(handler.formatter, Wiping)
        ):
            handler.setFormatter(Wiping(handler.formatter))
