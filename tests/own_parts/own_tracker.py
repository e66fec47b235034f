"""A line of text for every job."""

from dataclasses import dataclass
from pathlib import Path

from benchmark.jobs.trackers.base import Results, Tracker, scalars


@dataclass(kw_only=True)
class Lines(Tracker):
    """Appends the numbers of each job to a file."""

    file: str

    def end(self, results: Results) -> None:
        with Path(self.file).open("a", encoding="utf-8") as lines:
            lines.writelines(f"{name} {value}\n" for name, value in scalars(results.rows).items())
