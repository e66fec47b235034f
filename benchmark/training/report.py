"""The report that a training leaves beside its weights."""

import json
from pathlib import Path
from typing import Any

from benchmark.storage.atomic_files import write_atomic

REPORT = "report.json"


def save_report(folder: Path, report: dict[str, Any]) -> None:
    """Write a JSON-able training report beside the weights."""
    write_atomic(folder / REPORT, json.dumps(report, indent=1, sort_keys=True))


def read_report(folder: Path) -> dict[str, Any]:
    """Return the report that `save_report` wrote."""
    report: dict[str, Any] = json.loads((folder / REPORT).read_text())
    return report
