"""Page with the meaning of each metric, made from the configs and the classes that they name.

`make metrics` prints the page; `make sheets` writes the page to docs/reference/metrics.md.
"""

import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_loader import ConfigLoader

from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.metrics.conditions import CONDITIONS
from benchmark.metrics.reported import MetricInfo, ReportedMetric
from benchmark.metrics.statistics.intervals import METHODS
from benchmark.results.report.printed import heading
from benchmark.storage.atomic_files import write_atomic
from benchmark.tasks.base import Task

INTRODUCTION = """# Look up what each number means

`make sheets` writes this page from `conf/metric/` and the classes that its files name. The sentences are
those beside the numbers in every row and below every table. They are made of the parameters, so a parameter
that is set otherwise, as by `metric.gpe.threshold=0.1`, makes another sentence.

Choose a set by `metric=versa`, several by `metric=[survey,versa]`, single ones by `metric=[wer,si_sdr]`, one
of a peer's by `metric=versa/pesq`. A metric that is asked for later computes itself alone and joins the rows
that are there.
"""
SCORES = """## How scores become numbers

- Every utterance has one score per metric, or none, with the reason: it has failed, or the metric is not
  defined for it. Both leave the mean, are counted beside the number and are never replaced by a filler.
  Decoded digital silence is a failure, except for metrics that have a value for it (WER, VDE, FFE). Where
  more than `max_failed_share` of the utterances have no score, the cell says `failed`.
- The number is Σ weight × score / Σ weight over the utterances. The weight is one, or for error rates the
  words or characters of the reference, for GPE the frames voiced in both, which makes it the corpus rate.
- Intervals: {intervals}. `interval_unit=utterances` leaves out utterances instead.
- Bold: better than every other tokenizer, p ≤ 0.05 in each paired test: a permutation test over speakers and,
  where trainings stand behind a number, a t test over speakers and at least three training seeds. Numbers
  without a score on more than 10 % of the utterances do not compete.
- Delay: the lag of decoded behind original speech by cross-correlation within ±100 ms. It is a column of its
  own (`delay`); metrics that need sample alignment say whether it was removed. `alignment: cut` in a metric's
  config gives the raw value.
"""


@dataclass(frozen=True)
class Entry:
    """One metric of the page."""

    metric: ReportedMetric
    option: str
    """The value of `metric=` that chooses this metric alone."""
    presets: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    """Tasks that report the metric if it is chosen."""


@dataclass(frozen=True)
class Catalogue:
    """All metrics that the configs offer.

    Attributes:
        metrics: Metrics of the config group `metric`, by name.
        presets: Names of the metrics of each preset, by name of the preset.
        fixed: Metrics that tasks always report, by name.
    """

    metrics: Mapping[str, Entry]
    presets: Mapping[str, Iterable[str]]
    fixed: Mapping[str, MetricInfo]


def page(catalogue: Catalogue) -> str:
    """Return the whole page in Markdown."""
    metrics, presets = catalogue.metrics, catalogue.presets
    parts = [INTRODUCTION, "## Sets\n"]
    parts.append("\n".join(f"- `metric={name}`: {_listed(names)}" for name, names in presets.items()) + "\n")
    parts.append("## Metrics of decoded speech\n")
    parts += [_section(name, entry) for name, entry in metrics.items()]
    conditions = "; ".join(f"{label}: {meaning}" for label, meaning in CONDITIONS.values())
    parts.append(f"Voice conversion reports each of its metrics once more by condition. {conditions}.\n")
    parts.append("## Probes and codes\n")
    parts.append("\n".join(f"- **{heading(d)}**: {d.definition}." for d in catalogue.fixed.values()) + "\n")
    parts.append(SCORES.format(intervals=METHODS["speakers"]))
    return "\n".join(parts)


def _section(name: str, entry: Entry) -> str:
    metric = entry.metric
    story = (inspect.getdoc(type(metric)) or "").partition("\nAttributes:")[0].strip()
    where = [f"Tasks: {', '.join(entry.tasks)}."]
    if entry.presets:
        where.append(f"Sets: {_listed(entry.presets)}.")
    if entry.option != name:
        where.append(f"Alone: `metric={entry.option}`.")
    return f"### `{name}`: {heading(metric.facts)}\n\n{metric.definition}.\n\n{story}\n\n{' '.join(where)}\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def configured() -> Catalogue:
    """Build every metric and every task of the configs, and return the metrics as a catalogue.

    Raises: UserError with the name of a yaml that no metric can be built from.
    """
    built: dict[str, tuple[str, ReportedMetric]] = {}
    presets: dict[str, list[str]] = {}
    with open_hydra() as hydra:
        for option in _options(hydra.config_loader, "metric"):
            cfg = compose(hydra, [f"metric={option}"])
            names = [str(name) for name in cfg.metric]
            if names != [option.replace("/", "_")]:
                presets[option] = names
                continue
            try:
                built[names[0]] = option, build(cfg.metric[names[0]])
            except UserError as error:
                raise UserError(f"conf/metric/{option}.yaml: {error}") from error
        chosen = f"metric=[{','.join(option for option, _ in built.values())}]"
        options = hydra.config_loader.get_group_options("task")
        tasks = [build(compose(hydra, [f"task={option}", chosen]).task) for option in options]
    tasks.sort(key=_place)
    metrics = {
        name: Entry(
            metric,
            option,
            tuple(preset for preset, names in presets.items() if name in names),
            tuple(task.name for task in tasks if name in task.own_metrics),
        )
        for name, (option, metric) in sorted(built.items())
    }
    fixed: dict[str, MetricInfo] = {}
    for task in tasks:
        own = {name: metric.facts for name, metric in task.reported().items() if name not in built}
        fixed |= {name: facts for name, facts in own.items() if name not in fixed}
    return Catalogue(metrics, presets, fixed)


def _options(loader: ConfigLoader, group: str) -> list[str]:
    """Return the options of a config group, and those of its subgroups as `subgroup/option`."""
    inside = [
        f"{name}/{option}"
        for name in loader.list_groups(group)
        for option in _options(loader, f"{group}/{name}")
    ]
    return [*loader.get_group_options(group), *inside]


def _place(task: Task) -> tuple[int, str]:
    return (task.table.place if task.table else 100), task.name


def write(out: Path | None) -> None:
    """Print the page, or write the page to the file `out`.

    Raises: UserError with the name of a yaml that no metric can be built from.
    """
    text = page(configured())
    if out is not None:
        write_atomic(out, text)
    sys.stdout.write(text if out is None else f"{out}\n")
