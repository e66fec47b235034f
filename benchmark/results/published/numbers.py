"""Published numbers: the file that holds them, and the checks of every line."""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from benchmark.errors import UserError, unknown

FILE = Path(__file__).parent / "numbers.csv"
NOT_CONVERGED = "NC"
"""Text in place of a number whose training did not converge, by the source's own judgement."""
EVIDENCE = ("primary", "secondary")
"""Whether the number was read in the source itself, or in another text that quotes it."""
REQUIRED = ("source", "table", "tokenizer", "dataset", "task", "metric", "value", "definition")
"""Columns without which a line is no published number."""


@dataclass(frozen=True)
class Published:
    """One published number.

    Attributes:
        source: Name of the source, a key of `sources.yaml`.
        table: Table of the source.
        tokenizer: Name of the tokenizer as the source prints it.
        variant: Version, rate or checkpoint as the source prints it.
        bitrate_kbps: Bitrate as printed; empty where the source gives none.
        frame_rate_hz: Frame rate as printed, such as "12+23+47"; may be empty.
        dataset: Recordings that the number was measured on, in words.
        task: Name of the task of this benchmark that measures the same.
        metric: Name of the metric as the source prints it.
        unit: Unit of the value: "%", "dB" or empty.
        value: The number as printed, or "NC".
        sd: Standard deviation as printed; may be empty.
        definition: What the source says of the measure.
        evidence: One of `EVIDENCE`.
    """

    source: str
    table: str
    tokenizer: str
    variant: str
    bitrate_kbps: str
    frame_rate_hz: str
    dataset: str
    task: str
    metric: str
    unit: str
    value: str
    sd: str
    definition: str
    evidence: str

    @property
    def number(self) -> float | None:
        """Return the value as a number; None for a training that did not converge."""
        return None if self.value == NOT_CONVERGED else float(self.value)

    @property
    def decimals(self) -> int:
        """Return the number of decimals that the source prints."""
        return len(self.value.partition(".")[2])

    @property
    def column(self) -> tuple[str, str, str, str, str]:
        """Return source, table, dataset, task and metric, which numbers in one column of the source share."""
        return self.source, self.table, self.dataset, self.task, self.metric


COLUMNS = tuple(item.name for item in fields(Published))


def read_numbers(
    path: Path, sources: Iterable[str], units: Mapping[str, str], datasets: Iterable[str]
) -> tuple[list[Published], list[str]]:
    """Read a file of published numbers, and leave out the lines that cannot be used.

    Args:
        path: CSV file with the columns `COLUMNS`.
        sources: Known sources.
        units: Unit by metric.
        datasets: Known datasets.

    Returns:
        The numbers in order, and one sentence for each line that was left out.

    Raises: UserError when there is no such file, or the file lacks a column.
    """
    legal = {
        "source": set(sources),
        "metric": set(units),
        "dataset": set(datasets),
        "evidence": set(EVIDENCE),
    }
    try:
        lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as published numbers: {error}") from error
    if absent := [name for name in COLUMNS if name not in (lines[0] if lines else {})]:
        raise UserError(f"{path} lacks the columns {', '.join(absent)}; needed: {', '.join(COLUMNS)}")
    numbers: dict[tuple[str, ...], Published] = {}
    faults = []
    for place, line in enumerate(lines, 2):
        number = Published(**{name: (line[name] or "").strip() for name in COLUMNS})
        key = (*number.column, number.tokenizer, number.variant)
        fault = _fault(number, legal, units) or ("it stands there twice" if key in numbers else "")
        if fault:
            name = " ".join(filter(None, (number.source, number.tokenizer, number.task, number.metric)))
            faults.append(f"{path.name}, line {place} ({name}) is left out: {fault}")
        else:
            numbers[key] = number
    return list(numbers.values()), faults


def _fault(number: Published, legal: Mapping[str, set[str]], units: Mapping[str, str]) -> str:
    """Return why a line cannot be used; empty if it can."""
    if absent := [name for name in REQUIRED if not getattr(number, name)]:
        return f"it has no {', '.join(absent)}"
    for name, known in legal.items():
        if (value := getattr(number, name)) not in known:
            return str(unknown(name, value, known))
    if number.unit != units[number.metric]:
        return f"the unit of {number.metric} is {units[number.metric]!r}, not {number.unit!r}"
    if number.value != NOT_CONVERGED and not _is_number(number.value):
        return f"{number.value!r} is neither a number nor {NOT_CONVERGED}"
    if number.sd and not _is_number(number.sd):
        return f"the standard deviation {number.sd!r} is no number"
    return ""


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
