"""`make metrics`: what each number means, from the configs and the classes behind them.

Writes METRICS.md to the results folder and prints it.
"""

import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.metrics.base import Metric
from benchmark.metrics.definitions import CONDITIONS, DEFINITIONS
from benchmark.metrics.statistics.intervals import METHODS
from benchmark.results.report.grid import heading
from benchmark.storage.atomic_files import write_atomic

FILE = "METRICS.md"
INTRODUCTION = """# What each number means

`make metrics` writes this page from `conf/metric/` and the classes that its files name. The sentences are
those beside the numbers in every row and below every table. They are made of the parameters, so a parameter
that is set otherwise, as by `metric.gpe.threshold=0.1`, makes another sentence.

Choose a set by `metric=versa`, several by `metric=[survey,versa]`, single ones by `metric=[wer,si_sdr]`. A
metric that is asked for later computes itself alone and joins the rows that are there.
"""
SCORES = """## How scores become numbers

- Every utterance has one score per metric, or none, with the reason: a failed one is NaN, counted beside the
  number and never replaced by a filler. Where more than `max_failed_share` of the utterances failed, the cell
  says `failed`.
- The number is Σ weight × score / Σ weight over the utterances. The weight is one, or for error rates the
  words or characters of the reference, which makes it the corpus rate.
- Intervals: {intervals}. `bootstrap=utterances` resamples utterances instead.
- Bold: better than every other tokenizer by paired permutation tests over speakers, p ≤ 0.05 after Holm's
  correction.
- Delay: the lag of decoded behind original speech by cross-correlation within ±100 ms. It is a column of its
  own (`delay`); metrics that need sample alignment say whether it was removed. `alignment: cut` in a metric's
  config gives the raw value.
"""


@dataclass(frozen=True)
class Entry:
    """One metric of the page."""

    metric: Metric
    presets: tuple[str, ...]


def page(metrics: Mapping[str, Entry], presets: Mapping[str, Iterable[str]]) -> str:
    """The whole page in Markdown.

    Args:
        metrics: By name.
        presets: Names of their metrics by name of the preset.
    """
    parts = [INTRODUCTION, "## Sets\n"]
    parts.append("\n".join(f"- `metric={name}`: {_listed(names)}" for name, names in presets.items()) + "\n")
    parts.append("## Metrics of decoded speech\n")
    parts += [_section(name, entry) for name, entry in metrics.items()]
    conditions = "; ".join(f"{label}: {meaning}" for label, meaning in CONDITIONS.values())
    parts.append(f"Voice conversion reports each of its metrics once more by condition. {conditions}.\n")
    parts.append("## Probes and codes\n")
    parts.append("\n".join(f"- **{heading(d)}**: {d.definition}." for d in DEFINITIONS.values()) + "\n")
    parts.append(SCORES.format(intervals=METHODS["speakers"]))
    return "\n".join(parts)


def _section(name: str, entry: Entry) -> str:
    metric = entry.metric
    story = (inspect.getdoc(type(metric)) or "").partition("\nAttributes:")[0].strip()
    where = f"Tasks: {', '.join(metric.tasks)}." + (
        f" Sets: {_listed(entry.presets)}." if entry.presets else ""
    )
    return f"### `{name}`: {heading(metric.facts)}\n\n{metric.definition}.\n\n{story}\n\n{where}\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def configured() -> tuple[dict[str, Entry], dict[str, list[str]], Path]:
    """Metrics by name, presets with the names of theirs, and the results folder.

    Raises: UserError naming the yaml that no metric can be built from.
    """
    built: dict[str, Metric] = {}
    presets: dict[str, list[str]] = {}
    with open_hydra() as hydra:
        for option in hydra.config_loader.get_group_options("metric"):
            cfg = compose(hydra, [f"metric={option}"])
            names = [str(name) for name in cfg.metric]
            if names != [option]:
                presets[option] = names
                continue
            try:
                built[option] = build(cfg.metric[option])
            except UserError as error:
                raise UserError(f"conf/metric/{option}.yaml: {error}") from error
    metrics = {
        name: Entry(metric, tuple(preset for preset, names in presets.items() if name in names))
        for name, metric in built.items()
    }
    return metrics, presets, Path(cfg.paths.results)


def write() -> None:
    """Print the page and write it to the results folder.

    Raises: UserError naming the yaml that is wrong.
    """
    metrics, presets, results = configured()
    text = page(metrics, presets)
    write_atomic(results / FILE, text)
    sys.stdout.write(text)
