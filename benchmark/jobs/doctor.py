"""Examination of everything that planned jobs use, and a report of what this machine lacks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from benchmark.data.corpora.custom import Custom
from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.jobs.renamed_keys import refuse_renamed_keys
from benchmark.jobs.requirements import (
    MissingRequirement,
    corpus_needs,
    device_needs,
    environment_needs,
    environments,
    libraries,
    library_needs,
    list_needs,
    model_needs,
    models,
    needs_weights,
    weight_needs,
)
from benchmark.jobs.settings import require_settings
from benchmark.storage.hub_downloads import Hub, total
from benchmark.tokenizers.base import Tokenizer, parts
from benchmark.tokenizers.encoding.contract import require_facts


@dataclass
class Item:
    """One thing that the planned jobs use: a tokenizer, a corpus, a model, a library or a device."""

    kind: str
    name: str
    needs: list[MissingRequirement] = field(default_factory=list)
    """Requirements of the item that this machine lacks."""
    _looked: set[str] = field(default_factory=set)

    def look(self, aspect: str, needs: Iterable[MissingRequirement]) -> None:
        """Add the missing requirements of one aspect; `needs` is evaluated only once for each aspect."""
        if aspect not in self._looked:
            self._looked.add(aspect)
            self.needs += [need for need in needs if need not in self.needs]


class Examination:
    """Collection of everything that jobs use; each item is examined once, however many jobs use it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._items: dict[tuple[str, str], Item] = {}
        self._built: dict[tuple[str, str], Any] = {}

    @property
    def items(self) -> list[Item]:
        """Items grouped by kind, each group in the order of the jobs; tasks only if they cannot be built."""
        items = [item for item in self._items.values() if item.kind != "task" or item.needs]
        kinds = list(dict.fromkeys(item.kind for item in items))
        return sorted(items, key=lambda item: kinds.index(item.kind))

    def add(self, cfg: DictConfig) -> None:
        """Examine everything that one job uses.

        Raises: UserError for a config with a key that has been renamed, or with an illegal setting.
        """
        refuse_renamed_keys(cfg)
        require_settings(cfg)
        own, tokenizer = self._part("tokenizer", cfg.tokenizer)
        speech, corpus = self._part("corpus", cfg.dataset)
        chosen, task = self._part("task", cfg.task)
        devices = [cfg.device] if tokenizer is None else [cfg.device, *(p.device for p in parts(tokenizer))]
        for device in dict.fromkeys(devices):
            if device != "cpu":
                self._item("device", device, device).look("device", device_needs(device))
        if task is not None:
            chosen.look("files", map(MissingRequirement, task.lacks()))
        if tokenizer is None:
            return
        own.look("library", library_needs(parts(tokenizer)))
        if task is None or needs_weights(task, tokenizer):
            own.look("weights", weight_needs(tokenizer, self._hub))
        if task is None:
            return
        for library, user in libraries(task):
            self._item("metrics", library, library).look("library", library_needs([user]))
        for environment in environments(task):
            own = self._item("environment", environment.interpreter, environment.interpreter)
            own.look(environment.package, environment_needs(environment))
        for kind, model in models(task, tokenizer):
            revision = getattr(model, "revision", None)
            item = self._item(kind, f"{model.checkpoint}@{revision}", model.checkpoint)
            item.look("weights", model_needs(self._hub, model))
        if isinstance(corpus, Custom):
            for aspect, needs in list_needs(corpus, task, tokenizer):
                speech.look(aspect, needs)
        elif corpus is not None:
            for split in task.reads(tokenizer, corpus):
                speech.look(split, corpus_needs(corpus, split))

    def _item(self, kind: str, key: str, name: str) -> Item:
        return self._items.setdefault((kind, key), Item(kind, name))

    def _part(self, kind: str, node: DictConfig) -> tuple[Item, Any]:
        """Return the item and the object of a config node; the object is None if building it fails.

        The item then holds the error as a missing requirement.
        """
        try:
            key = kind, OmegaConf.to_yaml(node, resolve=True)
        except OmegaConfBaseException:  # a value cannot be resolved, and `build` names it
            key = kind, OmegaConf.to_yaml(node)
        item = self._item(*key, str(node.get("name", "?")))
        if key not in self._built:
            self._built[key] = None
            try:
                built = build(node)
                if isinstance(built, Tokenizer):
                    require_facts(built)
                self._built[key] = built
                item.name = built.name  # a list of recordings takes its name from its file
            except UserError as error:
                item.needs.append(MissingRequirement(str(error)))
        return item, self._built[key]


def text(items: list[Item]) -> str:
    """Format the report: one line per item, then the commands that fetch what can be fetched."""
    kinds, names = (max(len(getattr(item, part)) for item in items) for part in ("kind", "name"))
    lines = []
    for item in items:
        state = "missing" if item.needs else "here"
        reasons = "; ".join(" ".join(need.what.split()) for need in item.needs)
        lines.append(f"{state:7}  {item.kind:{kinds}}  {item.name:{names}}  {reasons}".rstrip())
    needs = [need for item in items for need in item.needs]
    if not needs:
        return "\n".join([*lines, "", "Nothing is missing."])
    for need in needs:
        if need.details:
            lines += ["", f"{need.what.removesuffix(', see below')}:", *need.details]
    commands = dict.fromkeys(need.install for need in needs if need.install)
    downloads = dict.fromkeys(need.download for need in needs if need.download)
    lines += ["", f"{sum(bool(item.needs) for item in items)} of {len(items)} lack something."]
    if commands or downloads:
        lines += ["To fetch what can be fetched:", "", *(f"    {command}" for command in commands)]
    for download in downloads:
        licence = download.licence and f"licence {download.licence}"
        notes = "; ".join(filter(None, (download.size, licence, download.note)))
        lines.append(f"    {download.command}  # {notes}")
    if downloads:
        lines += ["", f"To download in all: {total(downloads)}."]
    return "\n".join(lines)
