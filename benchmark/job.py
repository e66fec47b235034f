"""One job: tokenizer × dataset × task × seed → rows, skipped when its rows are there already."""

import json
import logging
import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import pandas as pd

from benchmark.artifacts import ArtifactStore, digest, write_atomic
from benchmark.data.corpus import Corpus
from benchmark.disk import DiskError, writing
from benchmark.errors import UserError, unknown
from benchmark.metrics.definitions import Definition
from benchmark.metrics.statistics import METHODS, Interval
from benchmark.ranks import ProcessGroup
from benchmark.results.provenance import git_commit, versions
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore
from benchmark.tasks.base import Outcome, Setting, Task, not_applicable
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokens.precision import read_check
from benchmark.tracking import Followers, left_by
from benchmark.types import TokenizerSpec

log = logging.getLogger(__name__)

Policy = Literal["only_missing", "always"]
MAX_FAILED_SHARE = 0.5
FAMILY = 100
"""Columns that a family of metrics may have."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything one run needs, already built from its config."""

    profile: str
    tokenizer: Tokenizer
    corpus: Corpus
    task: Task
    setting: Setting
    results: ResultsStore
    config: dict[str, Any]
    """The resolved config, kept beside the rows."""
    policy: Policy = "only_missing"
    max_failed_share: float = MAX_FAILED_SHARE
    """Of the utterances, above which a metric's number is not shown."""
    followers: Followers = field(default_factory=Followers)
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
        trainer = self.setting.trainer
        content = {
            "tokenizer": self.tokenizer.identity(),
            "corpus": [self.corpus.identity(split) for split in self.task.reads(self.tokenizer, self.corpus)],
            "task": self.task.identity(self.tokenizer, self.corpus, self.setting),
            "precision": trainer.precision,
            "seed": self.setting.seed,
        }
        if trainer.max_steps is not None:
            content["max_steps"] = trainer.max_steps
        if self.setting.bootstrap != "speakers":
            content["bootstrap"] = self.setting.bootstrap
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
        names = self.task.name, self.tokenizer.name, self.corpus.name, self.setting.seed
        variant, exists = self.task.variant(self.tokenizer), self.setting.store.exists
        return self.policy == "only_missing" and self.results.finished(
            *names, key, metric_keys, exists, variant
        )

    def run(self) -> None:
        """Run the task and write its rows; a user's mistake leaves rows that say so.

        Raises: UserError, after the failed rows were written.
        """
        names = self.task.name, self.tokenizer.name, self.corpus.name, self.setting.seed
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
                    outcome = self.task.run(self.tokenizer, self.corpus, self.begin())
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

    def begin(self) -> Setting:
        """Tell trackers, and processes that were started together with this one, that there is work to do.

        Returns: The setting, with loggers for the trainings where trackers follow the job.
        """
        if ProcessGroup.current is not None:
            ProcessGroup.current.tell(self.label)
        name = f"{self.label.replace(' × ', '-')}-seed{self.setting.seed}"
        loggers = self.followers.begin(self.task.name, name)
        trainer = self.setting.trainer
        return replace(self.setting, trainer=replace(trainer, loggers=trainer.loggers | loggers))

    def writing(self) -> AbstractContextManager[None]:
        """Tells of disks that are full or closed."""
        return writing({"CACHE": self.setting.store.root, "RESULTS": self.results.root})

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
            "seed": self.setting.seed,
            "config_digest": config_digest,
            "key": key,
            "git_commit": git_commit(),
            "versions": versions(),
            "date": datetime.now(UTC).date().isoformat(),
            "device": self.setting.device,
            "wall_time": round(seconds, 1),
            "artifacts": sorted(self.setting.store.used),
            "variant": self.task.variant(self.tokenizer),
            "notes": outcome.notes | _side_info(spec) | _precision(self.setting.store),
        }
        measures = {measure.metric: measure for measure in outcome.measures}
        failures = outcome.notes.get("failures", [])
        rows = []
        for place, (metric, definition) in enumerate(self.task.definitions().items()):
            measure = measures.get(metric)
            interval = measure.interval if measure else None
            scored = interval if interval and interval.n_scored else None  # of nothing there is no value
            status, reason = outcome.status, outcome.reason
            if status != "failed":
                status, reason = outcome.statuses.get(metric, (status, reason))
            if status == "ok" and scored is None:
                status, reason = "failed", "; ".join(["no utterance could be scored", *failures])
            elif status == "ok" and scored and _failed_share(scored) > self.max_failed_share:
                share = (
                    f"{_failed_share(scored):.0%} of the utterances have no score, more than max_failed_share"
                )
                status, reason, scored = "failed", "; ".join([share, *failures]), None
            rows.append(
                Row(
                    **shared,
                    metric=metric,
                    value=scored.value if scored else None,
                    lo=scored.lo if scored else None,
                    hi=scored.hi if scored else None,
                    interval=METHODS[self.setting.bootstrap] if scored and math.isfinite(scored.lo) else "",
                    n_scored=interval.n_scored if interval else 0,
                    n_failed=interval.n_failed if interval else 0,
                    status=status,
                    reason=reason or "; ".join(failures),
                    definition=measure.definition if measure else definition.definition,
                    metric_key=metric_keys.get(metric, ""),
                    display=_display(definition, place),
                )
            )
        rows, utterances = self._with_other_metrics(rows, outcome.utterances)
        self.results.write(rows, utterances, outcome.audio)
        for name, text in outcome.lists.items():
            write_atomic(self.results.root / name, text)
        self.followers.end(lambda: left_by(rows, utterances, self.results.root, self.setting.store.root))

    def _with_other_metrics(
        self, rows: list[Row], utterances: pd.DataFrame
    ) -> tuple[list[Row], pd.DataFrame]:
        """What an earlier run of the same job has found by other metrics stays."""
        names = self.task.name, self.tokenizer.name, self.corpus.name, self.setting.seed, rows[0].variant
        made = {row.metric for row in rows}
        others = [
            row
            for row in self.results.job(*names)
            if row.key == rows[0].key and row.status != "failed" and row.metric not in made
        ]
        if not others:
            return rows, utterances
        whole = self.results.utterances(*names)
        if utterances.empty:  # this run has failed
            return [*rows, *others], whole
        earlier = whole.set_index("utterance_id")
        kept = {row.metric.partition("/")[0] for row in others}
        columns = [name for name in earlier.columns if name.partition(":")[0] in kept]
        joined = utterances.join(earlier[columns], on="utterance_id")
        why = joined["utterance_id"].map(earlier["failure"]).where(joined[sorted(kept)].isna().any(axis=1))
        joined["failure"] = joined["failure"].fillna(why)
        return [*rows, *others], joined

    def _split_label(self) -> str:
        """Of the test split; a corpus that cannot say has failed already, for the reason in the row."""
        try:
            return self.corpus.split_label("test")
        except UserError:
            return "test"


def _failed_share(interval: Interval) -> float:
    return interval.n_failed / (interval.n_scored + interval.n_failed)


def _display(definition: Definition, place: int) -> dict[str, Any]:
    """What a table needs to know of a metric that it may never have heard of."""
    names = "label", "unit", "higher_is_better", "decimals"
    content = {name: getattr(definition, name) for name in names}
    return content | {"place": FAMILY * definition.family + place}


def _side_info(spec: TokenizerSpec) -> dict[str, Any]:
    """What is sent beside the codes, which the bitrate does not count."""
    if not spec.side_info:
        return {}
    return {"side_info": spec.side_info, "side_info_bits_per_utterance": spec.side_info_bits}


def _precision(store: ArtifactStore) -> dict[str, Any]:
    """What the tokens of this run were encoded in, where bfloat16 had been asked for."""
    folders = [store.root / reference for reference in sorted(store.used) if reference.startswith("tokens/")]
    checks = [check for check in map(read_check, folders) if check is not None]
    return {"encode_precision": checks} if checks else {}


def _summary(outcome: Outcome) -> str:
    """The numbers in one line, for the log."""
    if outcome.status != "ok":
        return f"{outcome.status} ({outcome.reason})"
    return ", ".join(f"{m.metric} {m.interval.value:.3g}" for m in outcome.measures)
