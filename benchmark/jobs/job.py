"""One job: tokenizer × dataset × task × seed → rows, skipped when its rows are there already."""

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
from benchmark.jobs.rows import encode_precision, rows_of, side_info, with_other_metrics
from benchmark.jobs.trackers.base import TrackerCollection, left_by
from benchmark.results.provenance import git_commit, versions
from benchmark.results.store import ResultsStore
from benchmark.storage.atomic_files import write_atomic
from benchmark.storage.disk_errors import DiskError, writing
from benchmark.storage.hashing import digest
from benchmark.tasks.base import Outcome, RunContext, Task, not_applicable
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import fit_codebook
from benchmark.training.process_group import ProcessGroup

log = logging.getLogger(__name__)

Policy = Literal["only_missing", "always"]
MAX_FAILED_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything one run needs, already built from its config."""

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
    """Of the utterances, above which a metric's number is not shown."""
    trackers: TrackerCollection = field(default_factory=TrackerCollection)
    """Dashboards and the like, which hear of what is run."""

    @property
    def label(self) -> str:
        """How log lines name the job."""
        variant = self.task.variant(self.tokenizer)
        tokenizer = f"{self.tokenizer.name}+{variant}" if variant else self.tokenizer.name
        return f"{self.task.name} × {tokenizer} × {self.corpus.name}"

    def key(self) -> str:
        """Digest of everything the numbers depend on; cheap, so that a finished job costs nothing.

        Raises: UserError when a corpus folder or a model is missing.
        """
        trainer = self.context.trainer
        content = {
            "tokenizer": self.tokenizer.identity(),
            "corpus": [self.corpus.identity(split) for split in self.task.reads(self.tokenizer, self.corpus)],
            "task": self.task.identity(self.tokenizer, self.corpus, self.context),
            "precision": trainer.precision,
            "seed": self.context.seed,
        }
        if trainer.max_steps is not None:
            content["max_steps"] = trainer.max_steps
        if self.context.bootstrap != "speakers":
            content["bootstrap"] = self.context.bootstrap
        if self.max_failed_share != MAX_FAILED_SHARE:
            content["max_failed_share"] = self.max_failed_share
        return digest(content)

    def metric_keys(self) -> dict[str, str]:
        """Metrics that the job reports, each with the digest of what it alone depends on.

        Raises: UserError when a model is missing.
        """
        return {name: self.task.metric_key(name) for name in self.task.definitions()}

    def is_done(self, key: str, metric_keys: Mapping[str, str]) -> bool:
        """Whether the rows are there under these keys, and the policy leaves it at that.

        Raises: UserError for a policy that is none.
        """
        if self.policy not in get_args(Policy):
            raise unknown("policy", self.policy, get_args(Policy))
        names = self.task.name, self.tokenizer.name, self.corpus.name, self.context.seed
        variant, exists = self.task.variant(self.tokenizer), self.context.store.exists
        return self.policy == "only_missing" and self.results.finished(
            *names, key, metric_keys, exists, variant
        )

    def run(self) -> None:
        """Run the task and write its rows; a user's mistake leaves rows that say so.

        Raises: UserError, after the failed rows were written.
        """
        names = self.task.name, self.tokenizer.name, self.corpus.name, self.context.seed
        variant = self.task.variant(self.tokenizer)
        start = time.monotonic()
        key, metric_keys = "", dict[str, str]()
        try:
            with self.writing():
                metric_keys = self.metric_keys()  # before the key: without it the failure costs no old rows
                key = self.key()
                if self.is_done(key, metric_keys):
                    log.info("done already: %s", self.label)
                    return
                log.info("start: %s", self.label)
                if self.tokenizer.spec.continuous and not self.task.reads_features:
                    outcome = not_applicable("its codes are continuous features, which only probes read")
                else:
                    outcome = self.task.run(self.fitted_tokenizer(), self.corpus, self.begin())
        except Exception as error:
            reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            log.error(
                "failed: %s: %s", self.label, reason
            )  # a sweep goes on and reports one error at its end
            if (key and not isinstance(error, DiskError)) or not self.results.job(
                *names, variant
            ):  # a mistyped folder or a full disk must not cost results that exist
                try:
                    self._write(
                        Outcome(status="failed", reason=reason), key, metric_keys, time.monotonic() - start
                    )
                except OSError as other:
                    log.error("nor could the rows that say so be written: %s", other)
            raise
        seconds = time.monotonic() - start
        with self.writing():
            self._write(outcome, key, metric_keys, seconds)
        log.info("done in %.0f s: %s: %s", seconds, self.label, _summary(outcome))

    def fitted_tokenizer(self) -> Tokenizer:
        """Return the tokenizer with its codebook; `tokenizer` itself, which names the job, stays as it is."""
        return fit_codebook(self.tokenizer, self.corpus, self.context.store, self.context.seed)

    def begin(self) -> RunContext:
        """Tell trackers, and processes that were started together with this one, that there is work to do.

        Returns: The context, with loggers for the trainings where trackers follow the job.
        """
        if ProcessGroup.current is not None:
            ProcessGroup.current.tell(self.label)
        name = f"{self.label.replace(' × ', '-')}-seed{self.context.seed}"
        loggers = self.trackers.begin(self.task.name, name)
        trainer = self.context.trainer
        return replace(self.context, trainer=replace(trainer, loggers=trainer.loggers | loggers))

    def writing(self) -> AbstractContextManager[None]:
        """Tells of disks that are full or closed."""
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
            "wall_time": round(seconds, 1),
            "artifacts": sorted(self.context.store.used),
            "variant": self.task.variant(self.tokenizer),
            "notes": outcome.notes | side_info(spec) | encode_precision(self.context.store),
        }
        rows = rows_of(outcome, shared, self.task, metric_keys, self.context.bootstrap, self.max_failed_share)
        names = self.task.name, self.tokenizer.name, self.corpus.name, self.context.seed, rows[0].variant
        rows, utterances = with_other_metrics(self.results, names, rows, outcome.utterances)
        self.results.write(rows, utterances, outcome.audio)
        for name, text in outcome.lists.items():
            write_atomic(self.results.root / name, text)
        self.trackers.end(lambda: left_by(rows, utterances, self.results.root, self.context.store.root))

    def _split_label(self) -> str:
        """Of the test split; a corpus that cannot say has failed already, for the reason in the row."""
        try:
            return self.corpus.split_label("test")
        except UserError:
            return "test"


def _summary(outcome: Outcome) -> str:
    """The numbers in one line, for the log."""
    if outcome.status != "ok":
        return f"{outcome.status} ({outcome.reason})"
    return ", ".join(f"{m.metric} {m.interval.value:.3g}" for m in outcome.measures)
