"""Measure speed and memory of a probe's training against the same probe with torch's packed BiLSTM.

    python -m scripts.bench.probes --out docs/measurements/probe_speed.md

Uses random codes in token stores, and random transcripts or intents. Runs whole epochs under Lightning, with
the batches, the scores on dev and the checkpoints of a real training. The two loops of a line run in
processes of their own and take turns, so that other load of the machine affects both.
"""

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.models.probes.asr import make_asr_probe
from benchmark.models.probes.classifier import IntentProbe
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.data import Labelled, dev_loader, join_labels, steps_of_a_pass, train_loader
from benchmark.models.probes.module import Probe
from benchmark.models.probes.normalize import ALPHABET, encode, normalize
from benchmark.models.probes.units import CHARACTERS
from benchmark.storage.atomic_files import write_atomic
from benchmark.storage.token_store import TokenStore, TokenWriter
from benchmark.training.config import TrainerConfig
from benchmark.training.trainer import fit
from benchmark.types import TokenizerSpec
from scripts.bench.interleaved import Stopwatch, Worker, processor

ENTRIES = 1024
"""Number of entries of every codebook."""
CHARACTERS_PER_SECOND = 12
INTENTS = 8
EPOCHS_AT_MOST = 1000
LOOPS = ("ours", "packed")
HEADER = """| preset | codebooks | Hz | frames/s: ours | packed | s/epoch: ours | packed \
| times as fast: wall, CPU | peak memory (GiB): ours, packed | parameters (M) |
| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |"""


class PackedBiLSTM(nn.Module):
    """The function of `BiLSTM`, computed by torch's bidirectional LSTM on packed sequences."""

    def __init__(self, input_dim: int, config: ProbeConfig) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            input_dim,
            config.hidden_dim,
            config.layers,
            batch_first=True,
            bidirectional=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map (B, T, input_dim) to (B, T, 2 · hidden_dim)."""
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])[0]


class Case(NamedTuple):
    """Case of one line of the table: a preset, a number of codebooks and a frame rate (Hz)."""

    preset: str
    books: int
    frame_rate: float


def read_preset(name: str, steps: int | None) -> ProbeConfig:
    """Return a preset of the group `probe` at its lowest learning rate; `steps` shortens its epochs.

    Raises: UserError for a preset of a task other than ASR or intents.
    """
    task = name.partition("_")[0]
    if task not in ("asr", "intent"):
        raise UserError(f"--presets: {name!r} must be one of the presets probe=asr_… or probe=intent_…")
    with open_hydra() as hydra:
        node = compose(hydra, [f"probe={name}"])[f"{task}_probe"]
        rates = node.learning_rate
        node.learning_rate = rates if isinstance(rates, float) else min(rates)
        node.steps_per_epoch = steps or node.steps_per_epoch
        config: ProbeConfig = build(node)
    return config


def make_split(case: Case, utterances: int, seconds: float, seed: int, folder: Path) -> Labelled:
    """Write random codes of utterances `seconds` / 2 to `seconds` long, and return them with labels."""
    rng, labels = np.random.default_rng(seed), {}
    folder.mkdir(parents=True)
    writer = TokenWriter(folder, case.books, ENTRIES)
    for number in range(utterances):
        name, length = f"u{number:06d}", rng.uniform(seconds / 2, seconds)
        writer.add(name, rng.integers(0, ENTRIES, (case.books, round(length * case.frame_rate))))
        text = "".join(rng.choice(list(ALPHABET), round(length * CHARACTERS_PER_SECOND)))
        intent = [1 + number % INTENTS]
        labels[name] = intent if case.preset.startswith("intent") else encode(normalize(text))
    writer.close()
    return join_labels(TokenStore(folder), labels)


def make_probe(spec: TokenizerSpec, config: ProbeConfig, loop: str) -> Probe:
    """Build the probe; in the loop `packed`, torch's BiLSTM replaces ours."""
    torch.manual_seed(0)
    if config.name.startswith("intent"):
        probe: Probe = IntentProbe(spec, config, INTENTS)
    else:
        probe = make_asr_probe(spec, config, CHARACTERS)
    if loop == "packed":
        probe.encoder = PackedBiLSTM(config.embedding_dim, config)  # type: ignore[assignment]
    return probe


class Epochs(lightning.Callback):
    """Callback that waits for its turn before every epoch, and records the time of the training part."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch
        self.training: list[float] = []
        self.frames: list[int] = []

    def on_train_start(self, *_: Any) -> None:
        """Wait before the first epoch."""
        self.watch.start()

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start counting the frames and the time of this epoch."""
        self.frames.append(0)
        self.begin = time.perf_counter()

    def on_train_batch_end(self, _: Any, module: Probe, __: Any, batch: Any, *___: Any) -> None:
        """Count the frames that the BiLSTM read, without padding."""
        self.frames[-1] += int(batch.lengths.sum()) * module.frontend.upsampling

    def on_validation_start(self, *_: Any) -> None:
        """Record the time of the training part of this epoch."""
        if self.watch.device != "cpu":
            torch.cuda.synchronize()
        self.training.append(time.perf_counter() - self.begin)

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Stop the clock after the scores on dev, and wait for the next turn."""
        self.watch.stop()
        trainer.should_stop = not self.watch.start()


def train(case: Case, loop: str, arguments: argparse.Namespace, watch: Stopwatch) -> None:
    """Run one loop: train in turns, then report the frames per second of each epoch."""
    config = read_preset(case.preset, arguments.steps)
    spec = TokenizerSpec(
        "random", "acoustic", 16_000, case.frame_rate, (ENTRIES,) * case.books, False, False, True
    )
    trainer = TrainerConfig(accelerator="cpu" if watch.device == "cpu" else "gpu", progress_bar=False)
    epochs = Epochs(watch)
    with TemporaryDirectory() as folder:
        training, dev = (
            make_split(case, utterances, arguments.seconds, seed, Path(folder) / str(seed))
            for seed, utterances in enumerate((arguments.utterances, arguments.dev))
        )
        probe = make_probe(spec, config, loop)
        steps = config.steps_per_epoch or steps_of_a_pass(training, spec, config, 0)
        fit(
            probe,
            train_loader(training, spec, config, steps, 0, trainer.num_workers),
            dev_loader(dev, spec, config),
            Path(folder) / "probe",
            epochs=EPOCHS_AT_MOST,
            seed=0,
            config=trainer,
            monitor=probe.monitor,
            observers=[epochs],
        )
    watch.finish(
        frames_per_second=[n / t for n, t in zip(epochs.frames, epochs.training, strict=True)],
        parameters=sum(parameter.numel() for parameter in probe.parameters()),
    )


def compare(case: Case, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Run both loops in turns; return the facts of each, with (wall, CPU) seconds per epoch."""
    given = [case.preset, str(case.books), str(case.frame_rate)]
    workers = [
        Worker(loop, "scripts.bench.probes", [*sys.argv[1:], "--worker", loop, *given]) for loop in LOOPS
    ]
    for number in range(arguments.epochs + 1):
        for worker in workers:
            worker.take_turn(1, counts=number > 0)
    told = {worker.name: worker.finish() | {"seconds": worker.seconds} for worker in workers}
    for facts in told.values():
        facts["frames_per_second"] = facts["frames_per_second"][1:]
    return told


def line(case: Case, told: dict[str, dict[str, Any]]) -> str:
    """Format one line of the table."""
    wall, cpu = (
        {loop: [seconds[part] for seconds in facts["seconds"]] for loop, facts in told.items()}
        for part in (0, 1)
    )
    ratios = [median(clock["packed"]) / median(clock["ours"]) for clock in (wall, cpu)]
    cells = [
        case.preset,
        str(case.books),
        f"{case.frame_rate:g}",
        *(f"{median(told[loop]['frames_per_second']):,.0f}" for loop in LOOPS),
        *(f"{median(wall[loop]):.3g} [{min(wall[loop]):.3g}, {max(wall[loop]):.3g}]" for loop in LOOPS),
        f"{ratios[0]:.2f}, {ratios[1]:.2f}",
        ", ".join(f"{told[loop]['peak']:.2f}" for loop in LOOPS),
        f"{told['ours']['parameters'] / 1e6:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def page(arguments: argparse.Namespace, load: list[float], lines: list[str]) -> str:
    """Format the page: the conditions of the measurement, and the table."""
    processes = f"{arguments.threads} of {os.cpu_count()} hardware threads, " * (arguments.device == "cpu")
    length = "" if arguments.steps is None else f" Epochs of {arguments.steps} batches."
    return f"""# Speed of the probes' training

Ours against the same probe with torch's packed bidirectional LSTM, float32. On \
{processor(arguments.device)}, {processes}torch {torch.__version__}.

Random codes of {ENTRIES} entries a codebook, {arguments.utterances} utterances of \
{arguments.seconds / 2:g} to {arguments.seconds:g} s for training and {arguments.dev} for dev.{length} \
After one epoch to warm up, {arguments.epochs} epochs of each loop by turns, each with its scores on dev \
and its checkpoints: medians, with [least, most]. Frames per second are those of the training part that \
the BiLSTM reads, padding not counted; codes of 12.5 Hz are repeated four times. CPU time says more than \
wall time where the load average, {load[0]:.1f} before and {load[1]:.1f} after, exceeds what the loop \
itself makes. Memory is what came on top of the libraries.

Written by `python -m scripts.bench.probes`.

""" + "".join(f"{text}\n" for text in (HEADER, *lines))


def main(argv: list[str] | None = None) -> int:
    """Compare the loops case by case and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    parser.add_argument("--presets", nargs="+", default=["asr_controlled_mini", "intent_controlled_mini"])
    parser.add_argument("--books", nargs="+", type=int, default=[1, 4, 8], help="codebooks")
    parser.add_argument("--rates", nargs="+", type=float, default=[50.0, 12.5], help="frames per second")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--utterances", type=int, default=480, help="of the training split")
    parser.add_argument("--dev", type=int, default=60, help="utterances of the dev split")
    parser.add_argument("--seconds", type=float, default=4.0, help="of the longest utterance")
    parser.add_argument("--epochs", type=int, default=3, help="of each loop")
    parser.add_argument("--steps", type=int, help="batches of an epoch, where not those of the preset")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.worker:
        torch.set_num_threads(arguments.threads)
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
        loop, preset, books, frame_rate = arguments.worker
        train(Case(preset, int(books), float(frame_rate)), loop, arguments, Stopwatch(arguments.device))
        return 0
    try:
        for preset in arguments.presets:
            read_preset(preset, arguments.steps)
    except UserError as error:
        parser.error(str(error))
    load, lines = [os.getloadavg()[0]], []
    for preset in arguments.presets:
        for books in arguments.books:
            for frame_rate in arguments.rates:
                case = Case(preset, books, frame_rate)
                lines.append(line(case, compare(case, arguments)))
                print(lines[-1], flush=True)
    load.append(os.getloadavg()[0])
    write_atomic(arguments.out, page(arguments, load, lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
