"""Scores of existing recordings against their originals: two folders whose files are matched by name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from omegaconf import DictConfig

from benchmark.data.audio import header
from benchmark.data.manifest import Manifest
from benchmark.data.user_manifest import DELIMITERS, JSON_LINES, read_user_manifest
from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.metrics.base import Metric
from benchmark.metrics.evaluation.evaluate import Evaluation, Speech
from benchmark.metrics.statistics.intervals import METHODS
from benchmark.results.report.cells import Cell
from benchmark.results.report.grid import entry, footnote
from benchmark.results.report.notes import COUNTS
from benchmark.results.report.printed import Entry, Grid, heading
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.hashing import digest
from benchmark.storage.weights import DIGESTS
from benchmark.tasks.base import RunContext
from benchmark.tasks.decoding.base import count_remarks, first_reasons, interval_of
from benchmark.tasks.decoding.scoring import metrics_of_kind
from benchmark.tasks.reconstruction import Reconstruction
from benchmark.types import Utterance

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64")
SHOWN = 5
NO_TEXT = "it needs transcripts: text=<folder of .txt, or list of recordings>; dwer and the like need none"


class Label(NamedTuple):
    """Facts about one recording from a list of recordings or a text file."""

    text: str | None
    speaker_id: str | None = None
    language: str = "en"


@dataclass(frozen=True)
class Folders:
    """The folders of one scoring.

    Attributes:
        reference: Folder of originals.
        decoded: Folder of recordings made from the originals.
        text: Folder of transcripts, or a list of recordings with the columns `text` and `speaker_id`.
    """

    reference: Path
    decoded: Path
    text: Path | None = None


@dataclass(frozen=True)
class FolderScores:
    """Result of scoring a folder.

    Attributes:
        utterances: Scores by utterance as `Evaluation` returns them, with the transcripts of the originals.
        table: Table of one line, with a column per metric.
    """

    utterances: pd.DataFrame
    table: Grid


def score_folders(folders: Folders, cfg: DictConfig) -> FolderScores:
    """Score a folder by the metrics of a config.

    Raises: UserError for folders without recordings in common, or if no metric of the config can be used.
    """
    torch.set_num_threads(1)
    store = ArtifactStore(cfg.paths.cache)
    DIGESTS.folder = store.root / "digests"
    originals, made = (_by_stem(folder, SUFFIXES) for folder in (folders.reference, folders.decoded))
    common = originals.keys() & made.keys()
    if not common:
        raise UserError(
            f"no recording of {folders.decoded} has the name of one of {folders.reference}: "
            f"{_few(made)} there and {_few(originals)} here; extensions may differ"
        )
    labels = _labels(folders.text) if folders.text else {}
    speakers = all(name in labels and labels[name].speaker_id for name in originals)
    metrics, lacking = _metrics(cfg, with_text=bool(labels))
    context = RunContext(
        store=store,
        trainer=build(cfg.trainer),
        seed=cfg.seed,
        device=cfg.device,
        processes=cfg.workers,
        progress=cfg.trainer.progress_bar,
        interval_unit=cfg.interval_unit if speakers else "utterances",
    )
    speech = Speech(
        originals=Manifest(_utterance(name, path, labels.get(name)) for name, path in originals.items()),
        decoded={name: made[name] for name in sorted(common)},
        failures=dict.fromkeys(originals.keys() - made.keys(), f"not in {folders.decoded}"),
        source=digest({name: DIGESTS(made[name]) for name in common}),
    )
    evaluation = Evaluation(store, context.device, context.processes, context.progress)
    frame = evaluation(speech, {name: metric for name, metric in metrics.items() if name not in lacking})
    frame.insert(2, "reference", pd.Series([u.text for u in speech.originals], dtype=object))
    cells = {
        name: Cell("n/a", reason=NO_TEXT)
        if name in lacking
        else replace(
            _cell(frame, name, metric, context, cfg.max_failed_share),
            remark=count_remarks(frame, name, metric.remarked),
        )
        for name, metric in metrics.items()
    }
    table = _table(folders, cells, metrics, METHODS[context.interval_unit])
    if surplus := made.keys() - originals.keys():
        table.notes.append(f"Not scored, for {folders.reference} has no original: {_few(surplus)}.")
    return FolderScores(frame, table)


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return the files below a folder by their names without suffix, in the order of the names.

    Raises: UserError if the path is no folder, or holds no file with these suffixes or two of one name.
    """
    if not folder.is_dir():
        raise UserError(f"{str(folder)!r} is not a folder")
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes):
        if path.stem in found:
            raise UserError(f"{path} and {found[path.stem]} have one name: recordings are matched by it")
        found[path.stem] = path
    if not found:
        raise UserError(f"{folder} holds no file that ends in {', '.join(suffixes)}")
    return dict(sorted(found.items()))


def _labels(source: Path) -> dict[str, Label]:
    """Return the labels of recordings, by the recordings' names without suffix.

    Raises: UserError for a list with mistakes, or a path that is neither a list nor a folder.
    """
    if source.is_dir():
        texts = _by_stem(source, (".txt",)).items()
        return {name: Label(path.read_text(encoding="utf-8").strip() or None) for name, path in texts}
    legal = (*DELIMITERS, JSON_LINES)
    if not source.is_file() or source.suffix.lower() not in legal:
        raise UserError(f"text={source}: neither a folder of .txt files nor a list ({', '.join(legal)})")
    lines, problems, _ = read_user_manifest(source)
    if problems:
        raise UserError(f"{source} must be mended in {len(problems):,} places:{problems.summary()}")
    return {Path(line.audio_path).stem: Label(line.text, line.speaker_id, line.language) for line in lines}


def _metrics(cfg: DictConfig, with_text: bool) -> tuple[dict[str, Metric], set[str]]:
    """Return the metrics that compare with originals, and the names of metrics without their transcripts.

    Raises: UserError if no metric remains.
    """
    chosen: dict[str, Metric] = {str(name): build(node) for name, node in cfg.metric.items()}
    fitting = metrics_of_kind(chosen, Reconstruction)  # they compare a recording with its original alone
    by_text = {name for name, metric in fitting.items() if getattr(metric, "against", "") == "text"}
    lacking = set() if with_text else by_text
    if not fitting.keys() - lacking:
        why = (
            f"{', '.join(sorted(lacking))}: {NO_TEXT}"
            if lacking
            else f"{', '.join(chosen)}: not of {Reconstruction.kind}"
        )
        raise UserError(f"nothing can be scored: {why}. Choose by metric=[pesq,stoi,dwer] or another set")
    return fitting, lacking


def _utterance(name: str, path: Path, label: Label | None) -> Utterance:
    label = label or Label(None)
    return Utterance(
        utterance_id=name,
        audio_path=str(path),
        speaker_id=label.speaker_id or name,
        duration=header(path)[0],
        fingerprint=DIGESTS(path),
        text=label.text,
        language=label.language,
    )


def _cell(
    frame: pd.DataFrame, name: str, metric: Metric, context: RunContext, max_failed_share: float
) -> Cell:
    """Return the cell of one metric, marked as failed if too many utterances have no score."""
    found = interval_of(frame, name, metric.facts.within, context)
    reason = "; ".join(first_reasons(frame, name, SHOWN))
    counts = found.n_scored, found.n_failed, found.n_abstained
    if not found.n_scored or 1 - found.n_scored / len(frame) > max_failed_share:
        reason = f"{len(frame) - found.n_scored} of {len(frame)} have no score: {reason}"
        return Cell("failed", None, None, None, *counts, reason)
    lo, hi = (None, None) if isnan(found.lo) else (found.lo, found.hi)
    return Cell("ok", found.value, lo, hi, *counts, reason)


def _table(folders: Folders, cells: Mapping[str, Cell], metrics: Mapping[str, Metric], method: str) -> Grid:
    """Return a table with one line for the folder, like the line of a tokenizer in tables of results."""
    facts = {name: metric.facts for name, metric in metrics.items()}
    marks: dict[str, int] = {}
    line = [Entry(folders.decoded.name)]
    for name, cell in cells.items():
        text = footnote(cell)
        mark = marks.setdefault(text, len(marks) + 1) if text else None
        line.append(entry(cell, facts[name], mark=mark))
    scored = [cell.n_scored for cell in cells.values() if cell.status != "n/a"]
    failed = max(cell.n_failed for cell in cells.values())
    counts = str(min(scored)) if min(scored) == max(scored) else f"{min(scored)}–{max(scored)}"
    return Grid(
        title=f"{folders.decoded} against {folders.reference}",
        num_names=1,
        header=["recordings", *(heading(facts[name]) for name in cells), "n", "failed"],
        body=[[*line, Entry(counts), Entry(str(failed))]],
        notes=[
            COUNTS,
            f"[lo, hi]: {method}.",
            *(f"{facts[name].label}: {facts[name].definition.rstrip('.')}." for name in cells),
        ],
        footnotes=list(marks),
    )


def _few(names: Mapping[str, Path] | set[str]) -> str:
    """Format the first names in order, and the number of the others."""
    ordered = sorted(names)
    more = len(ordered) - SHOWN
    return ", ".join(ordered[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
