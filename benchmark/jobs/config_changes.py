"""Differences between the configs of two runs of one job, in words."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.results.row import Row

KEYED = (
    *("tokenizer", "dataset", "task", "seed", "interval_unit", "max_failed_share"),
    *(f"trainer.{name}" for name in ("precision", "max_steps", "accelerator", "threads")),
    *(f"trainer.{name}" for name in ("devices", "num_nodes", "compile")),
)
"""Parts of the config on which a job's key depends; `task` holds the probe, the vocoder and the metrics."""
UNKEYED = ("tokenizer.device", "trainer.loggers")
SHOWN = 4
"""Largest number of differences named in one line."""


def stored_config(results: Path, row: Row) -> dict[str, Any] | None:
    """Return the config that was kept beside a row, or None if it is gone or damaged."""
    path = results / "configs" / f"{row.config_digest}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the dotted names of the values that differ between two configs and are part of a job's key."""
    old, new = flat(then), flat(now)
    return [
        name
        for name in sorted(old.keys() | new.keys())
        if name.startswith(tuple(f"{part}." for part in KEYED)) or name in KEYED
        if name not in UNKEYED and not name.endswith(".workers") and old.get(name) != new.get(name)
    ]


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe the values that differ between two configs; empty if none does."""
    names, old, new = changed(then, now), flat(then), flat(now)
    both = [name for name in names if name in old and name in new]
    told = [f"{name}: {short(old[name])} then, {short(new[name])} now" for name in both[:SHOWN]]
    if more := len(both) - len(told):
        told.append(f"and {more} more values")
    if single := [name for name in names if name not in both]:
        few = ", ".join(single[:SHOWN]) + (f" and {len(single) - SHOWN} more" if len(single) > SHOWN else "")
        told.append(f"settings that came or went: {few}")
    return told


def flat(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of nested dicts by their dotted names."""
    return dict(_leaves(content))


def short(value: Any) -> str:
    """Return a value as JSON of at most 40 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _leaves(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, content
