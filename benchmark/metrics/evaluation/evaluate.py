"""Scoring of decoded speech: each file is read once, models run in batches, other metrics on all cores."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmark.data.audio import AudioError, read_audio
from benchmark.data.manifest import Manifest
from benchmark.extractors.base import Batch, Extractor, Side, Value
from benchmark.metrics.base import Metric
from benchmark.metrics.evaluation.reference_cache import AT_ONCE, ReferenceCache, cache_values, extract_batch
from benchmark.metrics.evaluation.score_log import FORMAT, Entry, ScoreLog
from benchmark.metrics.evaluation.worker_pool import Entries, score, score_all
from benchmark.metrics.signal_pair import Pair
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.hashing import digest
from benchmark.types import Utterance

log = logging.getLogger(__name__)

Metrics = Mapping[str, Metric]
EVERY = 60.0
"""Seconds between log lines where there is no progress bar."""


@dataclass(frozen=True, kw_only=True)
class Speech:
    """Decoded speech to be scored, with its originals.

    Attributes:
        originals: The originals, one per row of the table.
        decoded: Decoded files by id of the original.
        failures: Reasons why originals have no decoded file, by id.
        source: Identity of the decoded files.
        prompts: Recording whose voice the decoded speech was given, by id of the original.
    """

    originals: Manifest
    decoded: Mapping[str, Path]
    failures: Mapping[str, str]
    source: str
    prompts: Mapping[str, Utterance] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of everything that a score depends on, except the metric."""
        prompts = {name: [p.utterance_id, p.fingerprint] for name, p in self.prompts.items()}
        return digest(
            {"decoded": self.source, "originals": self.originals.digest, "prompts": prompts, "format": FORMAT}
        )


class Evaluation:
    """Scorer that evaluates each pair of signals by each metric once, and stores the scores."""

    def __init__(
        self, store: ArtifactStore, device: str = "cpu", processes: int = 1, progress: bool = False
    ) -> None:
        self._store, self._device, self._processes, self._progress = store, device, processes, progress

    def __call__(self, speech: Speech, metrics: Metrics) -> pd.DataFrame:
        """Score the speech and return a table with one row per original, in the manifest's order.

        Scores of an earlier evaluation of the same speech, even a killed one, are not computed again.

        Returns:
            Columns `utterance_id` and `speaker_id`; one per metric, NaN where there is no score;
            "<metric>:weight", "<metric>:text" and "<metric>:remarks" of metrics that have any; and `failure`,
            the reasons of NaN.
        """
        journal = ScoreLog(self._store.root / "scores" / speech.digest)
        missing = {
            name: [m for m, metric in metrics.items() if (name, metric.key) not in journal.entries]
            for name in speech.decoded
        }
        todo = [utterance for utterance in speech.originals if missing.get(utterance.utterance_id)]
        if todo:
            self._score(speech, metrics, todo, missing, journal)
        return _table(speech, metrics, journal)

    def _score(
        self,
        speech: Speech,
        metrics: Metrics,
        todo: Sequence[Utterance],
        missing: Mapping[str, list[str]],
        journal: ScoreLog,
    ) -> None:
        start = told = time.monotonic()
        asked = [name for name in metrics if any(name in missing[u.utterance_id] for u in todo)]
        log.info("scoring %d utterances by %s", len(todo), ", ".join(asked))
        made = self._cache_references(speech, [metrics[name] for name in asked])
        works: dict[str, Batch] = {}
        with journal, tqdm(total=len(todo), desc="score", unit="utt", disable=not self._progress) as bar:
            done = 0
            for pairs, failed in _read_ahead(todo, speech, made):
                for name, reason in failed.items():
                    for metric in missing[name]:
                        journal.add(name, metrics[metric].key, Entry(reason=reason))
                self._score_pairs(pairs, metrics, missing, journal, works, bar)
                bar.update(len(failed))
                journal.sync()
                done += len(pairs) + len(failed)
                if time.monotonic() - told > EVERY and bar.disable:
                    told = time.monotonic()
                    rate = done / (told - start)
                    left = (len(todo) - done) / rate
                    log.info("scored %d of %d, %.2f/s, %.0f s left", done, len(todo), rate, left)
        seconds = time.monotonic() - start
        log.info("scored in %.0f s: %.2f utterances/s", seconds, len(todo) / seconds)

    def _cache_references(
        self, speech: Speech, metrics: Iterable[Metric]
    ) -> dict[tuple[Side, str], ReferenceCache | None]:
        """Cache the values that the metrics need of originals and prompts; None if there are no prompts."""
        prompts = {prompt.utterance_id: prompt for prompt in speech.prompts.values()}
        sources: dict[Side, Manifest | None] = {
            "reference": speech.originals,
            "prompt": Manifest(prompts.values()) if prompts else None,
        }
        asked = {(side, need.key): need for metric in metrics for side, need in metric.needs()}
        how = self._store, self._device, self._processes, self._progress
        return {
            (side, key): cache_values(need, manifest, *how) if manifest else None
            for (side, key), need in asked.items()
            if side != "decoded"
            for manifest in [sources[side]]
        }

    def _score_pairs(
        self,
        pairs: Sequence[Pair],
        metrics: Metrics,
        missing: Mapping[str, list[str]],
        journal: ScoreLog,
        works: dict[str, Batch],
        bar: tqdm,
    ) -> None:
        """Score pairs by all metrics that they lack.

        Signal metrics are queued in the worker pool first and run while models are computed here.
        """
        wanted = [{m: metrics[m] for m in missing[pair.utterance_id]} for pair in pairs]
        by_signal = [{m: metric for m, metric in own.items() if not metric.uses_model} for own in wanted]
        by_model = [{m: metric for m, metric in own.items() if metric.uses_model} for own in wanted]
        results = score_all(list(zip(pairs, by_signal, strict=True)), self._processes)
        # Copies, because the pool may still be pickling the pairs.
        heard = [replace(pair, given=dict(pair.given)) for pair in pairs]
        listeners: dict[str, tuple[Extractor, dict[str, Pair]]] = {}
        for pair, own in zip(heard, by_model, strict=True):
            for metric in own.values():
                for side, need in metric.needs():
                    if side == "decoded":
                        listeners.setdefault(need.key, (need, {}))[1][pair.utterance_id] = pair
        for need, asking in listeners.values():
            self._run_model(need, list(asking.values()), journal, works)
        for pair, own in zip(heard, by_model, strict=True):
            _keep(journal, pair, own, score(pair, own))
        for number, entries in results:
            _keep(journal, pairs[number], metrics, entries)
            bar.update()

    def _run_model(
        self, need: Extractor, pairs: Sequence[Pair], journal: ScoreLog, works: dict[str, Batch]
    ) -> None:
        """Add the model's value of the decoded signal to every pair."""
        new = [pair for pair in pairs if journal.value(pair.utterance_id, need) is None]
        if new:
            works[need.key] = works.get(need.key) or need.load(self._device)
            values = extract_batch(works[need.key], [pair.decoded for pair in new])
            for pair, value in zip(new, values, strict=True):
                journal.add_value(pair.utterance_id, need, value)
        for pair in pairs:
            found = journal.value(pair.utterance_id, need)
            assert found is not None  # written above
            pair.given["decoded", need.key] = found


def _keep(journal: ScoreLog, pair: Pair, metrics: Metrics, entries: Entries) -> None:
    for name, entry in entries.items():
        journal.add(pair.utterance_id, metrics[name].key, entry)


def _read_ahead(
    utterances: Sequence[Utterance], speech: Speech, made: Mapping[tuple[Side, str], ReferenceCache | None]
) -> Iterator[tuple[list[Pair], dict[str, str]]]:
    """Yield results of `_read_pairs` for `AT_ONCE` utterances each; the next ones are read meanwhile."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(_read_pairs, utterances[:AT_ONCE], speech, made)
        for at in range(AT_ONCE, len(utterances), AT_ONCE):
            pairs = coming.result()
            coming = reader.submit(_read_pairs, utterances[at : at + AT_ONCE], speech, made)
            yield pairs
        yield coming.result()


def _read_pairs(
    utterances: Sequence[Utterance], speech: Speech, made: Mapping[tuple[Side, str], ReferenceCache | None]
) -> tuple[list[Pair], dict[str, str]]:
    """Read the pairs; also return the reasons, by utterance, why some files cannot be read."""
    pairs, failed = [], {}
    for utterance in utterances:
        name = utterance.utterance_id
        given: dict[tuple[Side, str], Value | AudioError] = {}
        for (side, key), values in made.items():
            whose = speech.prompts.get(name) if side == "prompt" else utterance
            found = values[whose.utterance_id] if values and whose else None
            given[side, key] = AudioError("it has no prompt") if found is None else found
        try:
            reference, decoded = read_audio(utterance.audio_path), read_audio(speech.decoded[name])
        except AudioError as error:
            failed[name] = str(error)
        else:
            pairs.append(Pair(name, reference, decoded, utterance.text, utterance.language, given))
    return pairs, failed


def _table(speech: Speech, metrics: Metrics, journal: ScoreLog) -> pd.DataFrame:
    names = [utterance.utterance_id for utterance in speech.originals]
    frame = pd.DataFrame(
        {"utterance_id": names, "speaker_id": [u.speaker_id for u in speech.originals]}, dtype=object
    )
    reasons: list[list[str]] = [[] for _ in names]
    for name, metric in metrics.items():
        entries = [journal.entries.get((utterance, metric.key), Entry()) for utterance in names]
        frame[name] = np.asarray([np.nan if e.value is None else e.value for e in entries], float)
        if any(entry.weight != 1 for entry in entries):
            frame[f"{name}:weight"] = [np.nan if e.value is None else e.weight for e in entries]
        if any(entry.text is not None for entry in entries):
            frame[f"{name}:text"] = pd.Series([entry.text for entry in entries], dtype=object)
        if any(entry.remarks for entry in entries):
            frame[f"{name}:remarks"] = pd.Series([entry.remarks or None for entry in entries], dtype=object)
        for found, entry in zip(reasons, entries, strict=True):
            found += [f"{name}: {entry.reason}"] if entry.reason else []
    told = [speech.failures.get(name) or "; ".join(r) or None for name, r in zip(names, reasons, strict=True)]
    frame["failure"] = pd.Series(told, dtype=object)
    return frame
