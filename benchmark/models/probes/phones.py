"""The phone probe, which predicts one phone per frame, so that training needs no alignment."""

import numpy as np
import torch
from torch.nn import functional

from benchmark.models.probes.classifier import UNSEEN
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.data import Batch, Labelled
from benchmark.models.probes.loss_floor import SAMPLE, class_losses, spaced
from benchmark.models.probes.module import Probe
from benchmark.types import TokenizerSpec


class PhoneProbe(Probe):
    """Phone probe: BiLSTM and a linear layer, for every frame after upsampling (SUPERB's frame-wise probes).

    Label i + 1 is the i-th of `num_phones`. Label 0 is `UNSEEN`, has no output, and fills the padding. A
    batch holds as many labels as upsampled frames.
    """

    monitor = "dev_error"
    curve = "dev_error"
    anneal_on = "dev_loss"

    def __init__(
        self, spec: TokenizerSpec, config: ProbeConfig, num_phones: int, table_dim: int | None = None
    ) -> None:
        super().__init__(spec, config, num_phones, table_dim)
        self.num_phones = num_phones
        self._dev: list[torch.Tensor] = []

    def forward(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map codes (B, K, T) to float32 scores (B, T', num_phones), undefined beyond the lengths."""
        features, _ = self.encode(codes, lengths)
        return self.output(features).float()

    def predict(self, codes: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
        """Return the index of the best phone of each upsampled frame of each utterance."""
        best = self(codes, lengths).argmax(-1).tolist()
        upsampled = (lengths * self.frontend.upsampling).tolist()
        return [row[:length] for row, length in zip(best, upsampled, strict=True)]

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the cross-entropy per frame of a known phone, averaged over utterances."""
        losses, known = self._losses(self(batch.codes, batch.lengths), batch.labels)
        return (losses.sum(1) / known.sum(1).clamp(min=1)).mean()

    def constant_losses(self, train: Labelled) -> np.ndarray:
        """See `Probe.constant_losses`."""
        known = ([label - 1 for label in row if label != UNSEEN] for row, _ in spaced(train, SAMPLE))
        return class_losses(known, self.num_phones)

    def on_validation_epoch_start(self) -> None:
        """Discard the counts of the previous epoch."""
        self._dev = []

    def validation_step(self, batch: Batch) -> None:
        """Keep the wrong and total frames, the loss and the known frames of one batch."""
        scores = self(batch.codes, batch.lengths)
        losses, known = self._losses(scores, batch.labels)
        wrong = (scores.argmax(-1) + 1 != batch.labels) & _within(batch)
        self._dev.append(torch.stack([wrong.sum(), batch.label_lengths.sum(), losses.sum(), known.sum()]))

    def on_validation_epoch_end(self) -> None:
        """Log the share of wrong frames, and the loss per frame of a known phone."""
        wrong, frames, loss, known = torch.stack(self._dev).sum(0)
        self.log("dev_error", wrong / frames, sync_dist=True)
        self.log("dev_loss", loss / known.clamp(min=1), sync_dist=True)

    @staticmethod
    def _losses(scores: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the (B, T') losses, zero for unknown phones, and the (B, T') mask of known phones."""
        known = labels != UNSEEN
        losses = functional.cross_entropy(
            scores.transpose(1, 2), labels - 1, reduction="none", ignore_index=UNSEEN - 1
        )
        return losses, known


def _within(batch: Batch) -> torch.Tensor:
    """Return the (B, T') mask of frames that are not padding."""
    return torch.arange(batch.labels.shape[1], device=batch.labels.device) < batch.label_lengths[:, None]
