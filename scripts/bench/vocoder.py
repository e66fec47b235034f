"""Measure training steps per second and peak memory of CTX-vec2wav-alpha against the upstream loop.

    python -m scripts.bench.vocoder --upstream <vec2wav2.0 checkout> --out docs/measurements/vocoder_speed.md

Each loop runs in a process of its own, on the same batch. The loops take turns of a few steps, so that other
load of the machine affects both. Our loop runs under Lightning, as a training does. Prompt features are
given, so that no prompt encoder is measured. This repository holds no upstream code: fetch it with git.
"""

import argparse
import os
import sys
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import lightning
import torch

import benchmark.models.vocoder.model
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.models.vocoder.data import Batch
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.model import CTXVec2Wav
from benchmark.models.vocoder.module import VocoderModule
from benchmark.storage.atomic_files import write_atomic
from scripts.bench import upstream_vocoder
from scripts.bench.interleaved import Stopwatch, Worker, peak_memory, processor

RATE, HOP, PROMPT_WIDTH = 50, 320, 1024
CODEBOOK = (2, 320, 384)
"""Number of codebooks, entries and width of wav2vec 2.0's quantizer, on whose codes upstream trains."""
WARM_UP = 2
VARIANTS = {
    "upstream": {},
    "ours": {},
    "ours, bf16": {"precision": "bf16-mixed"},
    "ours, compiled": {"compiled": True},
    "ours, bf16, compiled": {"precision": "bf16-mixed", "compiled": True},
}


def make_batch(rows: int, seconds: float) -> tuple[Batch, torch.Tensor]:
    """Draw codes, prompts and waveforms of unequal lengths, and the codebook's vectors, from a fixed seed."""
    random = torch.Generator().manual_seed(0)
    longest = round(seconds * RATE)
    lengths = torch.tensor([longest - row * longest // (4 * rows) for row in range(rows)])
    prompts = (lengths * 2) // 3
    wav = 0.1 * torch.randn(rows, longest * HOP, generator=random)
    prompt = torch.randn(rows, int(prompts.max()), PROMPT_WIDTH, generator=random)
    for row in range(rows):
        wav[row, lengths[row] * HOP :] = 0
        prompt[row, prompts[row] :] = 0
    codes = torch.randint(CODEBOOK[1], (rows, CODEBOOK[0], longest), generator=random)
    starts = torch.zeros(rows, dtype=torch.long)
    return Batch(codes, lengths, wav, prompt, prompts, starts), torch.randn(CODEBOOK, generator=random)


class Turns(lightning.Callback):
    """Callback that waits for its turn before every step."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def on_train_batch_start(self, trainer: lightning.Trainer, *_: Any) -> int | None:
        """Wait for the next step; return -1, which ends the epoch, if there is none."""
        trainer.should_stop = not self.watch.start()
        return -1 if trainer.should_stop else None

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Stop the clock after the step and its logging; a refused step does not count."""
        if not trainer.should_stop:
            self.watch.stop()


def run_ours(batch: Batch, codebook: torch.Tensor, watch: Stopwatch, variant: dict[str, Any]) -> list[int]:
    """Run our training under Lightning; return the numbers of parameters of generator and discriminators."""
    config = VocoderConfig(name="ctx_vec2wav_alpha")
    features = SimpleNamespace(features=PROMPT_WIDTH)
    with patch.object(benchmark.models.vocoder.model, "build_prompt", return_value=features):
        model = CTXVec2Wav(config, FrameRates(RATE), [CODEBOOK[1]] * CODEBOOK[0], codebook)
    module = VocoderModule(model, config, variant.get("compiled", False))
    trainer = lightning.Trainer(
        accelerator="cpu" if watch.device == "cpu" else "gpu",
        devices=1,
        precision=variant.get("precision", "32-true"),
        max_epochs=1,
        callbacks=[Turns(watch)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = torch.utils.data.DataLoader([batch] * 100_000, batch_size=None)
    trainer.fit(module, loader)
    return [sum(p.numel() for p in part.parameters()) for part in (module.model, module.discriminators)]


def run_upstream(folder: Path, batch: Batch, codebook: torch.Tensor, watch: Stopwatch) -> list[int]:
    """Run the upstream loop; return the numbers of parameters of generator and discriminator."""
    upstream_vocoder.load(folder)
    watch.libraries = peak_memory("cpu")
    mel = torch.randn(*batch.codes.shape[::2], 80, generator=torch.Generator().manual_seed(1))
    trainer, given = upstream_vocoder.trainer(folder, batch, codebook, mel, RATE, watch.device)
    while watch.start():
        trainer._train_step(given)
        watch.stop()
    return [
        sum(p.numel() for p in trainer.model[name].parameters()) for name in ("generator", "discriminator")
    ]


def work(arguments: argparse.Namespace) -> None:
    """Run one loop in this process, a worker."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    watch = Stopwatch(arguments.device)
    batch, codebook = make_batch(arguments.batch, arguments.seconds)
    if arguments.worker == "upstream":
        parameters = run_upstream(arguments.upstream, batch, codebook, watch)
    else:
        parameters = run_ours(batch, codebook, watch, VARIANTS[arguments.worker])
    watch.finish(parameters=parameters)


def table(results: dict[str, tuple[list[tuple[float, float]], dict[str, Any]]]) -> str:
    """Format the table with one line per loop; the others are compared with `upstream`."""
    base = median(wall for wall, _ in results["upstream"][0])
    base_cpu = median(cpu for _, cpu in results["upstream"][0])
    lines = [
        "| loop | steps/s | s/step: median [min, max] | CPU s/step: median | times as fast: wall, CPU "
        "| peak memory (GiB) | generator, discriminators (M) |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for name, (seconds, facts) in results.items():
        wall, cpu = zip(*seconds, strict=True)
        sizes = ", ".join(f"{count / 1e6:.2f}" for count in facts["parameters"])
        lines.append(
            f"| {name} | {1 / median(wall):.3g} | {median(wall):.3g} [{min(wall):.3g}, {max(wall):.3g}] "
            f"| {median(cpu):.3g} | {base / median(wall):.2f}, {base_cpu / median(cpu):.2f} "
            f"| {facts['peak']:.2f} | {sizes} |"
        )
    return "\n".join(lines) + "\n"


def page(arguments: argparse.Namespace, load: list[float]) -> str:
    """Format the conditions of the measurement."""
    processes = f"{arguments.threads} of {os.cpu_count()} hardware threads, " * (arguments.device == "cpu")
    return f"""# Speed of the vocoder's training

CTX-vec2wav-alpha, a generator and a discriminator step with all losses, against the upstream loop:
{arguments.source}, float32. On {processor(arguments.device)}, {processes}torch {torch.__version__}.

Batch: {arguments.batch} utterances of up to {arguments.seconds:g} s, 1 s crops, prompt features given. \
After {WARM_UP} steps to warm up, {arguments.rounds * arguments.steps} steps of each loop in \
{arguments.rounds} alternating turns. Load average of the machine: {load[0]:.1f} before, {load[1]:.1f} \
after; where that exceeds what the loop itself makes, CPU time says more than wall time. Memory is what \
came on top of the libraries.

Written by `python -m scripts.bench.vocoder`.

"""


def main() -> int:
    """Start the loops, let them take turns, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--upstream", type=Path, required=True, help="folder of a checkout of vec2wav2.0")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    parser.add_argument("--source", help="what to call it, such as 'vec2wav2.0 @ 60ce3de'")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=2, help="utterances")
    parser.add_argument("--seconds", type=float, default=4.0, help="of the longest utterance's content")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each loop")
    parser.add_argument("--steps", type=int, default=2, help="steps of a turn")
    parser.add_argument("--loops", nargs="+", default=["upstream", "ours"], choices=list(VARIANTS))
    parser.add_argument("--worker", choices=list(VARIANTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.source = arguments.source or arguments.upstream.name
    if arguments.worker:
        work(arguments)
        return 0
    workers = [
        Worker(name, "scripts.bench.vocoder", [*sys.argv[1:], "--worker", name])
        for name in dict.fromkeys(["upstream", *arguments.loops])
    ]
    load = [os.getloadavg()[0]]
    for number in range(arguments.rounds + 1):
        for worker in workers:
            worker.take_turn(arguments.steps if number else WARM_UP, counts=number > 0)
            print(number, worker.name, [round(wall, 2) for wall, _ in worker.seconds], flush=True)
    load.append(os.getloadavg()[0])
    results = {worker.name: (worker.seconds, worker.finish()) for worker in workers}
    write_atomic(arguments.out, page(arguments, load) + table(results))
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
