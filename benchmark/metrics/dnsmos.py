"""DNSMOS: opinion scores of a recording, predicted without its original."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.fft import rfft

from benchmark.errors import unknown
from benchmark.extractors.base import Extractor, Side, SignalExtractor
from benchmark.extractors.libraries import require
from benchmark.metrics.base import Metric, MetricUndefined, Voice
from benchmark.metrics.framing import mel_filterbank
from benchmark.metrics.signal_pair import Pair
from benchmark.types import SAMPLE_RATE

SECONDS = 9.01
"""Seconds of a window; the models were trained on this length alone."""
SHORTEST = 0.5
"""Seconds below which a clip, repeated to fill a window, would sound like a rattle."""
FFT, HOP, BANDS = 321, 160, 120
"""FFT size and hop in samples, and number of bands, of the mel spectrogram that the P.808 model reads."""

Scale = Literal["p808", "sig", "bak", "ovrl"]
SCALES: dict[Scale, str] = {
    "p808": "P.808 overall quality",
    "sig": "P.835 speech quality",
    "bak": "P.835 background quality",
    "ovrl": "P.835 overall quality",
}
"""Scales of the two models, with their wording in definitions."""
P835_SCALES: tuple[Scale, ...] = ("sig", "bak", "ovrl")
FITTED = ((-0.08397278, 1.22083953, 0.0052439), (-0.13166888, 1.60915514, -0.39604546),
          (-0.06766283, 1.11546468, 0.04602535))  # fmt: skip
"""Coefficients of the parabolas that turn the P.835 model's SIG, BAK and OVRL into opinion scores."""


@dataclass(frozen=True, kw_only=True)
class Dnsmos(SignalExtractor):
    """Base of both models, which give the scores of a clip, (1, width).

    The weights come from the wheel of `speechmos`, Microsoft's package, and the scores equal the package's.
    They are means over windows of 9.01 s every second; a shorter clip is repeated until it fills a window.
    The package's code is not loaded, because it imports many libraries. onnxruntime runs the models on one
    thread.
    """

    kind: ClassVar[str] = "dnsmos"
    library: ClassVar[str] = "speechmos"
    extra: ClassVar[str] = "mos"

    def identity(self) -> dict[str, Any]:
        """See `Extractor.identity`."""
        require(self.library, self.extra)
        return super().identity() | {"package": version(self.library)}

    def extract(self, wav: np.ndarray) -> np.ndarray:
        """See `SignalExtractor.extract`; samples beyond [-1, 1] are clipped, as a file would clip them."""
        if not np.isfinite(wav).all():
            raise ValueError("NaN or infinite samples")
        if len(wav) < SHORTEST * SAMPLE_RATE:
            raise ValueError(f"{len(wav) / SAMPLE_RATE:g} s long, at least {SHORTEST} s is needed")
        if not wav.any():
            raise ValueError("digital silence")
        return np.mean([self.rate(window) for window in _windows(np.clip(wav, -1, 1))], axis=0)[None]

    @abstractmethod
    def rate(self, window: np.ndarray) -> np.ndarray:
        """Compute the scores (width,) of a window, float32 (T,)."""


@dataclass(frozen=True, kw_only=True)
class P808(Dnsmos):
    """DNSMOS (Reddy et al. 2021): overall quality in the sense of ITU-T P.808."""

    def rate(self, window: np.ndarray) -> np.ndarray:
        """See `Dnsmos.rate`."""
        return _session("model_v8.onnx").run(None, {"input_1": _log_mel(window[:-HOP])[None]})[0][0]


@dataclass(frozen=True, kw_only=True)
class P835(Dnsmos):
    """DNSMOS P.835 (Reddy et al. 2022): `P835_SCALES` in the sense of ITU-T P.835; 25 times P808's cost."""

    width: ClassVar[int] = len(P835_SCALES)

    def rate(self, window: np.ndarray) -> np.ndarray:
        """See `Dnsmos.rate`."""
        [[raw]] = _session("sig_bak_ovr.onnx").run(None, {"input_1": window[None]})
        return np.array([np.polyval(curve, value) for curve, value in zip(FITTED, raw, strict=True)])


def _windows(wav: np.ndarray) -> Iterator[np.ndarray]:
    """Yield windows of `SECONDS`, a second apart, float32; at least one.

    As in the package, a window that rounding makes one sample too short, such as the sixth, is skipped.
    """
    length = int(SECONDS * SAMPLE_RATE)
    while len(wav) < length:
        wav = np.tile(wav, 2)
    for second in range(int(len(wav) // SAMPLE_RATE - SECONDS) + 1):
        window = wav[second * SAMPLE_RATE : int((second + SECONDS) * SAMPLE_RATE)]
        if len(window) == length:
            yield window.astype(np.float32)


@cache
def _session(name: str) -> Any:
    """Load one of the models, once per process.

    Raises: UserError if the models are not installed.
    """
    require(Dnsmos.library, Dnsmos.extra)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = resources.files(Dnsmos.library) / "dnsmos_models" / name
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _log_mel(wav: np.ndarray) -> np.ndarray:
    """Compute the log-mel spectrogram, float32 (frames, bands).

    Decibels below the loudest cell are limited to 80 and mapped to [-1, 1].
    """
    padded = np.pad(wav, FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP]
    taper, bands = _analysis()
    power = np.abs(rfft(frames * taper, axis=1)) ** 2 @ bands
    level = 10 * np.log10(np.maximum(power, 1e-10))
    level -= level.max()
    return ((np.maximum(level, -80) + 40) / 40).astype(np.float32)


@cache
def _analysis() -> tuple[np.ndarray, np.ndarray]:
    """Return a periodic Hann window (FFT,), and Slaney's mel bands of equal area (bins, bands)."""
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)
    return taper.astype(np.float32), mel_filterbank(FFT, BANDS, 0.0, SAMPLE_RATE / 2)


@dataclass(frozen=True, kw_only=True)
class DnsmosScore(Metric):
    """A DNSMOS score of the decoded signal, from 1 to about 5; the original is not used.

    Silence and clips under half a second have no score.

    Attributes:
        scale: Key of `SCALES`.
    """

    family: ClassVar[str] = "opinion"
    voice: ClassVar[Voice] = "any"
    higher_is_better: ClassVar[bool | None] = True
    decimals: ClassVar[int] = 2

    label: str = "DNSMOS"
    scale: Scale = "ovrl"

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise unknown("DNSMOS scale", self.scale, SCALES)

    @property
    def definition(self) -> str:
        """See `Metric.definition`."""
        return (
            f"DNSMOS {SCALES[self.scale]} of the decoded signal alone, models of speechmos, windows of "
            f"{SECONDS} s every second, a shorter clip repeated, mean over files"
        )

    def needs(self) -> Iterator[tuple[Side, Extractor]]:
        """See `Metric.needs`."""
        yield "decoded", self._extractor

    def score(self, pair: Pair) -> float:
        """See `Metric.score`; no delay of the decoded signal is removed."""
        scores = np.asarray(pair.value("decoded", self._extractor, "cut"))
        value = float(scores[0, 0 if self.scale == "p808" else P835_SCALES.index(self.scale)])
        if not np.isfinite(value):
            raise MetricUndefined("the model gave no finite score")
        return value

    @property
    def _extractor(self) -> Dnsmos:
        return P808() if self.scale == "p808" else P835()
