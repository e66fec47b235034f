"""Trainings behind a number, counted by the artifacts that its rows name."""

from collections.abc import Iterable, Sequence

from benchmark.results.row import Row

TRAINED = frozenset(("codebooks", "probes", "vocoders"))
"""Kinds of artifacts that a job trains or fits with its seed. Published weights and published codebooks are
used as they are, and are artifacts of no kind."""
ENOUGH = 3
"""Fewest trainings of a tokenizer by which a test can tell the tokenizer from its training."""


def trainings(rows: Iterable[Row]) -> int:
    """Return the number of trainings behind a number; 0 if it depends on none.

    Trainings are told apart by their artifacts, so that rows of several seeds that use the same ones count
    once.

    Args:
        rows: Rows of one number, one per seed.
    """
    made = {frozenset(name for name in row.artifacts if name.partition("/")[0] in TRAINED) for row in rows}
    return len(made - {frozenset()})


def too_few(numbers: Iterable[Sequence[Row]]) -> str:
    """Return why the trainings behind some numbers are too few to compare the numbers; empty if they suffice.

    Args:
        numbers: Rows of each number.
    """
    fewest = min((count for rows in numbers if (count := trainings(rows))), default=ENOUGH)
    if fewest >= ENOUGH:
        return ""
    seeds = "one training seed" if fewest == 1 else f"{fewest} training seeds"
    return (
        f"{seeds}: the tests would tell of these trained networks, not of tokenizers; "
        f"run seed={','.join(map(str, range(ENOUGH)))}"
    )
