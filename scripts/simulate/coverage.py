"""Coverage of 95 % intervals, and the smallest difference that a test set can show: tables for the docs.

Run `python -m scripts.simulate.coverage`; the output stands in docs/explanation/statistics.md.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import nct
from scipy.stats import t as student_t

from benchmark.metrics.statistics.intervals import ratio_bounds
from scripts.simulate.designs import DESIGNS, Design

CLUSTERS = (2, 3, 4, 5, 6, 8, 10, 20, 40)
SIMULATIONS = 2000
LEVEL, POWER = 0.05, 0.8
TEST_SETS = {
    "mini, 6 × 10": (6, 10.0),
    "probing, 6 × 16": (6, 16.0),
    "LibriTTS testset-B, 37 × 13.5": (37, 13.5),
    "LibriSpeech test-other, 33 × 89": (33, 89.0),
}
"""Speakers and utterances of each, by profile or corpus."""
REFERENCE = Path("results/reference/mini/utterances")
COMPARED = ("mel_rvq", "mfcc_kmeans", "whisper_kmeans")
METRICS = {
    "reconstruction": ("wer", "pesq", "stoi", "gpe", "vde", "mel_distance"),
    "voice_conversion": ("secs", "p_corr"),
    "asr_probe": ("words_wrong",),
    "intent_probe": ("intent_accuracy",),
}


def coverage(design: Design, speakers: int, simulations: int = SIMULATIONS, seed: int = 0) -> np.ndarray:
    """Return where the interval holds the truth, where it lies below and where above, in percent (3,).

    Test sets without an interval do not count.
    """
    rng = np.random.default_rng((seed, speakers, DESIGNS.index(design)))
    parts = np.stack(design.draw(rng, simulations, speakers))
    _, lo, hi = ratio_bounds(parts.reshape(2, simulations, -1), parts.sum(axis=-1), design.within)
    lo, hi = lo[np.isfinite(lo)], hi[np.isfinite(lo)]
    below, above = 100 * (hi < design.truth).mean(), 100 * (lo > design.truth).mean()
    return np.array([100 - below - above, below, above])


def spread(task: str, metric: str, folder: Path = REFERENCE) -> tuple[float, float]:
    """Return the standard deviations of differences between two tokenizers: between speakers, and within.

    They are the roots of the mean variances over all pairs of `COMPARED`, on the utterances that both have.
    """
    between, within = [], []
    frames = {
        name: _scores(folder / f"{task}__{name}__synthetic__seed0.parquet", metric) for name in COMPARED
    }
    for place, first in enumerate(COMPARED):
        for second in COMPARED[place + 1 :]:
            gaps = (frames[first] - frames[second]).dropna().groupby("speaker_id")
            inside = float(gaps.var().mean())
            within.append(inside)
            between.append(max(0.0, float(gaps.mean().var() - inside * (1 / gaps.count()).mean())))
    return float(np.sqrt(np.mean(between))), float(np.sqrt(np.mean(within)))


def _scores(path: Path, metric: str) -> pd.Series:
    """Return scores by speaker and utterance, those of corpus rates so that their mean is the rate."""
    frame = pd.read_parquet(path).set_index(["speaker_id", "utterance_id"])
    if metric == "words_wrong":
        return 100 * frame[metric] / frame["words"].mean()
    weight = f"{metric}:weight"
    return frame[metric] * frame[weight] / frame[weight].mean() if weight in frame else frame[metric]


def smallest_difference(between: float, within: float, speakers: int, utterances: float) -> float:
    """Return the difference whose 95 % interval leaves out zero in 80 % of test sets, for normal scores."""
    limit = student_t.isf(LEVEL / 2, speakers - 1)

    def surplus(shift: float) -> float:
        return float(nct.sf(limit, speakers - 1, shift) - POWER)

    error = np.sqrt((between**2 + within**2 / utterances) / speakers)
    return float(brentq(surplus, 1.0, 30.0)) * float(error)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are numbers."""
    rules = ["---", *("--:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rules, *rows))


def main() -> None:
    """Print both tables."""
    rows = []
    for design in DESIGNS:
        found = [coverage(design, speakers)[0] for speakers in CLUSTERS]
        rows.append([f"{design.kind}: {design.name}", *(f"{each:.1f}" for each in found)])
    print(markdown(["speakers", *map(str, CLUSTERS)], rows), end="\n\n")
    rows = []
    for task, metrics in METRICS.items():
        for metric in metrics:
            between, within = spread(task, metric)
            least = (smallest_difference(between, within, *size) for size in TEST_SETS.values())
            name = "probe_wer" if metric == "words_wrong" else metric
            rows.append([f"{task} {name}", f"{between:.2g}", f"{within:.2g}", *(f"{x:.2g}" for x in least)])
    print(markdown(["metric", "SD between", "SD within", *TEST_SETS], rows))


if __name__ == "__main__":
    main()
