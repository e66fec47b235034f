"""What the probes share: front end, BiLSTM, optimiser, schedule, clipping."""

from math import cos, pi
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn

from benchmark.distributed import mean_weights
from benchmark.probes.bilstm import BiLSTM
from benchmark.probes.config import ProbeConfig
from benchmark.probes.frontend import TokenFrontend
from benchmark.types import TokenizerSpec


class Probe(lightning.LightningModule):
    """Embeddings and a BiLSTM over the codes; subclasses add the head and the loss."""

    monitor: str
    """Logged dev scalar that picks the best epoch; lower is better."""
    curve: str
    """Logged dev scalar that the report shows by epoch."""

    def __init__(self, spec: TokenizerSpec, config: ProbeConfig, outputs: int) -> None:
        super().__init__()
        self.config = config
        self.frontend = TokenFrontend(spec, config)
        self.encoder = BiLSTM(config.embedding_dim, config.hidden_dim, config.layers, config.dropout)
        self.output = nn.Linear(2 * config.hidden_dim, outputs)

    def encode(self, codes: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes (B, K, T) to features (B, T', 2 · hidden_dim) and their lengths, upsampling included."""
        lengths = lengths * self.frontend.upsampling
        return self.encoder(self.frontend(codes), lengths), lengths

    def trained_on(self, loss: torch.Tensor, rows: int) -> torch.Tensor:
        """Log a mean over this rank's rows, and weight it for the gradient of the whole batch."""
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=rows, sync_dist=True)
        return loss * mean_weights([rows], loss.device)[0]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; linear warm-up and cosine decay, stepped with every batch."""
        config = self.config
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = max(1, round(config.warmup * steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, warmup, steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        """Clip by norm and log the norm before clipping."""
        norm = nn.utils.clip_grad_norm_(self.parameters(), self.config.grad_clip)
        self.log("grad_norm", norm, on_step=False, on_epoch=True, sync_dist=True)


def learning_rate_factor(step: int, warmup: int, steps: int) -> float:
    """Share of the peak learning rate: up linearly over `warmup` steps, then down a half cosine."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + cos(pi * (step - warmup) / max(1, steps - warmup)))
