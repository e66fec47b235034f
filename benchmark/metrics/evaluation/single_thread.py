"""Processes that share the work, each with one thread for matrix products.

More threads sum in another order, which moves numbers in the last digits.
"""

from contextlib import AbstractContextManager
from functools import cache

from joblib import Parallel
from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """In this process as in those of a pool, so that the number of processes changes no score."""
    return _controller().limit(limits=1)


def workers(processes: int, ordered: bool = True) -> Parallel:
    """What runs joblib's `delayed` calls and yields their results.

    Whoever asks for as many gets the same processes: with other settings joblib would start them anew.

    Args:
        processes: 1 works in this process.
        ordered: Whether the results come in the order of the calls.
    """
    form = "generator" if ordered else "generator_unordered"
    # Clips above joblib's threshold would go through files; pipes are faster at this size.
    return Parallel(n_jobs=processes, backend="loky", return_as=form, max_nbytes=None)


@cache
def _controller() -> ThreadpoolController:
    """Looking for the libraries takes milliseconds, so it is done once."""
    return ThreadpoolController()
