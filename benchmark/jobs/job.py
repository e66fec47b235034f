"""One job: evaluates a tokenizer on a dataset by a task with a seed, and writes the result rows.

A job whose rows exist already is skipped.
"""

import json
import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from benchmark.data.corpora.base import Corpus
from benchmark.errors import UserError, unknown
from benchmark.jobs.replacement import require_room
from benchmark.jobs.rows import (
    JobNames,
    encode_precision,
    rows_of,
    side_info,
    trainings,
    whole_bits,
    with_other_metrics,
)
from benchmark.jobs.trackers.base import TrackerCollection, left_by
from benchmark.metrics.statistics.intervals import INTERVALS_VERSION
from benchmark.results.provenance import git_commit, versions
from benchmark.results.store import ResultsStore
from benchmark.storage.atomic_files import write_atomic
from benchmark.storage.disk_errors import DiskError, writing
from benchmark.storage.hashing import digest
from benchmark.tasks.base import Outcome, RunContext, Task, not_applicable
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import fit_codebook
from benchmark.tokenizers.hearing import hearing
from benchmark.training.machine import machine
from benchmark.training.process_group import ProcessGroup

log = logging.getLogger(__name__)

Policy = Literal["only_missing", "always"]
MAX_FAILED_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job with all its parts, built from its config."""

    profile: str
    tokenizer: Tokenizer
    corpus: Corpus
    task: Task
    context: RunContext
    results: ResultsStore
    config: dict[str, Any]
    """The resolved config, kept beside the rows."""
    policy: Policy = "only_missing"
    max_failed_share: float = MAX_FAILED_SHARE
    """Share of utterances without a score above which the number of a metric is not shown."""
    trackers: TrackerCollection = field(default_factory=TrackerCollection)
    """Dashboards and log files that follow the job."""

    @property
    def label(self) -> str:
        """Name of the job in log lines, such as "reconstruction × mel_rvq × synthetic"."""
        variant = self.task.variant(self.tokenizer)
        tokenizer = f"{self.tokenizer.name}+{variant}" if variant else self.tokenizer.name
        return f"{self.task.name} × {tokenizer} × {self.corpus.name}"

    @property
    def names(self) -> JobNames:
        """Task, tokenizer, corpus, seed and variant: what tells the rows of this job from those of others."""
        variant = self.task.variant(self.tokenizer)
        return self.task.name, self.tokenizer.name, self.corpus.name, self.context.seed, variant

    def key(self) -> str:
        """Return the digest of everything that the numbers depend on.

        The digest is cheap to compute, so that a finished job is skipped at once.

        Raises: UserError if a corpus folder or a model is missing.
        """
        trainer, tokenizer = self.context.trainer, self.heard_tokenizer()
        content = {
            "tokenizer": tokenizer.identity(),
            "corpus": [self.corpus.identity(split) for split in self.task.reads(tokenizer, self.corpus)],
            "task": self.task.identity(tokenizer, self.corpus, self.context),
            "precision": trainer.precision,
            "seed": self.context.seed,
            "intervals": [INTERVALS_VERSION, self.context.interval_unit],
        }
        if self.task.trains(self.tokenizer):
            content |= self.context.trainer_key
        if trainer.max_steps is not None:
            content["max_steps"] = trainer.max_steps
        if self.max_failed_share != MAX_FAILED_SHARE:
            content["max_failed_share"] = self.max_failed_share
        return digest(content)

    def metric_keys(self) -> dict[str, str]:
        """Return, for each metric that the job reports, the digest of what this metric alone depends on.

        Raises: UserError if a model is missing.
        """
        return {name: self.task.metric_key(name) for name in self.task.definitions()}

    def is_done(self, key: str, metric_keys: Mapping[str, str]) -> bool:
        """Return whether rows with these keys exist and the policy is not to compute them again.

        Raises: UserError if the policy is not one of `Policy`.
        """
        if self.policy not in get_args(Policy):
            raise unknown("policy", self.policy, get_args(Policy))
        names = self.task.name, self.tokenizer.name, self.corpus.name, self.context.seed
        variant, exists = self.task.variant(self.tokenizer), self.context.store.exists
        return self.policy == "only_missing" and self.results.finished(
            *names, key, metric_keys, exists, variant
        )

    def run(self) -> None:
        """Run the task and write its rows; after an error, write rows with status "failed" and the reason.

        Raises: The error of the task, such as a UserError, after the failed rows are written.
        """
        names = self.task.name, self.tokenizer.name, self.corpus.name, self.context.seed
        variant = self.task.variant(self.tokenizer)
        start = time.monotonic()
        key, metric_keys = "", dict[str, str]()
        try:
            with self.writing():
                metric_keys = self.metric_keys()  # before `key`: a failure here leaves old rows as they are
                now = self.key()
                if self.is_done(now, metric_keys):
                    log.info("done already: %s", self.label)
                    return
                require_room(self, now)  # before `key` as well
                key = now
                log.info("start: %s", self.label)
                if not self.task.can_read(self.tokenizer.spec):
                    outcome = not_applicable("its codes are continuous features, which this task cannot use")
                else:
                    tokenizer = self.fitted_tokenizer()
                    outcome = self.task.run(tokenizer, self.corpus, self.begin())
                    outcome = replace(outcome, notes=outcome.notes | {"input_rate": tokenizer.input_rate})
        except Exception as error:
            reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            log.error(
                "failed: %s: %s", self.label, reason
            )  # a sweep goes on, and reports all errors at its end
            if (key and not isinstance(error, DiskError)) or not self.results.job(
                *names, variant
            ):  # a mistyped folder or a full disk must not overwrite existing results
                try:
                    self._write(
                        Outcome(status="failed", reason=reason), key, metric_keys, time.monotonic() - start
                    )
                except OSError as other:
                    log.error("the failed rows could not be written either: %s", other)
            raise
        seconds = time.monotonic() - start
        with self.writing():
            self._write(outcome, key, metric_keys, seconds)
        log.info("done in %.0f s: %s: %s", seconds, self.label, _summary(outcome))

    def heard_tokenizer(self) -> Tokenizer:
        """Return the tokenizer at the rate at which it hears the corpus; `self.tokenizer` is unchanged."""
        return hearing(self.tokenizer, self.corpus, self.context.store)

    def fitted_tokenizer(self) -> Tokenizer:
        """Return the tokenizer at the rate at which it hears the corpus, with its fitted codebook."""
        return fit_codebook(self.heard_tokenizer(), self.corpus, self.context.store, self.context.seed)

    def begin(self) -> RunContext:
        """Tell the trackers and the other processes of the group that the job has work to do.

        Returns: The context, with a logger for the trainings from each tracker that provides one.
        """
        if ProcessGroup.current is not None:
            ProcessGroup.current.messages.tell(self.label)
        name = f"{self.label.replace(' × ', '-')}-seed{self.context.seed}"
        loggers = self.trackers.begin(self.task.name, name)
        trainer = self.context.trainer
        return replace(self.context, trainer=replace(trainer, loggers=trainer.loggers | loggers))

    def writing(self) -> AbstractContextManager[None]:
        """Return a context that turns errors of a full or read-only disk into a DiskError."""
        return writing({"CACHE": self.context.store.root, "RESULTS": self.results.root})

    def _write(self, outcome: Outcome, key: str, metric_keys: Mapping[str, str], seconds: float) -> None:
        spec = self.tokenizer.spec
        config_digest = digest(self.config)
        config_file = self.results.root / "configs" / f"{config_digest}.json"
        write_atomic(config_file, json.dumps(self.config, indent=1, sort_keys=True) + "\n")
        shared: dict[str, Any] = {
            "profile": self.profile,
            "tokenizer": self.tokenizer.name,
            "kind": spec.kind,
            "decoder": outcome.decoder,
            "frame_rate": spec.frame_rate,
            "num_codebooks": spec.num_codebooks,
            "codebook_size": spec.codebook_size,
            "bitrate": spec.bitrate,
            "base": "" if (base := self.tokenizer.base_tokenizer) is self.tokenizer else base.name,
            "dataset": self.corpus.name,
            "split": self._split_label(),
            "task": self.task.name,
            "seed": self.context.seed,
            "config_digest": config_digest,
            "key": key,
            "git_commit": git_commit(),
            "versions": versions(),
            "date": datetime.now(UTC).date().isoformat(),
            "device": self.context.device,
            "machine": machine(self.context.device) | trainings(self.context.store),
            "wall_time": round(seconds, 1),
            "artifacts": sorted(self.context.store.used),
            "variant": self.task.variant(self.tokenizer),
            "notes": outcome.notes
            | side_info(spec)
            | whole_bits(spec)
            | encode_precision(self.context.store),
        }
        rows = rows_of(
            outcome, shared, self.task, metric_keys, self.context.interval_unit, self.max_failed_share
        )
        names = self.task.name, self.tokenizer.name, self.corpus.name, self.context.seed, rows[0].variant
        rows, utterances = with_other_metrics(self.results, names, rows, outcome.utterances)
        self.results.write(rows, utterances, outcome.audio)
        for name, text in outcome.lists.items():
            write_atomic(self.results.root / name, text)
        self.trackers.end(lambda: left_by(rows, utterances, self.results.root, self.context.store.root))

    def _split_label(self) -> str:
        """Return the label of the test split, or "test" if the corpus cannot say.

        Such a corpus has failed before, and the row holds the reason.
        """
        try:
            return self.corpus.split_label("test")
        except UserError:
            return "test"


def _summary(outcome: Outcome) -> str:
    """Format the numbers in one line for the log."""
    if outcome.status != "ok":
        return f"{outcome.status} ({outcome.reason})"
    numbers = ", ".join(f"{m.metric} {m.interval.value:.3g}" for m in outcome.measures)
    return f"{numbers} ({outcome.reason})" if outcome.reason else numbers
