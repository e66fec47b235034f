"""A map over many files in threads, for functions that spend their time waiting for the disk."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

THREADS = 8
BATCH = 256
"""Items passed to a thread at once; passing one item costs more than a file access that is cached."""


def in_threads(ask: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
    """Yield `ask(item)` for every item, in order; threads hide the latency of the disk."""

    def ask_all(start: int) -> list[Answer]:
        return [ask(item) for item in items[start : start + BATCH]]

    with ThreadPoolExecutor(THREADS) as pool:
        for answers in pool.map(ask_all, range(0, len(items), BATCH)):
            yield from answers
