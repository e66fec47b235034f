"""What the cache already holds, by asking the very functions that would build it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.artifacts import ArtifactStore
from benchmark.errors import UserError


class Absent(Exception):
    """An artifact is not there."""


class Present(ArtifactStore):
    """An artifact store that gives what it has and builds nothing; checksums are not read."""

    def get(
        self,
        kind: str,
        key: dict[str, Any],
        build: Callable[[Path], None],
        resumable: bool = False,
        missing: Callable[[], int] | None = None,
    ) -> Path:
        """As the base class. Raises: Absent where it would have to build."""
        del build, resumable, missing
        if not self.has(kind, key):
            raise Absent(kind)
        return self.path(kind, key)

    def get_part(
        self, kind: str, key: dict[str, Any], build: Callable[[Path], None], wait: bool
    ) -> Path | None:
        """A part is asked for where the whole is absent. Raises: Absent."""
        del key, build, wait
        raise Absent(kind)


def is_here(ask: Callable[[], object]) -> bool:
    """Whether `ask`, which takes its artifacts from a `Present` store, finds all of them."""
    with _quiet():
        try:
            ask()
        except (Absent, UserError, OSError):
            return False
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings of models and corpora that are missing: a plan says so in its own words."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
