"""Requirements of tokenizers, corpora and tasks beyond this package, and which of them this machine lacks."""

import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmark.data.corpora.base import Corpus
from benchmark.data.corpora.custom import Custom
from benchmark.data.manifest_errors import Problems
from benchmark.errors import UserError
from benchmark.extractors.base import Extractor
from benchmark.extractors.other_python.environment import Environment
from benchmark.extractors.phones.aligner import Aligner
from benchmark.jobs.settings import DEVICE
from benchmark.metrics.base import Metric
from benchmark.metrics.reported import ReportedMetric
from benchmark.models.vocoder.config import PromptConfig
from benchmark.storage.checkpoints import is_here, is_hub_id, resolve
from benchmark.storage.hub_downloads import Download, Hub
from benchmark.tasks.base import Task
from benchmark.tasks.decoding.base import DecodingTask
from benchmark.tasks.decoding.trained_vocoder import uses_vocoder
from benchmark.tokenizers.base import Tokenizer, parts
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.tokenizers.quantized import QuantizedFeatures


@dataclass(frozen=True)
class MissingRequirement:
    """One requirement that this machine lacks."""

    what: str
    """Name of the requirement, or a sentence that also says how to meet it."""
    install: str = ""
    """Command that installs the requirement, or ""."""
    download: Download | None = None
    details: tuple[str, ...] = ()
    """Lines that are printed below the report."""


def extras(tokenizer: Tokenizer) -> dict[str, bool]:
    """Return the extras of this package that a tokenizer needs, and whether their libraries are installed."""
    found: dict[str, bool] = {}
    for part in parts(tokenizer):
        library = getattr(part, "library", None)
        if library is not None:
            extra = getattr(part, "extra", None) or library
            found[extra] = found.get(extra, True) and importlib.util.find_spec(library) is not None
    return found


def device_needs(device: str) -> Iterator[MissingRequirement]:
    """Yield a device that torch does not know, or does not find on this machine."""
    if device == "cpu":
        return
    if not DEVICE.fullmatch(device):
        yield MissingRequirement(f"device={device} is unknown; legal: cpu, cuda, cuda:N")
    elif not torch.cuda.is_available():
        yield MissingRequirement("torch finds no CUDA device; device=cpu runs without one")
    elif (torch.device(device).index or 0) >= torch.cuda.device_count():
        yield MissingRequirement(f"torch finds {torch.cuda.device_count()} CUDA devices, numbered from 0")


def require_devices(device: str, tokenizer: Tokenizer) -> None:
    """Check that this machine has the devices of a job and of its tokenizer.

    Raises: UserError for a device that is not here.
    """
    for name in dict.fromkeys([device, *(part.device for part in parts(tokenizer))]):
        for need in device_needs(name):
            raise UserError(f"device {name}: {need.what}")


def library_needs(users: Iterable[Any]) -> Iterator[MissingRequirement]:
    """Yield libraries that are not installed, for tokenizers, metrics or the models of metrics."""
    for part in users:
        library, extra = getattr(part, "library", None), getattr(part, "extra", None)
        if library is not None and importlib.util.find_spec(library) is None:
            wheel = f"'speech-token-benchmark[{extra}]'" if extra else library.replace("_", "-")
            yield MissingRequirement(f"library {library}", install=f"pip install {wheel}")


def weight_needs(tokenizer: Tokenizer, hub: Hub | None) -> Iterator[MissingRequirement]:
    """Yield weights that are not on this machine; without a `hub`, sizes and commands are left out."""
    for part in parts(tokenizer):
        if isinstance(part, QuantizedFeatures) and part.centroids and not Path(part.centroids).is_file():
            yield MissingRequirement(
                f"centroids {part.centroids}: no such file; python -m scripts.convert_kmeans makes one"
            )
        if isinstance(part, Pretrained):
            yield from model_needs(hub, part)
            continue
        try:
            part.weights_digest()
        except (UserError, OSError) as error:
            yield MissingRequirement(str(error))


def needs_weights(task: Task, tokenizer: Tokenizer) -> bool:
    """Return False if all of the tokenizer's weights belong to a decoder that the task does not use."""
    if decodes_itself(task, tokenizer):
        return True
    return not any(getattr(part, "encodes_without_weights", False) for part in parts(tokenizer))


def has_weights(tokenizer: Tokenizer) -> bool | None:
    """Return whether all weights are on this machine, or None for a tokenizer without weights.

    Nothing is downloaded.
    """
    if all(part.spec.checkpoint is None for part in parts(tokenizer)):
        return None
    return not any(weight_needs(tokenizer, hub=None))


def model_needs(hub: Hub | None, model: Any) -> Iterator[MissingRequirement]:
    """Yield the weights of a tokenizer or model that are not on this machine, with size and licence.

    Fields that a class lacks, of `files`, `size_mb` and `licence`, are not stated.
    """
    files, size_mb = list(getattr(model, "files", ())), getattr(model, "size_mb", None)
    for need in checkpoint_needs(hub, model.checkpoint, getattr(model, "revision", None), files, size_mb):
        licensed = need.download and replace(need.download, licence=getattr(model, "licence", ""))
        yield replace(need, download=licensed)


def environment_needs(environment: Environment) -> Iterator[MissingRequirement]:
    """Yield what an environment of its own lacks: a Python that runs, or the package."""
    try:
        _ = environment.version
    except UserError as error:
        yield MissingRequirement(str(error))


def checkpoint_needs(
    hub: Hub | None,
    checkpoint: str,
    revision: str | None,
    files: list[str] | None = None,
    about_mb: float | None = None,
) -> Iterator[MissingRequirement]:
    """Yield a checkpoint that is not on this machine, with a command that fetches it or an error message."""
    files = files or []
    if is_here(checkpoint, revision, files):
        return
    if is_hub_id(checkpoint):
        where = checkpoint if revision is None else f"{checkpoint}@{revision}"
        download = hub.download(checkpoint, revision, files, about_mb) if hub else None
        yield MissingRequirement(f"weights {where}", download=download)
        return
    try:
        resolve(checkpoint, revision, files)
    except UserError as error:
        yield MissingRequirement(str(error))


def corpus_needs(corpus: Corpus, split: str) -> Iterator[MissingRequirement]:
    """Yield the missing folders and files of a split."""
    try:
        corpus.identity(split)
    except (UserError, OSError) as error:
        yield MissingRequirement(str(error))


def list_needs(
    corpus: Custom, task: Task, tokenizer: Tokenizer
) -> Iterator[tuple[str, Iterator[MissingRequirement]]]:
    """Yield the mistakes in a list of recordings, and what a task misses in the list, by aspect.

    If the list has mistakes, nothing else is checked.
    """
    yield "list", _need(f"{corpus.file} must be mended", corpus.problems())
    if not corpus.is_sound:
        return
    for split in task.reads(tokenizer, corpus):
        yield split, corpus_needs(corpus, split)
    for column, splits in task.labels.items():
        for split in splits:
            yield f"{split} {column}", _need(f"{task.name} misses labels", corpus.unlabelled(column, split))


def _need(what: str, problems: Problems) -> Iterator[MissingRequirement]:
    if problems:
        yield MissingRequirement(
            f"{what} in {len(problems):,} places, see below", details=tuple(problems.lines())
        )


def decodes_itself(task: Task, tokenizer: Tokenizer) -> bool:
    """Return whether the task decodes by the tokenizer's own decoder."""
    return isinstance(task, DecodingTask) and not uses_vocoder(tokenizer, task.decoder)


def models(task: Task, tokenizer: Tokenizer) -> Iterator[tuple[str, Any]]:
    """Yield the kind and the config of every pretrained model that the task uses for this tokenizer."""
    own = decodes_itself(task, tokenizer)
    decoder = getattr(tokenizer, "decoder", None) if own else None
    for part in [*_nested(task), *([decoder] if decoder else [])]:
        if isinstance(part, PromptConfig) and (part.features == "mel" or part.random_weights or own):
            continue  # such prompts, and a tokenizer's own decoder, need no weights
        if isinstance(getattr(part, "checkpoint", None), str):
            yield _kind(part), part


def _kind(part: Any) -> str:
    """Return the name of the kind of a pretrained model in reports."""
    if isinstance(part, Aligner):
        return "aligner"
    if isinstance(part, Extractor):
        return {"transcripts": "asr", "embeddings": "speaker encoder"}.get(part.kind, part.kind)
    return type(part).__name__.removesuffix("Config").lower()


def libraries(task: Task) -> Iterator[tuple[str, Any]]:
    """Yield each optional library that the metrics of a task need, with the object that needs the library."""
    for metric in task.reported().values():
        for part in [metric, *_extractors(metric)]:
            if library := getattr(part, "library", ""):
                yield library, part


def environments(task: Task) -> Iterator[Environment]:
    """Yield each Python environment of its own that the metrics of a task need."""
    for metric in task.reported().values():
        for part in _extractors(metric):
            environment = getattr(part, "environment", None)
            if isinstance(environment, Environment):
                yield environment


def _extractors(metric: ReportedMetric) -> list[Extractor]:
    return [need for _, need in metric.needs()] if isinstance(metric, Metric) else []


def _nested(config: Any) -> Iterator[Any]:
    """Yield a dataclass and all dataclasses in its fields, at any depth and also as values of mappings.

    A task's config may choose metrics that the task does not compute; they are left out.
    """
    yield config
    for item in fields(config):
        value = getattr(config, item.name)
        if isinstance(config, Task) and item.name == "metrics":
            value = dict(config.own_metrics)
        for part in value.values() if isinstance(value, dict) else [value]:
            if is_dataclass(part) and not isinstance(part, type):
                yield from _nested(part)
