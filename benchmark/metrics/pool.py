"""Signal metrics of many pairs of original and decoded speech, over several processes."""

from collections.abc import Iterable, Sequence

import numpy as np
from joblib import Parallel, delayed

from benchmark.errors import unknown
from benchmark.metrics.alignment import align
from benchmark.metrics.perceptual import pesq_wb, stoi
from benchmark.metrics.pitch import f0_track, gross_pitch_error, voicing_decision_error
from benchmark.metrics.spectral import mel_distance

WAVEFORM_METRICS = {"pesq": pesq_wb, "stoi": stoi, "mel_distance": mel_distance}
PITCH_METRICS = {"gpe": gross_pitch_error, "vde": voicing_decision_error}

Pair = tuple[str, np.ndarray, np.ndarray, np.ndarray]
"""Utterance id, original (T,), its F0 track in Hz (frames,), decoded speech (T',); 16 kHz."""


def score_pairs(
    pairs: Iterable[Pair], metrics: Sequence[str], processes: int = 1
) -> dict[str, dict[str, float | str]]:
    """Score every pair after removing its delay.

    Args:
        pairs: Read as the processes ask for them, so a generator never holds more than a few.
        metrics: Names among `WAVEFORM_METRICS` and `PITCH_METRICS`.
        processes: 1 works in this process.

    Returns:
        By utterance id: a value per metric, NaN for one that could not be computed; "delay" in
        samples; and "failure", why there are NaN, empty where there are none.
    """
    legal = (*WAVEFORM_METRICS, *PITCH_METRICS)
    for name in metrics:
        if name not in legal:
            raise unknown("metric", name, legal)
    jobs = (delayed(_score)(pair, tuple(metrics)) for pair in pairs)
    # Clips above joblib's threshold would go through files; pipes are faster at this size.
    return dict(Parallel(n_jobs=processes, return_as="generator", max_nbytes=None)(jobs))


def _score(pair: Pair, metrics: tuple[str, ...]) -> tuple[str, dict[str, float | str]]:
    name, reference, reference_f0, degraded = pair
    scores: dict[str, float | str] = dict.fromkeys((*metrics, "delay"), float("nan"))
    failures = []
    try:
        reference, degraded, scores["delay"] = align(reference, degraded)
        f0 = f0_track(degraded) if PITCH_METRICS.keys() & set(metrics) else reference_f0[:0]
    except Exception as error:
        return name, scores | {"failure": f"alignment or pitch: {_reason(error)}"}
    for metric in metrics:
        try:
            if metric in WAVEFORM_METRICS:
                scores[metric] = value = WAVEFORM_METRICS[metric](reference, degraded)
            else:
                scores[metric] = value = PITCH_METRICS[metric](reference_f0, f0)
        except Exception as error:
            failures.append(f"{metric}: {_reason(error)}")
        else:
            if np.isnan(value):
                failures.append(f"{metric}: not defined for this pair")
    return name, scores | {"failure": "; ".join(failures)}


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
