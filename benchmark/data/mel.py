"""The log-mel spectrogram shared by metrics, tokenizers and the vocoder."""

from typing import Literal

import torch
import torchaudio
from torch.nn.functional import pad

from benchmark.types import SAMPLE_RATE


class LogMel(torch.nn.Module):
    """Logarithm of the mel-weighted amplitude (not power) spectrum of speech, at 16 kHz unless said.

    The filterbank has Slaney's mel scale and area normalisation, which is also librosa's default
    and that of HiFi-GAN and ParallelWaveGAN. Gradients reach the waveform, and are zero where a
    band lies below the floor.
    """

    window: torch.Tensor
    filterbank: torch.Tensor

    def __init__(
        self,
        n_fft: int = 1024,
        hop_length: int = 256,
        win_length: int | None = None,
        n_mels: int = 80,
        f_min: float = 0.0,
        f_max: float = 8000.0,
        floor: float = 1e-5,
        center: bool = True,
        log: Literal["ln", "log10"] = "ln",
        sample_rate: int = SAMPLE_RATE,
    ) -> None:
        """Register the Hann window and the filterbank.

        Args:
            n_fft: FFT size in samples.
            hop_length: Samples between frames.
            win_length: Window length in samples; `n_fft` when None.
            n_mels: Number of bands.
            f_min: Lower edge of the lowest band (Hz).
            f_max: Upper edge of the highest band (Hz), at most half the sample rate.
            floor: Lower limit that amplitudes are clamped to.
            center: True pads n_fft // 2 samples on both sides; frame t is centred on sample
                t · hop_length, and there are T // hop_length + 1 frames. False pads
                (n_fft - hop_length) // 2 samples on both sides, as HiFi-GAN does; frame t is centred
                on its own hop, and there are T // hop_length frames.
            log: Natural or decimal logarithm.
            sample_rate: Samples per second.

        Raises:
            ValueError: `log`, the band edges or the parity of n_fft - hop_length is wrong.
        """
        super().__init__()
        if log not in ("ln", "log10"):
            raise ValueError(f"log must be 'ln' or 'log10', not {log!r}")
        if not 0 <= f_min < f_max <= sample_rate / 2:
            raise ValueError(f"need 0 <= f_min < f_max <= {sample_rate / 2}, not {f_min} and {f_max}")
        if not center and (n_fft < hop_length or (n_fft - hop_length) % 2):
            raise ValueError(
                f"center=False needs an even n_fft - hop_length >= 0, not {n_fft} - {hop_length}"
            )
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.win_length = win_length or n_fft
        self.n_mels = n_mels
        self.floor = floor
        self.log = torch.log if log == "ln" else torch.log10
        self.padding = n_fft // 2 if center else (n_fft - hop_length) // 2
        filterbank = torchaudio.functional.melscale_fbanks(
            n_fft // 2 + 1, f_min, f_max, n_mels, sample_rate, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("window", torch.hann_window(self.win_length), persistent=False)
        self.register_buffer("filterbank", filterbank.T.contiguous(), persistent=False)

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        """Compute the log-mel spectrograms of a batch.

        Args:
            wav: Float (B, T), T at least one hop. The ends are reflected, or padded with zeros
                if the clip is too short to be reflected.

        Returns:
            Float (B, n_mels, frames).
        """
        mode = "reflect" if wav.shape[-1] > self.padding else "constant"
        padded = pad(wav.unsqueeze(1), (self.padding, self.padding), mode=mode).squeeze(1)
        spectrum = torch.stft(
            padded,
            self.n_fft,
            self.hop_length,
            self.win_length,
            self.window,
            center=False,
            return_complex=True,
        )
        return self.log((self.filterbank @ self.amplitude(spectrum)).clamp(min=self.floor))

    def amplitude(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Return the amplitudes of a complex spectrum."""
        return spectrum.abs()
