"""Text of a plan: tables of speech, time and disk space, and the sources of the rates."""

import shutil
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmark.jobs.cost.corpus_sizes import UNKNOWN, Speech
from benchmark.jobs.cost.rates import Rates
from benchmark.jobs.cost.sweep import Sweep, hours
from benchmark.jobs.cost.workload import stages
from benchmark.tasks.costs import CostItem

SHARED = "(for all)"
SHORT = 3.0
"""Device-hours below which times are given in minutes."""
DISK = {
    "prompts": "prompt features",
    "vocoder": "vocoders",
    "evaluation": "decoded speech",
}
"""Names of the artifacts of a stage in the table of disk space, where they differ from the stage's name."""
GB = 1e9
WIDTH = 110


def report(sweep: Sweep, rates: Mapping[str, Rates], cache: Path, workers: int) -> str:
    """Format the whole plan of a sweep.

    Args:
        sweep: Sweep with all its jobs.
        rates: Rates by device; the plan lists those that were used, with their sources.
        cache: Folder of the artifacts, whose free space is compared with the space needed.
        workers: Number of equal devices that share the work.
    """
    parts = [_speech(sweep), _time(sweep, rates, workers), _disk(sweep, cache, workers), _sources(rates)]
    return "\n\n".join(parts)


def _speech(sweep: Sweep) -> str:
    splits = sweep.workload.splits
    rows = [
        [corpus, split, f"{facts.utterances:,}", f"{facts.hours:,.1f}", facts.source]
        for (corpus, split), facts in splits.items()
    ]
    lines = _aligned(["corpus", "split", "utterances", "hours", "known by"], rows, words=(0, 1, 4))
    unknown = [f"{corpus} {split}" for (corpus, split), facts in splits.items() if _is_unknown(facts)]
    if unknown:
        lines += ["", f"Not counted below, since nothing is known of it: {', '.join(unknown)}."]
    for task in sorted(sweep.workload.undeclared):
        lines += ["", f"WARNING: the task {task} does not say what it costs: its tokens alone are counted."]
    return "\n".join(["Speech", *lines])


def _is_unknown(facts: Speech) -> bool:
    return facts.source == UNKNOWN


def _time(sweep: Sweep, rates: Mapping[str, Rates], workers: int) -> str:
    pieces, to_do = list(sweep.pieces.values()), sweep.to_do
    in_minutes = hours(pieces) < SHORT
    unit, factor = ("minutes", 60) if in_minutes else ("hours", 1)
    present = stages(pieces)

    def cells(owned: Sequence[CostItem]) -> list[str]:
        by_stage = [[piece for piece in owned if piece.stage == stage] for stage in present]
        left = [piece for piece in owned if piece.key not in sweep.done]
        return [_number(hours(part) * factor) for part in (*by_stage, owned, left)]

    owners = defaultdict(list)
    for piece in pieces:
        owners[piece.owner].append(piece)
    names = [*dict.fromkeys([*sweep.jobs, *owners])]
    rows = [
        [
            name or SHARED,
            f"{sweep.jobs_done[name]} of {sweep.jobs[name]}" if name in sweep.jobs else "",
            *cells(owners[name]),
        ]
        for name in names
    ]
    done, jobs = sweep.jobs_done.total(), sweep.jobs.total()
    rows.append(["all", f"{done} of {jobs}", *cells(pieces)])
    header = ["tokenizer", "jobs done", *present, "all", "to do"]
    lines = [f"Time, in {unit} of one device", *_aligned(header, rows, words=(0,)), ""]
    for name, rate in rates.items():
        own = [piece for piece in pieces if piece.device == name]
        if own:
            left = hours(piece for piece in own if piece.key not in sweep.done)
            lines.append(
                f"{rate.device}: {_duration(hours(own))} in all, {_duration(left)} of it still to do."
            )
    if to_do:
        longest = max(piece.seconds for piece in to_do) / 3600
        least = max(hours(to_do) / workers, longest)
        devices = "one device" if workers == 1 else f"{workers} devices of that kind"
        lines.append(f"With {devices} at work without a pause: {_duration(least)}, at least.")
    return "\n".join(lines)


def _disk(sweep: Sweep, cache: Path, workers: int) -> str:
    rows, all_to_come = [], 0.0
    for stage in stages(sweep.pieces.values()):
        own = [piece for piece in sweep.pieces.values() if piece.stage == stage]
        size = sum(piece.size for piece in own)
        to_come = sum(piece.size for piece in own if piece.key not in sweep.done)
        all_to_come += to_come
        if size:
            rows.append([DISK.get(stage, stage), _gigabytes(size), _gigabytes(to_come)])
    scratch = sum(sorted((piece.scratch for piece in sweep.to_do), reverse=True)[:workers])
    if scratch:
        all_to_come += scratch
        rows.append([f"checkpoints of {workers} at work", "", _gigabytes(scratch)])
    rows.append(["all", "", _gigabytes(all_to_come)])
    lines = ["Disk, in GB", *_aligned(["kind", "in all", "to come"], rows, words=(0,)), ""]
    folder = next(path for path in (cache.absolute(), *cache.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    lines.append(f"{cache} has {_gigabytes(free)} GB free.")
    kept = any(piece.stage == "prompts" for piece in sweep.to_do)
    if all_to_come > free:
        lines.append(
            f"WARNING: that is {_gigabytes(all_to_come - free)} GB too little. Set paths.cache (CACHE=…) to "
            f"a larger disk{', or vocoder.prompt.cache=false' if kept else ''}."
        )
    return "\n".join(lines)


def _sources(rates: Mapping[str, Rates]) -> str:
    lines = []
    for rate in rates.values():
        by_source = defaultdict(list)
        for name, (value, source) in rate.used.items():
            by_source[rate.say(source)].append(f"{name} {value:.3g}")
        if by_source:
            lines += ["", f"Rates for {rate.device}: seconds of speech, for the vocoder of crops, a second"]
        for source, values in by_source.items():
            text = f"{source}: {', '.join(values)}"
            lines += textwrap.wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ")
    return "\n".join(lines[1:])


def _aligned(header: Sequence[str], rows: Iterable[Sequence[str]], words: Sequence[int]) -> list[str]:
    """Align the columns `words` to the left and all others to the right; return the lines."""
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = []
    for row in table:
        cells = [
            f"{cell:{'<' if column in words else '>'}{widths[column]}}" for column, cell in enumerate(row)
        ]
        lines.append("  ".join(cells).rstrip())
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _number(value: float) -> str:
    return "–" if value == 0 else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _gigabytes(size: float) -> str:
    return _number(size / GB) if size >= GB / 20 else f"{size / GB:.3f}"


def _duration(value: float) -> str:
    """Format a time given in hours: in minutes if short, in hours otherwise, and in days too if long."""
    if value < SHORT:
        return f"{value * 60:.0f} minutes"
    return f"{value:,.0f} hours" + (f" ({value / 24:,.0f} days)" if value >= 72 else "")
