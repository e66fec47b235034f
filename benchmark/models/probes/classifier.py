"""The intent probe, which predicts one label per utterance."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.data import Batch, Labelled
from benchmark.models.probes.loss_floor import SAMPLE, class_losses, spaced
from benchmark.models.probes.module import Probe
from benchmark.types import TokenizerSpec

UNSEEN = 0
"""Label of an intent that does not occur in training; it always counts as an error."""
ERROR_THEN_LOSS = "dev_error_then_loss"
"""Dev scalar that ranks epochs by error, and those of equal error by loss."""


class IntentProbe(Probe):
    """Intent probe: BiLSTM, mean over the frames of an utterance, linear layer (DASB's LSTM head for SLURP).

    Label i + 1 is the i-th of `num_intents`; label 0 is `UNSEEN` and has no output.
    """

    monitor = ERROR_THEN_LOSS
    curve = "dev_error"
    anneal_on = "dev_error"

    def __init__(
        self, spec: TokenizerSpec, config: ProbeConfig, num_intents: int, table_dim: int | None = None
    ) -> None:
        super().__init__(spec, config, num_intents, table_dim)
        self.num_intents = num_intents
        self.dropout = nn.Dropout(config.dropout)
        self._dev: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map codes (B, K, T) to float32 scores (B, num_intents)."""
        features, lengths = self.encode(codes, lengths)
        valid = torch.arange(features.shape[1], device=features.device) < lengths[:, None]
        pooled = (features * valid[..., None]).sum(1) / lengths[:, None].clamp(min=1)
        return self.output(self.dropout(pooled)).float()

    def predict(self, codes: torch.Tensor, lengths: torch.Tensor) -> list[int]:
        """Return the index of the best intent of each utterance."""
        best: list[int] = self(codes, lengths).argmax(-1).tolist()
        return best

    def make_output(self, features: int, outputs: int) -> nn.Module:
        """Build one linear layer, or two without a nonlinearity between them.

        DASB puts the first of the two before the pooling; both are linear, so the function is the same.
        """
        width = self.config.projection_dim
        if width is None:
            return nn.Linear(features, outputs)
        return nn.Sequential(nn.Linear(features, width), nn.Linear(width, outputs, bias=False))

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the cross-entropy over the intents that occur in training."""
        return functional.cross_entropy(self(batch.codes, batch.lengths), batch.labels[:, 0] - 1)

    def constant_losses(self, train: Labelled) -> np.ndarray:
        """See `Probe.constant_losses`."""
        return class_losses(([row[0] - 1] for row, _ in spaced(train, SAMPLE)), self.num_intents)

    def on_validation_epoch_start(self) -> None:
        """Discard the predictions of the previous epoch."""
        self._dev = []

    def validation_step(self, batch: Batch) -> None:
        """Keep the scores and labels of one batch."""
        self._dev.append((self(batch.codes, batch.lengths), batch.labels[:, 0]))

    def on_validation_epoch_end(self) -> None:
        """Log the error rate, and the loss over the intents that occur in training."""
        scores, labels = (torch.cat(parts) for parts in zip(*self._dev, strict=True))
        error = (scores.argmax(-1) + 1 != labels).float().mean()
        known = labels != UNSEEN
        loss = functional.cross_entropy(
            scores[known], labels[known] - 1, reduction="sum"
        ) / known.sum().clamp(min=1)
        self.log("dev_error", error, sync_dist=True)
        self.log("dev_loss", loss, sync_dist=True)
        # The loss breaks ties between epochs of equal error: its term stays below the weight of one
        # utterance.
        self.log(ERROR_THEN_LOSS, error + loss / (1 + loss) / len(labels), sync_dist=True)
