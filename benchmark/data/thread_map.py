"""One small question to the disk for each of many files."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

THREADS = 8
BATCH = 256
"""Items handed over at once: to hand over one costs more than to ask a disk that has the answer at hand."""


def in_threads(ask: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
    """The answer for every item, in order; threads hide the latency of the disk."""

    def ask_all(start: int) -> list[Answer]:
        return [ask(item) for item in items[start : start + BATCH]]

    with ThreadPoolExecutor(THREADS) as pool:
        for answers in pool.map(ask_all, range(0, len(items), BATCH)):
            yield from answers
