"""Resemblyzer in batches, the speaker encoder behind the similarity (SECS) in the CTX-vec2wav papers."""

import warnings
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np

from benchmark.extractors.speaker.encoders import Embed, SpeakerEncoder
from benchmark.types import SAMPLE_RATE

WINDOW_FFT = 400
HOP = 160
BANDS = 40
BATCH = 64
"""Windows that the LSTM processes together; a CPU gains nothing from more."""
MULTIPLE = 8
"""Number to whose multiple the windows of a batch are padded.

Each window then takes the same path through a CPU's matrix product whatever the others are. Without padding,
a window on its own would differ in the seventh digit.
"""


@dataclass(frozen=True, kw_only=True)
class Resemblyzer(SpeakerEncoder):
    """Resemblyzer's GE2E encoder (Wan et al. 2018), whose weights are in its wheel.

    First the package itself raises the volume to -30 dBFS and removes long silences by WebRTC VAD. The
    LSTM's windows of 1.6 s are those of `embed_utterance`, but windows of many clips are batched. A vector
    has unit length and no negative element.
    """

    width: ClassVar[int] = 256
    shortest: ClassVar[int] = SAMPLE_RATE * 30 // 1000  # a frame of the VAD

    @property
    def name(self) -> str:
        """See `SpeakerEncoder.name`."""
        return "Resemblyzer"

    @property
    def treatment(self) -> str:
        """See `SpeakerEncoder.treatment`."""
        return "after its volume normalisation and VAD"

    def identity(self) -> dict[str, Any]:
        """See `Extractor.identity`."""
        return {"class": type(self).__name__, "package": version("resemblyzer"), "version": self.version}

    def embedder(self, device: str) -> Embed:
        """See `SpeakerEncoder.embedder`."""
        with warnings.catch_warnings():  # the package uses deprecated imports
            warnings.simplefilter("ignore")
            from resemblyzer import VoiceEncoder, preprocess_wav
        return _Batched(VoiceEncoder(device, verbose=False).eval(), preprocess_wav, device)


class _Batched:
    """Batched embedding of clips; a clip in which the VAD finds no speech has an empty vector."""

    def __init__(self, encoder: Any, preprocess: Any, device: str) -> None:
        import librosa
        import torch

        self.encoder, self.preprocess, self.device = encoder, preprocess, device
        bands = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=WINDOW_FFT, n_mels=BANDS)
        self.bands = torch.from_numpy(bands).to(device)
        self.taper = torch.hann_window(WINDOW_FFT, device=device)

    def __call__(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        import torch

        # Samples are clipped, because beyond [-1, 1] the VAD's integers overflow.
        speech = [self.preprocess(np.clip(wav, -1.0, 1.0)) for wav in wavs]
        with torch.no_grad():
            windows = [self._windows(clip) for clip in speech if len(clip)]
            parts = iter(self._embed(torch.cat(windows)).split([len(w) for w in windows]) if windows else ())
        return [_unit_mean(next(parts).numpy()) if len(clip) else np.zeros(0, np.float32) for clip in speech]

    def _windows(self, speech: np.ndarray) -> Any:
        """Return the mel windows (windows, frames, bands) of one clip, cut like in the package."""
        import torch

        sound, frames = self.encoder.compute_partial_slices(len(speech), rate=1.3, min_coverage=0.75)
        padded = np.pad(speech.astype(np.float32), (0, max(0, sound[-1].stop - len(speech))))
        wav = torch.from_numpy(padded).to(self.device)
        spectrum = torch.stft(
            wav, WINDOW_FFT, HOP, window=self.taper, pad_mode="constant", return_complex=True
        )
        mel = (self.bands @ spectrum.abs().square()).T
        return torch.stack([mel[window] for window in frames])

    def _embed(self, windows: Any) -> Any:
        """Return the vectors (windows, width) of all windows, on the CPU."""
        import torch

        fill = windows.new_zeros(-len(windows) % MULTIPLE, *windows.shape[1:])
        filled = torch.cat((windows, fill))
        return torch.cat([self.encoder(batch).cpu() for batch in filled.split(BATCH)])[: len(windows)]


def _unit_mean(vectors: np.ndarray) -> np.ndarray:
    """Return the mean of (windows, width) scaled to unit length, (width,); NaN if the mean is zero."""
    mean = vectors.mean(axis=0)
    with np.errstate(invalid="ignore"):
        return mean / np.linalg.norm(mean)
