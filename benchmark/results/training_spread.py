"""Spread of trained numbers over seeds, stored beside a reference.

The spread of a metric is pooled over the tokenizers of its task, because two degrees of freedom from three
seeds of one tokenizer bound nothing. A tokenizer whose own seeds differ more keeps its own spread.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import stdev

from scipy.stats import t as student_t

from benchmark.errors import UserError
from benchmark.results.row import Row
from benchmark.storage.atomic_files import write_atomic

FILE = "spread.json"
TRAINED = frozenset(("vocoders", "probes"))
"""Kinds of artifacts that a gradient has trained. Codebooks are not among them: k-means repeats."""
FEWEST = 4
"""Degrees of freedom below which a pooled spread counts as unknown."""

Group = tuple[str, str, str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Standard deviation of one number over seeds, and of the count of utterances that it scores."""

    profile: str
    task: str
    variant: str
    dataset: str
    split: str
    metric: str
    tokenizer: str
    seeds: int
    sd: float
    sd_scored: float

    @property
    def group(self) -> Group:
        """Everything but the tokenizer."""
        return self.profile, self.task, self.variant, self.dataset, self.split, self.metric


@dataclass(frozen=True)
class Spread:
    """Standard deviations over trainings, with their degrees of freedom."""

    sd: float
    sd_scored: float
    degrees: int

    def bounds(self, level: float) -> tuple[float, float]:
        """Return how far two trainings' numbers, and their counts, may lie apart at a two-sided level.

        The difference of two independent trainings has √2 times the standard deviation of one. A count may
        always differ by one utterance.
        """
        factor = float(student_t.ppf(1 - level / 2, self.degrees)) * 2**0.5
        return factor * self.sd, max(1.0, factor * self.sd_scored)


class TrainingSpread:
    """The spreads measured for a reference."""

    def __init__(self, measured: Iterable[Measured] = ()) -> None:
        self.measured = list(measured)
        self._groups: dict[Group, list[Measured]] = {}
        for one in self.measured:
            self._groups.setdefault(one.group, []).append(one)

    @classmethod
    def measure(cls, rows: Iterable[Row]) -> "TrainingSpread":
        """Measure every trained number that has rows of two seeds or more."""
        seeds: dict[tuple[Group, str], list[Row]] = {}
        for row in rows:
            if is_trained(row) and row.value is not None:
                seeds.setdefault((_group(row), row.tokenizer), []).append(row)
        names = "profile", "task", "variant", "dataset", "split", "metric"
        return cls(
            Measured(
                **dict(zip(names, group, strict=True)),
                tokenizer=tokenizer,
                seeds=len(found),
                sd=stdev(row.value or 0.0 for row in found),
                sd_scored=stdev(row.n_scored for row in found),
            )
            for (group, tokenizer), found in sorted(seeds.items())
            if len(found) > 1
        )

    @classmethod
    def read(cls, folder: Path) -> "TrainingSpread":
        """Read the file in the folder of a reference; a reference without one has no known spread.

        Raises: UserError when the file is damaged.
        """
        path = folder / FILE
        if not path.exists():
            return cls()
        try:
            return cls(Measured(**content) for content in json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{path} is damaged ({error}); make it again with python -m scripts.training_spread"
            ) from error

    def write(self, folder: Path) -> None:
        """Write the file into the folder of a reference, one number per line."""
        lines = ",\n".join(json.dumps(asdict(one)) for one in self.measured)
        write_atomic(folder / FILE, f"[\n{lines}\n]\n")

    def of(self, row: Row) -> Spread | None:
        """Return the spread that holds for a row; None where too few seeds were run to tell."""
        group = self._groups.get(_group(row), [])
        degrees = sum(one.seeds - 1 for one in group)
        if degrees < FEWEST:
            return None
        own = [one for one in group if one.tokenizer == row.tokenizer]
        sd, scored = (
            max([_pooled(group, name, degrees), *(getattr(one, name) for one in own)])
            for name in ("sd", "sd_scored")
        )
        return Spread(sd, scored, degrees)


def is_trained(row: Row) -> bool:
    """Tell whether a trained network stands behind a number."""
    return any(reference.partition("/")[0] in TRAINED for reference in row.artifacts)


def _group(row: Row) -> Group:
    return row.profile, row.task, row.variant, row.dataset, row.split, row.metric


def _pooled(group: list[Measured], name: str, degrees: int) -> float:
    return float((sum((one.seeds - 1) * getattr(one, name) ** 2 for one in group) / degrees) ** 0.5)
