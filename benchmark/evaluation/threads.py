"""One thread for matrix products: more sum in another order, and move numbers in the last digits."""

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """In this process as in those of a pool, so that the number of processes changes no score."""
    return _controller().limit(limits=1)


@cache
def _controller() -> ThreadpoolController:
    """Looking for the libraries takes milliseconds, so it is done once."""
    return ThreadpoolController()
