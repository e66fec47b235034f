"""Measurement of the encoding speed of the tokenizers that this machine has."""

import json
import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmark.errors import UserError
from benchmark.jobs.cost.rates import MEASURED, read_measured
from benchmark.jobs.requirements import library_needs, weight_needs
from benchmark.storage.atomic_files import write_atomic
from benchmark.tokenizers.base import FittedTokenizer, Tokenizer, parts
from benchmark.tokenizers.encoding.batches import encode_wavs
from benchmark.tokenizers.encoding.encode import needs_fitted_codebook
from benchmark.types import SAMPLE_RATE

log = logging.getLogger(__name__)

SECONDS = 10
"""Length of an utterance in seconds, about that of read speech."""
BATCH = 4
LEAST = 3.0
"""Minimum duration of a measurement in seconds."""


def measure(tokenizers: Iterable[Tokenizer], cache: Path) -> dict[str, str]:
    """Time each tokenizer, and store the rates in the cache for later plans.

    The input is noise instead of speech, because the time of the computation does not depend on the content
    of the audio. Reading of files is not timed.

    Args:
        tokenizers: Tokenizers, each with the device that it is to run on. Instead of a tokenizer made from
            other tokenizers, these others are timed.
        cache: Root folder of the artifacts.

    Returns: For each tokenizer by name, the rate in words or the reason why there is none.
    """
    found: dict[str, str] = {}
    rates = read_measured(cache)
    for whole in tokenizers:
        inner = parts(whole.base_tokenizer)
        for tokenizer in inner[1:] or inner:
            if tokenizer.name in found:
                continue
            needs = *library_needs(parts(tokenizer)), *weight_needs(tokenizer, hub=None)
            missing = [need.what for need in needs]
            if missing:
                found[tokenizer.name] = f"not here: {'; '.join(missing)}"
                continue
            try:
                rate = _rate(replace(tokenizer))  # the copy's weights are freed with it
            except (UserError, RuntimeError, ValueError, OSError) as error:
                found[tokenizer.name] = f"failed: {' '.join(str(error).split())}"
                continue
            device = "gpu" if tokenizer.device.startswith("cuda") else "cpu"
            date = datetime.now(UTC).strftime("%Y-%m-%d")
            rates.setdefault(device, {})[tokenizer.name] = [float(f"{rate:.3g}"), date]
            found[tokenizer.name] = f"{rate:.3g} × real time"
            write_atomic(cache / MEASURED, json.dumps(rates, indent=1, sort_keys=True))
    return found


def _rate(tokenizer: Tokenizer) -> float:
    """Return the seconds of audio that the tokenizer encodes per second."""
    rng = np.random.default_rng(0)
    wavs = [rng.standard_normal(SECONDS * SAMPLE_RATE).astype(np.float32) / 10 for _ in range(BATCH)]
    if isinstance(tokenizer, FittedTokenizer) and needs_fitted_codebook(tokenizer):
        frames = BATCH * SECONDS * tokenizer.spec.frame_rate
        rounds = int(-(-1.2 * tokenizer.spec.codebook_size // frames))
        tokenizer = tokenizer.fit((wav for _ in range(rounds) for wav in wavs), seed=0)
    encode_wavs(tokenizer, wavs[:1])  # a warm-up, which loads weights and selects kernels
    start, encoded = time.monotonic(), 0
    while (elapsed := time.monotonic() - start) < LEAST:
        encode_wavs(tokenizer, wavs)
        encoded += BATCH * SECONDS
    return encoded / elapsed
