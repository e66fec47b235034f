"""Result rows made from the outcome of a task, one for each metric."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmark.metrics.reported import MetricInfo
from benchmark.metrics.statistics.intervals import Interval, IntervalUnit, described
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import Outcome, Task
from benchmark.tokenizers.encoding.bfloat16_check import read_check
from benchmark.training.machine import read_machines
from benchmark.types import TokenizerSpec

FAMILY = 100
"""Number of columns reserved in a table for one family of metrics."""
JobNames = tuple[str, str, str, int, str]
"""Task, tokenizer, corpus, seed and variant, which together identify the rows of a job."""


def rows_of(
    outcome: Outcome,
    shared: Mapping[str, Any],
    task: Task,
    metric_keys: Mapping[str, str],
    interval_unit: IntervalUnit,
    max_failed_share: float,
) -> list[Row]:
    """Build one row for every metric that the task reports, including metrics without a value.

    Args:
        outcome: Outcome of the task.
        shared: Fields that all rows of the job have in common.
        task: Task that declares the metrics and their table.
        metric_keys: For each metric, the digest of what this metric alone depends on.
        interval_unit: Unit that intervals take as independent.
        max_failed_share: Share of utterances without a score above which a metric's number is not shown.
    """
    measures = {measure.metric: measure for measure in outcome.measures}
    failures = outcome.notes.get("failures", [])
    table = {"table": task.table.for_rows()} if task.table else {}
    rows = []
    for place, (metric, definition) in enumerate(task.definitions().items()):
        measure = measures.get(metric)
        interval = measure.interval if measure else None
        reasons = (measure.reasons if measure else []) or failures
        scored = interval if interval and interval.n_scored else None  # no scored utterance, no value
        status, reason = outcome.status, outcome.reason
        if status != "failed":
            status, reason = outcome.statuses.get(metric, (status, reason))
        remarks = [reason if status == "ok" else "", measure.remark if measure else ""]
        reason = "" if status == "ok" else reason
        if status == "ok" and scored is None:
            status, reason = "failed", "; ".join(["no utterance could be scored", *reasons])
        elif status == "ok" and scored and _missing_share(scored) > max_failed_share:
            share = (
                f"{_missing_share(scored):.0%} of the utterances have no score, more than max_failed_share"
            )
            status, reason, scored = "failed", "; ".join([share, *reasons]), None
        rows.append(
            Row(
                **shared,
                metric=metric,
                value=scored.value if scored else None,
                lo=scored.lo if scored else None,
                hi=scored.hi if scored else None,
                interval=described(scored, interval_unit) if scored else "",
                n_scored=interval.n_scored if interval else 0,
                n_failed=interval.n_failed if interval else 0,
                n_abstained=interval.n_abstained if interval else 0,
                status=status,
                reason=reason or "; ".join(reasons),
                remark="; ".join(filter(None, remarks)) if status == "ok" else "",
                definition=measure.definition if measure else definition.definition,
                metric_key=metric_keys.get(metric, ""),
                display=_display(definition, place) | table,
            )
        )
    return rows


def with_other_metrics(
    results: ResultsStore, names: JobNames, rows: list[Row], utterances: pd.DataFrame
) -> tuple[list[Row], pd.DataFrame]:
    """Add the results that an earlier run of the same job obtained by other metrics.

    Returns:
        The rows of both runs, and a table of the scores by utterance of both.
    """
    made = {row.metric for row in rows}
    others = [
        row
        for row in results.job(*names)
        if row.key == rows[0].key and row.status != "failed" and row.metric not in made
    ]
    if not others:
        return rows, utterances
    whole = results.utterances(*names)
    if utterances.empty:  # this run has failed and has no scores
        return [*rows, *others], whole
    if "utterance_id" not in whole:  # counts over all utterances, not scores by utterance
        return [*rows, *others], utterances
    earlier = whole.set_index("utterance_id")
    kept = {row.metric.partition("/")[0] for row in others}
    kept |= {name for row in others for name in row.display.get("counts", ())}
    columns = [
        name for name in earlier.columns if name.partition(":")[0] in kept and name not in utterances.columns
    ]
    joined = utterances.join(earlier[columns], on="utterance_id")
    scores = joined[[name for name in columns if name in kept]]
    for column in {"failure", "abstained"} & set(earlier) & set(joined):
        why = joined["utterance_id"].map(earlier[column]).where(scores.isna().any(axis=1))
        joined[column] = joined[column].fillna(why)
    return [*rows, *others], joined


def _missing_share(interval: Interval) -> float:
    missing = interval.n_failed + interval.n_abstained
    return missing / (interval.n_scored + missing)


def _display(definition: MetricInfo, place: int) -> dict[str, Any]:
    """Return the facts by which a table can show a metric that it does not know."""
    names = "label", "unit", "higher_is_better", "decimals"
    content = {name: getattr(definition, name) for name in names}
    ends = {"least": definition.least, "most": definition.most}
    content |= {name: end if math.isfinite(end) else None for name, end in ends.items()}
    counts = {"counts": list(definition.counts)} if definition.counts else {}
    order = {"order_free": True} if definition.order_free else {}
    note = {"note_of": definition.note_of} if definition.note_of else {}
    return content | {"place": FAMILY * definition.family + place} | counts | order | note


def side_info(spec: TokenizerSpec) -> dict[str, Any]:
    """Return the information sent beside the codes, in bits per utterance; the bitrate does not count it."""
    if not spec.side_info:
        return {}
    return {"side_info": spec.side_info, "side_info_bits_per_utterance": spec.side_info_bits}


def whole_bits(spec: TokenizerSpec) -> dict[str, Any]:
    """Return the bitrate of whole bits per code, see `TokenizerSpec`; empty where it is the nominal one."""
    return {} if spec.whole_bit_rate == spec.bitrate else {"whole_bit_rate": spec.whole_bit_rate}


def trainings(store: ArtifactStore) -> dict[str, Any]:
    """Return the machines that trained the vocoders and probes of this run; empty without trainings."""
    folders = [ref for ref in sorted(store.used) if ref.startswith(("vocoders/", "probes/"))]
    found = {ref: read_machines(store.root / ref) for ref in folders}
    return {"trained_on": found} if any(found.values()) else {}


def encode_precision(store: ArtifactStore) -> dict[str, Any]:
    """Return the checked precision of the tokens of this run; empty unless bfloat16 was requested."""
    folders = [store.root / reference for reference in sorted(store.used) if reference.startswith("tokens/")]
    checks = [check for check in map(read_check, folders) if check is not None]
    return {"encode_precision": checks} if checks else {}
