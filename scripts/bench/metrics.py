"""Measure the cost of each metric, and the speed of sets of metrics in one process and over all cores.

    python -m scripts.bench.metrics --out docs/measurements/metric_speed.md dataset=librispeech

Scores speech decoded by Opus. Metrics computed by a model are left out: their speed is that of the model.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmark.data.audio import read_audio
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.metrics.base import Metric
from benchmark.metrics.evaluation.evaluate import Evaluation, Speech
from benchmark.metrics.evaluation.worker_pool import score
from benchmark.metrics.signal_pair import Pair
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import RunContext
from benchmark.tasks.decoding.resynthesis import resynthesise
from scripts.bench.interleaved import processor, publish

SETS = ("survey", "versa")
Metrics = Mapping[str, Metric]


def prepare(overrides: Sequence[str], folder: str, count: int) -> tuple[Speech, dict[str, Metrics], str]:
    """Return the speech to score, the sets without metrics that use models, and the name of the corpus."""
    sets: dict[str, Metrics] = {}
    with open_hydra() as hydra:
        for name in SETS:
            cfg = compose(hydra, [f"metric={name}", "task=reconstruction", "tokenizer=opus_6k", *overrides])
            task = build(cfg.task)
            sets[name] = {n: metric for n, metric in task.own_metrics.items() if not metric.uses_model}
    tokenizer, corpus = build(cfg.tokenizer), build(cfg.dataset)
    context = RunContext(store=ArtifactStore(folder), trainer=build(cfg.trainer))
    test = corpus.manifest("test", context.store).subset(count)
    own = {utterance.utterance_id: utterance for utterance in test}
    audio = resynthesise(tokenizer, corpus, test, own, task.vocoder, context)
    speech = Speech(originals=test, decoded=audio.files, failures=audio.failures, source="first")
    return speech, sets, corpus.name


def alone(metric: Metric, pairs: Sequence[Pair]) -> list[float]:
    """Return CPU seconds per utterance, for a first tokenizer and for a second one on the same originals."""
    spent = []
    for _ in range(2):
        start = time.process_time()
        for pair in pairs:
            score(pair, {"metric": metric})
        spent.append((time.process_time() - start) / len(pairs))
        of_originals = [{k: v for k, v in pair.given.items() if k[0] == "reference"} for pair in pairs]
        pairs = [
            Pair(pair.utterance_id, pair.reference, pair.decoded, given=given)
            for pair, given in zip(pairs, of_originals, strict=True)
        ]
    return spent


def whole(speech: Speech, metrics: Metrics, processes: int) -> tuple[list[float], list[float]]:
    """Score for a first tokenizer and for a second one, including reading of files and writing of scores.

    Returns: utterances per second, and CPU seconds of this process per utterance, each for both tokenizers.
    """
    speeds, costs = [], []
    with TemporaryDirectory() as folder:
        for source in ("first", "second"):
            start, spent = time.perf_counter(), time.process_time()
            Evaluation(ArtifactStore(folder), processes=processes)(replace(speech, source=source), metrics)
            speeds.append(len(speech.decoded) / (time.perf_counter() - start))
            costs.append((time.process_time() - spent) / len(speech.decoded))
    return speeds, costs


def main(argv: list[str] | None = None) -> int:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="dataset=…, as of python -m benchmark")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--utterances", type=int, default=40)
    parser.add_argument("--each", type=int, default=10, help="utterances for the costs of single metrics")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_intermixed_args(argv)
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    load = os.getloadavg()[0]
    costs = ["| metric | CPU s per utterance | of a second tokenizer |", "| --- | --: | --: |"]
    speeds = [
        "| set | processes | utterances/s | of a second tokenizer | times as fast | CPU s per utterance "
        "| of a second tokenizer |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    with TemporaryDirectory() as folder:
        speech, sets, corpus = prepare(arguments.overrides, folder, arguments.utterances)
        some = list(speech.decoded.items())[: arguments.each]
        signals = [(n, read_audio(speech.originals[n].audio_path), read_audio(path)) for n, path in some]
        for name, metric in {name: m for metrics in sets.values() for name, m in metrics.items()}.items():
            first, second = alone(metric, [Pair(*signal) for signal in signals])
            costs.append(f"| {name} | {first:.3f} | {second:.3f} |")
            print(costs[-1], flush=True)
        for processes in sorted({1, arguments.processes}):
            for name, metrics in sets.items():
                # A warm-up: the processes start, and each of them builds its filters.
                few = replace(speech, decoded=dict(list(speech.decoded.items())[: 4 * processes]))
                whole(few, metrics, processes)
                (first, second), spent = whole(speech, metrics, processes)
                cpu = " | ".join(f"{s:.3f}" if processes == 1 else "–" for s in spent)
                speeds.append(
                    f"| {name} | {processes} | {first:.2f} | {second:.2f} | {second / first:.2f} | {cpu} |"
                )
                print(speeds[-1], flush=True)
    seconds = speech.originals.hours * 3600 / len(speech.originals)
    names = "; ".join(f"{name}: {', '.join(metrics)}" for name, metrics in sets.items())
    publish(
        f"""# Speed of metrics

{len(speech.decoded)} utterances of {corpus}, {seconds:.1f} s each on average, against their copies by \
Opus at 6 kbit/s, on {os.cpu_count()} hardware threads of {processor("cpu")}, load average {load:.1f} \
before. Metrics that rest on a model are left out. A second tokenizer on the same originals finds what \
belongs to them in the store. CPU seconds are those of one process; beside other work they say more than \
utterances per second.

Sets, files read and scores written, the processes standing by: {names}.

{chr(10).join(speeds)}

Metrics, each alone in one process on {len(some)} of them, so that what several share is counted with each:

{chr(10).join(costs)}

Written by `python -m scripts.bench.metrics`.
""",
        arguments.out,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
