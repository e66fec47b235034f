"""Compare pitch extractors on speech whose pitch is known, and with each other on recordings.

    python -m scripts.bench.pitch FOLDER --out docs/measurements/pitch.md

Reads audio files below FOLDER. `scripts.bench.pitch_synthesis` makes the speech with known pitch from them.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmark.data.audio import read_audio
from benchmark.errors import UserError
from benchmark.extractors.f0.crepe import Crepe
from benchmark.extractors.f0.extractors import F0, Autocorrelation, Dio, Harvest, Pyin
from benchmark.metrics.f0_tracks import gross
from benchmark.metrics.pitch import GROSS_ERROR
from benchmark.types import SAMPLE_RATE
from scripts.bench.interleaved import processor, publish
from scripts.bench.pitch_synthesis import add_noise, contour, hear_voice, most_voiced, resynthesise

EXTRACTORS: dict[str, F0] = {
    "autocorrelation": Autocorrelation(),
    "DIO+StoneMask": Dio(),
    "Harvest": Harvest(),
    "pYIN": Pyin(),
    "CREPE tiny": Crepe(),
}
"""All search 60 to 500 Hz every 10 ms. The voicing thresholds are those of the extractors' authors."""
NOISES = (20.0, 10.0)
"""Signal-to-noise ratios in dB."""
OCTAVE = 0.1
"""Relative distance from half or twice the pitch within which an error is one of an octave."""
SUFFIXES = (".flac", ".wav")


class Errors(NamedTuple):
    """Counts of frames by which two tracks differ."""

    frames: int
    voiced: int
    missed: int
    added: int
    both: int
    gross: int
    octave: int

    def plus(self, other: "Errors") -> "Errors":
        """Return the sums of the counts."""
        return Errors(*(a + b for a, b in zip(self, other, strict=True)))

    def shares(self) -> dict[str, float]:
        """Return FFE, VDE and its parts, GPE and octave errors in percent."""
        wrong = self.missed + self.added
        return {
            "FFE": 100 * (wrong + self.gross) / self.frames,
            "VDE": 100 * wrong / self.frames,
            "missed": 100 * self.missed / max(1, self.voiced),
            "added": 100 * self.added / max(1, self.frames - self.voiced),
            "GPE": 100 * self.gross / max(1, self.both),
            "octave": 100 * self.octave / max(1, self.both),
        }


NONE = Errors(0, 0, 0, 0, 0, 0, 0)


def compare(truth: np.ndarray, found: np.ndarray) -> Errors:
    """Count the frames of `found` that differ from `truth`, F0 in Hz (frames,) each, 0 where unvoiced."""
    voiced, heard = truth > 0, found > 0
    both = voiced & heard
    ratio = found[both] / truth[both]
    octave = (abs(ratio / 2 - 1) < OCTAVE) | (abs(ratio * 2 - 1) < OCTAVE)
    wrong = gross(truth[both], found[both], GROSS_ERROR)
    counts = voiced, voiced & ~heard, heard & ~voiced, both, wrong, octave
    return Errors(len(truth), *(int(count.sum()) for count in counts))


def track(extractor: F0, wav: np.ndarray) -> np.ndarray:
    """Return F0 in Hz at every 10 ms from the first sample on, (frames,), 0 where unvoiced."""
    return extractor.extract(wav)[:, 0].astype(np.float64)


def read_some(folder: Path, count: int, seconds: float, seed: int) -> list[np.ndarray]:
    """Return the first seconds of `count` files below a folder, chosen at random.

    Raises: UserError if there are fewer files.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    if len(paths) < count:
        raise UserError(f"{folder}: {len(paths)} files {' or '.join(SUFFIXES)}, and not {count}; --count=…")
    chosen = np.random.default_rng(seed).permutation(len(paths))[:count]
    return [read_audio(paths[number])[: round(seconds * SAMPLE_RATE)] for number in sorted(chosen)]


def against_each_other(tracks: Sequence[Mapping[str, np.ndarray]]) -> dict[str, tuple[float, float, float]]:
    """Return share of voiced frames, and mean VDE and GPE against the other extractors, in percent."""
    found = {}
    for name in tracks[0]:
        voiced = np.mean(np.concatenate([each[name] > 0 for each in tracks]))
        pairs = []
        for other in tracks[0]:
            if other != name:
                total = NONE
                for each in tracks:
                    total = total.plus(compare(each[other], each[name]))
                pairs.append((total.shares()["VDE"], total.shares()["GPE"]))
        found[name] = (100 * float(voiced), *np.mean(pairs, axis=0).tolist())
    return found


def measure(wavs: Sequence[np.ndarray], seed: int) -> tuple[list[str], list[str]]:
    """Return the lines of both tables: errors on known pitch, and agreement on the recordings."""
    extractors = {n: e for n, e in EXTRACTORS.items() if not e.library or find_spec(e.library)}
    rng = np.random.default_rng(seed)
    tracks: list[dict[str, np.ndarray]] = [{} for _ in wavs]
    spent = {}
    for name, extractor in extractors.items():
        track(extractor, wavs[0])  # a warm-up: filters are built, networks loaded
        start = time.process_time()
        for own, wav in zip(tracks, wavs, strict=True):
            own[name] = track(extractor, wav)
        spent[name] = (time.process_time() - start) / sum(map(len, wavs)) * SAMPLE_RATE
        print(f"{name}: {1000 * spent[name]:.0f} ms per second", flush=True)
    votes = [np.stack(list(own.values())) for own in tracks]
    truths = [contour(most_voiced(each), each) for each in votes]
    others = [contour(hear_voice(wav), each) for wav, each in zip(wavs, votes, strict=True)]
    made = [resynthesise(wav, truth, rng) for wav, truth in zip(wavs, truths, strict=True)]
    heard = {"clean": (made, truths)}
    heard |= {f"{noise:.0f} dB": ([add_noise(wav, noise, rng) for wav in made], truths) for noise in NOISES}
    made = [resynthesise(wav, truth, rng) for wav, truth in zip(wavs, others, strict=True)]
    heard["clean, voicing by energy"] = made, others
    known = []
    for condition, (signals, expected) in heard.items():
        for name, extractor in extractors.items():
            total = NONE
            for wav, truth in zip(signals, expected, strict=True):
                total = total.plus(compare(truth, track(extractor, wav)))
            cells = " | ".join(f"{share:.1f}" for share in total.shares().values())
            known.append(f"| {condition} | {name} | {cells} |")
            print(known[-1], flush=True)
    real = [
        f"| {name} | {voiced:.1f} | {vde:.1f} | {gpe:.1f} | {1000 * spent[name]:.1f} |"
        for name, (voiced, vde, gpe) in against_each_other(tracks).items()
    ]
    return known, real


def main(argv: list[str] | None = None) -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of recordings")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--count", type=int, default=30, help="recordings")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each recording")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    wavs = read_some(arguments.folder, arguments.count, arguments.seconds, arguments.seed)
    known, real = measure(wavs, arguments.seed)
    publish(page(arguments, wavs, known, real), arguments.out)
    return 0


def page(
    arguments: argparse.Namespace, wavs: Sequence[np.ndarray], known: Sequence[str], real: Sequence[str]
) -> str:
    """Return the page in Markdown."""
    seconds = sum(map(len, wavs)) / SAMPLE_RATE / len(wavs)
    return f"""# Pitch extractors

{len(wavs)} recordings of {arguments.folder.name}, {seconds:.1f} s each, seed {arguments.seed}, on one \
thread of {processor("cpu")}. All extractors search 60 to 500 Hz every 10 ms. Their voicing thresholds are \
those of their authors.

## Speech with known pitch

Each recording is synthesised again from linear prediction filters of order 18. They are excited by pulses \
at a known pitch where speech is voiced and by white noise elsewhere, so the truth is exact. The pitch is \
the median of all extractors on the recording, the voicing that of their majority, runs below 50 ms left \
out. White noise is added at two signal-to-noise ratios. In the last condition the voicing rests on no \
extractor: frames are voiced whose energy below 1 kHz is within 25 dB of the loudest and exceeds that \
above 1 kHz.

FFE, VDE: share of all frames. Missed: share of the voiced frames that are taken for unvoiced. Added: \
share of the unvoiced frames that are taken for voiced. GPE (off by more than 20 %) and octave (half or \
twice the pitch): shares of the frames voiced in both. All in percent.

| condition | extractor | FFE | VDE | missed | added | GPE | octave |
| --- | --- | --: | --: | --: | --: | --: | --: |
{chr(10).join(known)}

## Recordings

VDE and GPE are means over the comparisons with each of the other extractors.

| extractor | voiced % | VDE % | GPE % | CPU ms per second |
| --- | --: | --: | --: | --: |
{chr(10).join(real)}

Written by `python -m scripts.bench.pitch`.
"""


if __name__ == "__main__":
    sys.exit(main())
