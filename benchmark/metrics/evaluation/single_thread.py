"""Worker processes that each use one thread for matrix products.

More threads would sum in another order, which changes the last digits of numbers.
"""

from contextlib import AbstractContextManager
from functools import cache

from joblib import Parallel
from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Return a context that limits numerical libraries to one thread.

    This process then computes as the pool's processes do, so the number of processes changes no score.
    """
    return _controller().limit(limits=1)


def workers(processes: int, ordered: bool = True) -> Parallel:
    """Return a pool that runs joblib's `delayed` calls and yields their results.

    Calls with the same number share the same processes; with other settings joblib would start new ones.

    Args:
        processes: Number of processes; 1 runs the calls in this process.
        ordered: Whether the results come in the order of the calls.
    """
    form = "generator" if ordered else "generator_unordered"
    # Clips above joblib's threshold would go through files; pipes are faster at this size.
    return Parallel(n_jobs=processes, backend="loky", return_as=form, max_nbytes=None)


@cache
def _controller() -> ThreadpoolController:
    """Return the controller of the loaded libraries, cached because the search takes milliseconds."""
    return ThreadpoolController()
