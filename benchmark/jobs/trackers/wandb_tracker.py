"""One wandb run per job: numbers, scores, sound and figures as media, files as artifacts."""

import io
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from lightning.pytorch.loggers import Logger, WandbLogger

from benchmark.errors import UserError, unknown
from benchmark.jobs.trackers.base import Results, RunInfo, Tracker, scalars
from benchmark.results.row import Row

log = logging.getLogger(__name__)

OFFLINE = ("offline", "dryrun", "disabled")
RESULTS = "results"
KNOWN = (RESULTS, "codebooks", "tokens", "vocoders", "probes")
"""Kinds of artifacts that this package makes; tasks of one's own may make others."""
ALIKE = 0.8
"""Similarity above which an unknown kind counts as a misspelled one."""
MOST = 10_000
"""Lines of a table, which a page of wandb's can show."""


@dataclass(kw_only=True)
class Wandb(Tracker):
    """A run of wandb's, offline with WANDB_MODE=offline.

    Attributes:
        project: Where the runs go.
        entity: User or team; wandb's default for None.
        group: In place of the sweep's own name.
        tags: Of every run.
        artifacts: What is kept beside the numbers: the results, and kinds of artifacts of the store.
        timeout: Seconds to wait for the server before the job goes on without it.
    """

    project: str = "speech-token-benchmark"
    entity: str | None = None
    group: str | None = None
    tags: list[str] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=lambda: [RESULTS])
    timeout: float = 30.0
    _run: Any = None

    def __post_init__(self) -> None:
        for kind in self.artifacts:
            if kind not in KNOWN and get_close_matches(kind, KNOWN, cutoff=ALIKE):
                raise unknown("logger.wandb.artifacts", kind, KNOWN)

    def begin(self, info: RunInfo) -> None:
        """Start the run. Raises: UserError without a login, where wandb would ask for one and wait."""
        self._run = self._start(info)

    def curves(self) -> Logger:
        """A logger that keeps the trainings of a job apart."""
        return Curves(self._run)

    def end(self, results: Results) -> None:
        """Log everything and finish the run, as failed where a row is."""
        import wandb

        run, self._run = self._run, None
        failed = any(row.status == "failed" for row in results.rows)
        try:
            task = results.rows[0].task
            content: dict[str, Any] = dict(scalars(results.rows))
            content |= {f"{task}/figures/{n}": _image(png) for n, png in results.figures.items()}
            if len(results.utterances):
                content[f"{task}/utterances"] = wandb.Table(dataframe=_plain(results.utterances[:MOST]))
                content |= _histograms(task, results.utterances, [row.metric for row in results.rows])
            content |= {f"{task}/audio/{role}": sound for role, sound in _listening(results).items()}
            run.log(content)
            run.summary.update({f"{r.task}/{r.metric}_status": r.status for r in results.rows})
            run.summary.update(_facts(results.rows[0]))
            if reasons := sorted({row.reason for row in results.rows if row.reason}):
                run.summary["reason"] = "; ".join(reasons)
            if RESULTS in self.artifacts:
                kept = wandb.Artifact(_name(run.name), type=RESULTS, metadata={"key": results.rows[0].key})
                for name, path in results.files.items():
                    kept.add_file(str(path), name=name)
                run.log_artifact(kept)
            for reference, folder in results.artifacts.items():
                kind = reference.partition("/")[0]
                if kind in self.artifacts and folder.is_dir():
                    kept = wandb.Artifact(_name(reference), type=kind)
                    kept.add_dir(str(folder))
                    run.log_artifact(kept)
        finally:
            run.finish(exit_code=int(failed))

    def report(self, info: RunInfo, folder: Path) -> None:
        """A run of its own with the figures of the whole folder, and tables and page as an artifact."""
        import wandb

        run = self._start(info)
        try:
            figures = sorted((folder / "figures").glob("*.png"))
            run.log({f"report/figures/{path.stem}": wandb.Image(str(path)) for path in figures})
            kept = wandb.Artifact(_name(f"report-{folder.name}"), type="report")
            for path in [*sorted((folder / "tables").glob("*")), folder / "report.html"]:
                if path.is_file():
                    kept.add_file(str(path), name=path.relative_to(folder).as_posix())
            run.log_artifact(kept)
        finally:
            run.finish()

    def _start(self, info: RunInfo) -> Any:
        import wandb

        if not is_offline() and not has_login():
            raise UserError("no login: `wandb login`, or WANDB_MODE=offline to keep runs on disk")
        return wandb.init(
            project=self.project,
            entity=self.entity,
            group=self.group or info.group,
            job_type=info.task,
            name=info.name,
            config=info.config,
            tags=self.tags,
            dir=str(info.folder),
            reinit="create_new",
            settings=wandb.Settings(init_timeout=self.timeout, console="off", silent=True),
        )


class Curves(WandbLogger):
    """What the trainings of one job log, as `training/<n>/<name>` over `training/<n>/step`."""

    def __init__(self, run: Any) -> None:
        super().__init__(experiment=run)
        self._run = run
        self._number, self._last = 0, -1

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_run": None, "_experiment": None}  # a run stays in its process

    @property
    def experiment(self) -> Any:
        """The job's run."""
        return self._run

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """The job's config has them."""

    def finalize(self, status: str) -> None:
        """The job ends the run, not its trainings."""

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Numbers and media; a step that goes back begins another training."""
        if self._run is None:
            return
        step = self._last if step is None else step
        begins = step < self._last or not self._number
        self._number += begins
        self._last = step
        prefix = f"training/{self._number}"
        try:
            if begins:
                self._run.define_metric(f"{prefix}/*", step_metric=f"{prefix}/step")
            self._run.log(
                {f"{prefix}/{name}": value for name, value in metrics.items()} | {f"{prefix}/step": step}
            )
        except Exception as error:  # no training is lost for a dashboard
            log.warning("wandb follows the trainings no more: %s: %s", type(error).__name__, error)
            self._run = None


def is_offline() -> bool:
    """Whether runs stay on disk."""
    return os.environ.get("WANDB_MODE") in OFFLINE


def has_login() -> bool:
    """Whether there is a key where wandb looks for one: the environment, or the file of its login."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc(os.environ.get("NETRC", str(Path.home() / ".netrc"))).authenticators(host) is not None
    except (OSError, NetrcParseError):
        return False


def _facts(row: Row) -> dict[str, Any]:
    """What panels put on an axis beside the numbers."""
    return {
        "tokenizer/bitrate_kbps": None if row.bitrate is None else row.bitrate / 1000,
        "tokenizer/frame_rate_hz": row.frame_rate,
        "tokenizer/kind": row.kind,
    }


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns that a table of wandb's takes: numbers as they are, anything else as text or None."""
    return pd.DataFrame(
        {
            name: column
            if column.dtype.kind in "biuf"
            else pd.Series([None if pd.isna(x) else str(x) for x in column], index=column.index, dtype=object)
            for name, column in frame.items()
        }
    )


def _histograms(task: str, frame: pd.DataFrame, metrics: Sequence[str]) -> dict[str, Any]:
    """The spread of each metric over the utterances."""
    import wandb

    columns = {metric: frame[metric].dropna() for metric in metrics if metric in frame}
    return {
        f"{task}/{metric}_histogram": wandb.Histogram(values.tolist())
        for metric, values in columns.items()
        if len(values) and values.dtype.kind in "biuf"
    }


def _listening(results: Results) -> dict[str, list[Any]]:
    """Recordings by role, such as source and converted, in one order of utterances."""
    import wandb

    sound: dict[str, list[Any]] = {}
    for path in sorted(path for path in results.files.values() if path.suffix == ".wav"):
        name, _, role = path.stem.rpartition("_")
        sound.setdefault(role, []).append(wandb.Audio(str(path), caption=name))
    return sound


def _image(png: bytes) -> Any:
    import wandb
    from PIL import Image

    return wandb.Image(Image.open(io.BytesIO(png)))


def _name(text: str) -> str:
    """What an artifact may be called."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in text)[:120]
