"""Monitoring of a vocoder's validation: pitch error, and audio and images for loggers that take media."""

from typing import Any

import lightning
import matplotlib
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from benchmark.data.mel import LogMel
from benchmark.extractors.f0.extractors import Dio
from benchmark.metrics.pitch import GROSS_ERROR
from benchmark.models.vocoder.data import Batch
from benchmark.types import SAMPLE_RATE

PITCHED, HEARD = 8, 3
"""Dev utterances whose pitch is compared after every epoch, and those sent to loggers as audio and image."""


class Listening(Callback):
    """Callback that examines the first dev utterances, which are the longest, after every epoch."""

    def __init__(self) -> None:
        self.pictures = LogMel()
        self._references: list[np.ndarray] = []

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        *_: Any,
    ) -> None:
        """Compare the waveforms (B, S) returned by the first `validation_step` with the recordings."""
        if batch_idx:
            return
        hop = batch.wav.shape[1] // int(batch.lengths.max())
        lengths = (batch.lengths[:PITCHED] * hop).tolist()
        real, fake = (
            [row[:n].float().cpu().numpy() for row, n in zip(wav, lengths, strict=False)]
            for wav in (batch.wav, outputs)
        )
        # The recordings stay the same from epoch to epoch, so their pitch is tracked once.
        self._references = self._references or [_track(wav) for wav in real]
        module.log("val/pitch_error", pitch_error(self._references, fake), batch_size=1, sync_dist=True)
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                show(logger, real[:HEARD], fake[:HEARD], self.pictures, trainer.current_epoch)


def pitch_error(references: list[np.ndarray], wavs: list[np.ndarray]) -> float:
    """Return the percentage of the references' voiced frames that are unvoiced or over 20 % off in `wavs`.

    The measure joins gross pitch error with missed voicing. It is therefore defined from the first epoch on,
    where nothing may be voiced yet. It is zero if the recordings have no voiced frame.
    """
    wrong = total = 0
    for reference, wav in zip(references, wavs, strict=True):
        track = _track(wav) if np.isfinite(wav).all() else np.zeros_like(reference)
        frames = min(len(reference), len(track))
        expected, found = reference[:frames], track[:frames]
        voiced = expected > 0
        wrong += int((np.abs(found - expected) > GROSS_ERROR * expected)[voiced].sum())
        total += int(voiced.sum())
    return 100.0 * wrong / max(1, total)


def _track(wav: np.ndarray) -> np.ndarray:
    """Return the F0 (frames,) in Hz, 0 where unvoiced."""
    return Dio().extract(wav)[:, 0]


def show(logger: Logger, real: list[np.ndarray], fake: list[np.ndarray], mel: LogMel, epoch: int) -> None:
    """Send recordings and synthesis to a logger as audio and log-mels; skip loggers that take neither."""
    for number, pair in enumerate(zip(real, fake, strict=True)):
        picture = _picture(*pair, mel)
        for name, wav in zip(("recording", "synthesis"), pair, strict=True):
            tag, samples = f"val/{name}_{number}", np.clip(np.nan_to_num(wav), -1, 1)
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_audio(tag, torch.from_numpy(samples)[None], epoch, SAMPLE_RATE)
            elif isinstance(logger, WandbLogger):
                logger.log_audio(tag, [samples], sample_rate=[SAMPLE_RATE])
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(f"val/mel_{number}", picture, epoch, dataformats="HWC")
        elif isinstance(logger, WandbLogger):
            logger.log_image(f"val/mel_{number}", [picture])


def _picture(real: np.ndarray, fake: np.ndarray, mel: LogMel) -> np.ndarray:
    """Draw the recording's log-mel above the synthesis's, low bands below: (height, width, 3) uint8."""
    rows = [mel(torch.from_numpy(np.nan_to_num(wav))[None])[0].flip(0) for wav in (real, fake)]
    low, high = float(rows[0].min()), float(rows[0].max())
    values = ((torch.cat(rows) - low) / max(high - low, 1e-5)).clamp(0, 1).numpy()
    return (matplotlib.colormaps["magma"](values)[..., :3] * 255).astype(np.uint8)
