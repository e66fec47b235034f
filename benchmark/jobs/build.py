"""Objects built from a config: the only module that calls Hydra's `instantiate`."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from benchmark.data.corpora.base import Corpus
from benchmark.errors import UserError
from benchmark.extractors.base import Extractor
from benchmark.extractors.phones.aligner import Aligner
from benchmark.jobs.job import Job
from benchmark.jobs.renamed_keys import refuse_renamed_keys
from benchmark.jobs.settings import require_settings
from benchmark.jobs.stages import awaited
from benchmark.jobs.trackers.base import Tracker, TrackerCollection
from benchmark.metrics.reported import ReportedMetric
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.vocoder.config import VocoderPart
from benchmark.results.store import ResultsStore
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.weights import DIGESTS
from benchmark.tasks.base import RunContext, Task
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.contract import require_facts

TRUSTED = ("benchmark.", "lightning.")
EXTENSIBLE = {
    "Tokenizer": Tokenizer,
    "Corpus": Corpus,
    "Task": Task,
    "Metric": ReportedMetric,
    "Extractor": Extractor,
    "Aligner": Aligner,
    "Tracker": Tracker,
    "VocoderPart": VocoderPart,
    "ProbeConfig": ProbeConfig,
}
"""Base classes that a user's own class must have one of if a yaml is to name it.

Classes of the `TRUSTED` packages may be named in any case. Without this rule, `_target_` could call anything
that can be imported."""

logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # Hydra also raises each error that it logs


def build(node: DictConfig) -> Any:
    """Instantiate a config node and the nodes nested in it, with plain lists and dicts as arguments.

    Raises: UserError for a `_target_` that is absent, is not trusted or cannot be imported, for a missing
        value, or for arguments that the class refuses.
    """
    try:
        content = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(f"config: {error}") from error
    if not isinstance(content, dict) or "_target_" not in content:
        group = node._get_full_key(None)
        raise UserError(f"config: {group} names no class (_target_); choose one by {group}=…")
    for target in _targets(content):
        _require_trusted(target)
    try:
        return instantiate(content, _convert_="object")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError):
            raise cause from None
        where = str(error).splitlines()[0].removesuffix(":")
        raise UserError(f"config: {where}" + (f": {cause}" if cause else "")) from error


def _require_trusted(target: str) -> None:
    """Refuse a class that is neither of a trusted package nor a subclass of one of the extensible bases.

    The module of the class itself decides, because a dotted name below `benchmark.` may lead to a class that
    a module there merely imports.

    Raises: UserError for a class that cannot be imported or is not trusted.
    """
    bases = " or ".join(EXTENSIBLE)
    legal = f"Legal: a class of {' or '.join(TRUSTED)}, or a {bases} of your own on the Python path"
    try:
        found = get_class(target)
    except Exception as error:  # importing a module can raise anything
        reason = " ".join(str(error).split())
        raise UserError(f"config: _target_ {target!r} cannot be used: {reason}. {legal}") from error
    if not found.__module__.startswith(TRUSTED) and not issubclass(found, tuple(EXTENSIBLE.values())):
        raise UserError(f"config: _target_ {target!r} is not trusted. {legal}")


def _targets(content: Any) -> list[str]:
    """Return every `_target_` in a nested container of dicts and lists."""
    if isinstance(content, dict):
        own = [str(content["_target_"])] if "_target_" in content else []
        return own + [target for value in content.values() for target in _targets(value)]
    if isinstance(content, list):
        return [target for value in content for target in _targets(value)]
    return []


def make_job(cfg: DictConfig, make: Callable[[DictConfig], Any] = build) -> Job:
    """Build every part of one job from its composed config.

    Args:
        cfg: Config of the job.
        make: Function that builds one part. Callers that share parts between jobs pass another than `build`.

    Raises: UserError for a config that cannot be built.
    """
    refuse_renamed_keys(cfg)
    require_settings(cfg)
    DIGESTS.folder = Path(cfg.paths.cache) / "digests"
    task = make(cfg.task)
    awaits = awaited(cfg.stage, task.produces)
    store = ArtifactStore(cfg.paths.cache, awaits, patience=3600 * cfg.patience)
    tokenizer = make(cfg.tokenizer)
    require_facts(tokenizer)
    return Job(
        profile=cfg.profile_name,
        tokenizer=tokenizer,
        corpus=make(cfg.dataset),
        task=task,
        context=RunContext(
            store=store,
            trainer=make(cfg.trainer),
            seed=cfg.seed,
            device=cfg.device,
            processes=cfg.workers,
            progress=cfg.trainer.progress_bar,
            interval_unit=cfg.interval_unit,
        ),
        results=ResultsStore(f"{cfg.paths.results}/{cfg.profile_name}"),
        config=scientific_part(cfg),
        policy=cfg.policy,
        max_failed_share=cfg.max_failed_share,
    )


def make_trackers(cfg: DictConfig, group: str, folder: Path) -> TrackerCollection:
    """Build the trackers of a job from the group `logger` of its config.

    Args:
        cfg: Config of the job.
        group: Name shared by all jobs of one sweep.
        folder: Folder that the trackers may write to.

    Raises: UserError for a mistake in the group `logger`.
    """
    trackers = {str(name): build(node) for name, node in cfg.logger.items()}
    config = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(config, dict)
    whole = {str(name): value for name, value in config.items()}
    return TrackerCollection(trackers, group=group, folder=folder, config=whole)


def scientific_part(cfg: DictConfig) -> dict[str, Any]:
    """Return the resolved config as plain data, without the entries that do not affect results.

    The entries left out say where files are kept, what is displayed, and how the work is divided.
    """
    content = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(content, dict)
    content["trainer"].pop("loggers")
    aside = ("paths", "logger", "policy", "preflight", "stage", "part", "patience", "workers")
    return {str(name): value for name, value in content.items() if name not in aside}
