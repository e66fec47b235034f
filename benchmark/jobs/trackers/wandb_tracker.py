"""Tracker that makes one wandb run per job: numbers, scores, audio and figures, and files as artifacts."""

import io
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pandas as pd

from benchmark.errors import UserError, unknown
from benchmark.jobs.trackers.base import Results, RunInfo, Tracker, scalars
from benchmark.results.row import Row

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

log = logging.getLogger(__name__)

OFFLINE = ("offline", "dryrun", "disabled")
RESULTS = "results"
KNOWN = (RESULTS, "codebooks", "tokens", "vocoders", "probes")
"""Kinds of artifacts that this package makes; a user's own tasks may make others."""
ALIKE = 0.8
"""Similarity above which an unknown kind counts as a misspelling of a known one."""
MOST = 10_000
"""Maximum number of lines in a table, which is the most that a page of wandb shows."""


@dataclass(kw_only=True)
class Wandb(Tracker):
    """Tracker that publishes a job as a run of wandb; WANDB_MODE=offline keeps the run on disk.

    Attributes:
        project: Project of the runs.
        entity: User or team, or None for wandb's default.
        group: Group of the runs, or None for the name of the sweep.
        tags: Tags of every run.
        artifacts: Files uploaded beside the numbers: "results", and kinds of artifacts of the store.
        timeout: Seconds to wait for the server before the job goes on without wandb.
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
        """Start the run.

        Raises: UserError without a login, because wandb would ask for one and wait.
        """
        self._run = self._start(info)

    def curves(self) -> "Logger":
        """Return a logger that numbers the trainings of a job, so that their curves stay apart."""
        from benchmark.jobs.trackers.wandb_curves import Curves  # imports Lightning, which is slow

        return Curves(self._run)

    def end(self, results: Results) -> None:
        """Log all results and finish the run, with exit code 1 if a row has failed."""
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
        """Publish a separate run with the figures of the report, and its tables and page as an artifact."""
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


def is_offline() -> bool:
    """Return whether wandb keeps runs on disk, or is disabled."""
    return os.environ.get("WANDB_MODE") in OFFLINE


def has_login() -> bool:
    """Return whether wandb would find a login in the environment or in the netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc(os.environ.get("NETRC", str(Path.home() / ".netrc"))).authenticators(host) is not None
    except (OSError, NetrcParseError):
        return False


def _facts(row: Row) -> dict[str, Any]:
    """Return facts about the tokenizer that panels can use as an axis or to group runs."""
    return {
        "tokenizer/bitrate_kbps": None if row.bitrate is None else row.bitrate / 1000,
        "tokenizer/frame_rate_hz": row.frame_rate,
        "tokenizer/kind": row.kind,
    }


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert columns for a table of wandb: numbers stay as they are, other values become text or None."""
    return pd.DataFrame(
        {
            name: column
            if column.dtype.kind in "biuf"
            else pd.Series([None if pd.isna(x) else str(x) for x in column], index=column.index, dtype=object)
            for name, column in frame.items()
        }
    )


def _histograms(task: str, frame: pd.DataFrame, metrics: Sequence[str]) -> dict[str, Any]:
    """Return a histogram of each metric over the utterances."""
    import wandb

    columns = {metric: frame[metric].dropna() for metric in metrics if metric in frame}
    return {
        f"{task}/{metric}_histogram": wandb.Histogram(values.tolist())
        for metric, values in columns.items()
        if len(values) and values.dtype.kind in "biuf"
    }


def _listening(results: Results) -> dict[str, list[Any]]:
    """Return recordings by role, such as "source" and "converted", in the same order of utterances."""
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
    """Return a legal name for an artifact: at most 120 ASCII letters, digits, "-", "_" and "."."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in text)[:120]
