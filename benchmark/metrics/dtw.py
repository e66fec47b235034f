"""Dynamic time warping of two short sequences."""

import numpy as np


def warp(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the cheapest monotonic path through a matrix of costs, from the first to the last cell.

    A step advances either sequence or both by one. Where steps are equally cheap, the one in both sequences
    is preferred, then the one in the second, as in librosa.

    Args:
        cost: (N, M), both at least 1.

    Returns:
        Rows and columns of the path, each (steps,), ascending.
    """
    rows, columns = cost.shape
    mirrored = cost[:, ::-1]  # its diagonals are the anti-diagonals of `cost`, each computed at once
    steps = np.zeros((rows + columns - 1, rows), np.uint8)
    # Totals of the last two anti-diagonals by row + 1; cells outside the matrix are never the cheapest.
    before, last = np.full(rows + 1, np.inf), np.full(rows + 1, np.inf)
    before[0] = 0
    for diagonal in range(rows + columns - 1):
        top, end = max(0, diagonal - columns + 1), min(rows, diagonal + 1)
        both, second, first = before[top:end], last[top + 1 : end + 1], last[top:end]
        cheapest = np.minimum(both, np.minimum(second, first))
        steps[diagonal, top:end] = np.where(
            cheapest == both, BOTH, np.where(cheapest == second, SECOND, FIRST)
        )
        total = np.full(rows + 1, np.inf)
        total[top + 1 : end + 1] = cheapest + mirrored.diagonal(columns - 1 - diagonal)
        before, last = last, total
    return _trace_back(steps, rows - 1, columns - 1)


BOTH, SECOND, FIRST = range(3)
"""The sequence or sequences that a step advances."""


def _trace_back(steps: np.ndarray, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    path = [(row, column)]
    while row or column:
        taken = steps[row + column, row]
        row -= int(taken != SECOND)
        column -= int(taken != FIRST)
        path.append((row, column))
    first, second = np.array(path[::-1]).T
    return first, second
