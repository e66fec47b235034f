"""Printed tables before any markup, and the words that all of them use."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmark.metrics.reported import MetricInfo

ARROWS = {True: " ↑", False: " ↓", None: ""}
DASH = "–"
SEEDS = "seeds"
"""Heading of the column with the number of trainings, shown where a number rests on several."""


@dataclass(frozen=True)
class Entry:
    """Text of one cell: `value` may be bold, `rest` follows in plain type, `mark` numbers a footnote."""

    value: str
    rest: str = ""
    bold: bool = False
    mark: int | None = None


@dataclass(frozen=True)
class Grid:
    """A printable table: the first `num_names` and last `last_names` columns hold words, others numbers."""

    title: str
    num_names: int
    header: list[str]
    body: list[list[Entry]]
    notes: list[str]
    footnotes: list[str]
    last_names: int = 0
    groups: list[tuple[str, int]] = field(default_factory=list)
    """Headings above the header, each with the number of columns that it spans; they may be empty."""

    @property
    def is_number(self) -> list[bool]:
        """For each column, whether it holds numbers, which are aligned to the right."""
        width = len(self.header)
        return [self.num_names <= place < width - self.last_names for place in range(width)]


def heading(definition: MetricInfo) -> str:
    """Return label, unit and the direction of better values: "WER (%) ↓"."""
    unit = f" ({definition.unit})" if definition.unit else ""
    return f"{definition.label}{unit}{ARROWS[definition.higher_is_better]}"


def spread(counts: Iterable[int]) -> str:
    """Return the least and the greatest of some counts: "53–60", or "60" if they are equal."""
    ordered = sorted(counts)
    return "–".join(map(str, dict.fromkeys((ordered[0], ordered[-1]))))
