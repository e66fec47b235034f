"""Base class of the probes: front end, BiLSTM, optimiser, schedule, gradient clipping."""

from abc import ABC, abstractmethod
from math import cos, inf, pi
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn

from benchmark.models.probes.bilstm import BiLSTM
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.data import Batch, Labelled
from benchmark.models.probes.frontend import make_frontend
from benchmark.training.collectives import mean_weights
from benchmark.types import TokenizerSpec

ANNEALING, IMPROVEMENT = 0.8, 0.0025
"""Factor and threshold of NewBob as in DASB (SpeechBrain's scheduler of that name, patience 0)."""


class Probe(lightning.LightningModule, ABC):
    """Base class of the probes: embeddings and a BiLSTM over codes; subclasses add head and loss."""

    monitor: str
    """Logged dev scalar that selects the best epoch; lower is better."""
    curve: str
    """Logged dev scalar that the report shows by epoch."""
    anneal_on: str
    """Logged dev scalar that the "newbob" schedule follows; lower is better."""

    def __init__(
        self, spec: TokenizerSpec, config: ProbeConfig, outputs: int, table_dim: int | None = None
    ) -> None:
        super().__init__()
        self.spec, self.config = spec, config
        if config.select == "loss":
            self.monitor = self.anneal_on = "dev_loss"
        self.frontend = make_frontend(spec, config, table_dim)
        self.encoder = BiLSTM(
            config.embedding_dim, config.hidden_dim, config.layers, config.dropout, config.open_forget_gates
        )
        self.output = self.make_output(2 * config.hidden_dim, outputs)
        self._annealing, self._before = 1.0, inf

    def make_output(self, features: int, outputs: int) -> nn.Module:
        """Build the layer that turns the BiLSTM's features into scores."""
        return nn.Linear(features, outputs)

    @abstractmethod
    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the training loss: a mean over the rows of the batch."""

    @abstractmethod
    def predict(self, codes: torch.Tensor, lengths: torch.Tensor) -> list[Any]:
        """Return the answer for each utterance."""

    def constant_losses(self, train: Labelled) -> np.ndarray | None:  # noqa: ARG002
        """Return the training loss (N,) of the best answer that ignores the codes, over a sample of `train`.

        None, as in this base class, takes the loss of the initial weights in its place.
        """
        return None

    def encode(self, codes: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map codes (B, K, T) to features (B, T', 2 · hidden_dim) and their lengths, upsampling included."""
        lengths = lengths * self.frontend.upsampling
        return self.encoder(self.frontend(codes), lengths), lengths

    def trained_on(self, loss: torch.Tensor, rows: int) -> torch.Tensor:
        """Log a mean over this rank's rows, and weight it for the gradient of the whole batch."""
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=rows, sync_dist=True)
        return loss * mean_weights([rows], loss.device)[0]

    def training_step(self, batch: Batch) -> torch.Tensor:
        """Return the loss of one batch."""
        return self.trained_on(self.loss(batch), len(batch.codes))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Set up AdamW with linear warm-up followed by cosine or NewBob, updated after every batch."""
        config = self.config
        if len(config.learning_rates) != 1:
            raise ValueError(f"a training has one learning rate, not {config.learning_rates}")
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=config.learning_rates[0], weight_decay=config.weight_decay
        )
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = max(1, round(config.warmup * steps))

        def factor(step: int) -> float:
            if config.schedule == "newbob":
                return self._annealing * min(1.0, (step + 1) / warmup)
            return learning_rate_factor(step, warmup, steps)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Log the learning rate that NewBob has reached."""
        if self.config.schedule == "newbob":
            peak = self.config.learning_rates[0]
            self.log("learning_rate", self._annealing * peak, on_step=False, on_epoch=True)

    def on_train_epoch_end(self) -> None:
        """Anneal by NewBob; runs after the validation of the epoch and before its checkpoint."""
        if self.config.schedule != "newbob":
            return
        score = float(self.trainer.callback_metrics[self.anneal_on])
        if not improves(self._before, score):
            self._annealing *= ANNEALING
            for optimizer in self.trainer.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] *= ANNEALING
        self._before = score

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the state of NewBob, so that a resumed training continues its schedule."""
        checkpoint["newbob"] = [self._annealing, self._before]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of NewBob."""
        self._annealing, self._before = checkpoint["newbob"]

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        """Clip the gradient by its norm, and log the norm before clipping."""
        norm = nn.utils.clip_grad_norm_(self.parameters(), self.config.grad_clip)
        self.log("grad_norm", norm, on_step=False, on_epoch=True, sync_dist=True)


def improves(before: float, score: float) -> bool:
    """Return whether a dev score fell by the share `IMPROVEMENT` since the last epoch; true for the first."""
    return before == inf or (before > 0 and (before - score) / before >= IMPROVEMENT)


def learning_rate_factor(step: int, warmup: int, steps: int) -> float:
    """Return the share of the peak learning rate: a linear rise over `warmup` steps, then a half cosine."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + cos(pi * (step - warmup) / max(1, steps - warmup)))
