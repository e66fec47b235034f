"""Worst and best utterances of every job, with their texts and recordings, for the page."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmark.metrics.reported import MetricInfo
from benchmark.results.report.layouts import layouts, shown_as
from benchmark.results.report.page_audio import Sounds
from benchmark.results.report.paired_scores import Utterances
from benchmark.results.report.tables import ANCHORS
from benchmark.results.row import Row
from benchmark.results.store import job_name

CASES = 5
"""Number of utterances at either end of each metric."""
FAILURES = 10
"""Number of utterances without a score."""

TEXTS = {
    "reference": "reference",
    "text": "heard as",
    "hypothesis": "heard as",
    "prediction": "predicted",
    "failure": "failed because",
    "abstained": "not defined",
}
"""Columns of words, which may follow "<metric>:", and their names on the page."""
FACTS = {"speaker_id": "speaker", "condition": "condition", "target_speaker": "target speaker"}

Case = dict[str, Any]


def jobs_of(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Group the rows by the name of their job, in the order of the rows."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(job_name(row), []).append(row)
    return found


def ids(jobs: Mapping[str, list[Row]], utterances: Utterances) -> dict[str, list[str]]:
    """Return every utterance id of every job that has scores by utterance."""
    frames = {name: utterances(rows[0]) for name, rows in jobs.items()}
    return {
        name: frame["utterance_id"].astype(str).tolist()
        for name, frame in frames.items()
        if "utterance_id" in frame
    }


def cases(jobs: Mapping[str, list[Row]], utterances: Utterances, sounds: Sounds) -> list[Case]:
    """Return the metrics of each job and its utterances worth a look, as JSON-able data.

    These are the `CASES` worst and best by each metric that has a direction, the first `FAILURES` that
    failed, and all with recordings. Scores are rounded to six significant digits.
    """
    spoken = _references(jobs, utterances)
    tables = layouts(row for rows in jobs.values() for row in rows)
    tasks = dict.fromkeys(task for layout in tables.values() for task in layout.tasks)
    order = {task: place for place, task in enumerate(tasks)}
    by_task = sorted(
        jobs.items(), key=lambda job: (order.get(job[1][0].task, len(order)), job[1][0].kind in ANCHORS)
    )
    found = []
    for name, rows in by_task:
        frame = utterances(rows[0])
        if "utterance_id" not in frame or not len(frame):
            continue
        frame = frame.reset_index(drop=True)
        metrics: list[Case] = []
        scores: dict[int, np.ndarray] = {}
        for row in sorted(rows, key=lambda row: row.display.get("place", 0)):
            values = None if "/" in row.metric else _scores(frame, shown_as(row.metric, [row]), row.metric)
            if values is not None:
                shown = shown_as(row.metric, rows)
                better = {True: 1, False: -1, None: 0}[shown.higher_is_better]
                metrics.append(
                    {
                        "label": shown.label,
                        "unit": shown.unit,
                        "better": better,
                        "decimals": max(1, shown.decimals),
                    }
                )
                scores[len(metrics) - 1] = values
        chosen = _chosen(frame, {place: (scores[place], m["better"]) for place, m in enumerate(metrics)})
        chosen |= {
            place for place, utterance in enumerate(frame["utterance_id"]) if (name, utterance) in sounds.of
        }
        found.append(
            {
                "task": rows[0].task,
                "tokenizer": rows[0].label,
                "kind": rows[0].kind,
                "corpus": f"{rows[0].dataset}/{rows[0].split}",
                "seed": rows[0].seed,
                "total": len(frame),
                "metrics": metrics,
                "cases": [
                    _case(frame.iloc[place], [scores[m][place] for m in scores], name, sounds, spoken)
                    for place in sorted(chosen)
                ],
            }
        )
    return found


def _scores(frame: pd.DataFrame, shown: MetricInfo, metric: str) -> np.ndarray | None:
    """Return the metric of each utterance, NaN without a score; None if the job keeps no such scores."""
    if metric in frame:
        return frame[metric].to_numpy(dtype=float)
    for prefix in (f"{metric}:", ""):
        above, below = (prefix + name for name in shown.counts or ("", ""))
        if above in frame and below in frame:
            with np.errstate(divide="ignore", invalid="ignore"):
                shares = 100 * frame[above].to_numpy(dtype=float) / frame[below].to_numpy(dtype=float)
            return np.where(np.isfinite(shares), shares, np.nan)
    return None


def _chosen(frame: pd.DataFrame, scores: Mapping[int, tuple[np.ndarray, int]]) -> set[int]:
    """Return the positions in the frame of the chosen utterances; ties go to the earlier utterance."""
    chosen: set[int] = set()
    for values, better in scores.values():
        if better:
            scored = np.flatnonzero(np.isfinite(values))
            for sign in (1, -1):
                chosen |= set(scored[np.argsort(sign * values[scored], kind="stable")][:CASES].tolist())
    failed = [name for name in frame if name == "failure" or name.endswith(":failure")]
    if failed:
        chosen |= set(np.flatnonzero(frame[failed].notna().any(axis=1))[:FAILURES].tolist())
    return chosen


def _case(line: pd.Series, scores: list[float], job: str, sounds: Sounds, spoken: Mapping[str, str]) -> Case:
    utterance = str(line["utterance_id"])
    texts: dict[tuple[str, str], None] = {}
    for column, text in line.items():
        word = TEXTS.get(str(column).rpartition(":")[2])
        if word and isinstance(text, str) and text:
            texts[word, text] = None
    if not any(word == TEXTS["reference"] for word, _ in texts) and utterance in spoken:
        texts = {(TEXTS["reference"], spoken[utterance]): None} | texts
    facts = [[word, str(line[c])] for c, word in FACTS.items() if c in line and isinstance(line[c], str)]
    return {
        "id": utterance,
        "facts": facts,
        "texts": sorted(map(list, texts), key=lambda text: list(TEXTS.values()).index(text[0])),
        "scores": [float(f"{value:.6g}") if np.isfinite(value) else None for value in scores],
        "audio": sounds.of.get((job, utterance), {}),
    }


def _references(jobs: Mapping[str, list[Row]], utterances: Utterances) -> dict[str, str]:
    """Return the reference text of each utterance, from any job that keeps it.

    These are the jobs that count words.
    """
    found: dict[str, str] = {}
    for rows in jobs.values():
        frame = utterances(rows[0])
        for prefix in ("", "probe_wer:"):
            if {"utterance_id", f"{prefix}reference", f"{prefix}words"} <= set(frame):
                known = frame.dropna(subset=[f"{prefix}reference"])
                pairs = zip(known["utterance_id"], known[f"{prefix}reference"], strict=True)
                found |= {str(name): str(text) for name, text in pairs}
    return found
