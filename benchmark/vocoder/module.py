"""Training of the vocoder: a generator and discriminators under manual optimisation.

Budgets and logs count generator steps. Lightning's `global_step` counts the steps of both
optimisers and is not used.
"""

from typing import Any

import lightning
import torch
from torch import nn

from benchmark.data.mel import LogMel
from benchmark.vocoder.config import VocoderConfig
from benchmark.vocoder.data import Batch
from benchmark.vocoder.discriminators import Discriminators
from benchmark.vocoder.losses import (
    MelLoss,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    frame_l1,
)
from benchmark.vocoder.model import CTXVec2Wav
from benchmark.vocoder.schedule import learning_rate

Scalars = dict[str, torch.Tensor]


class VocoderModule(lightning.LightningModule):
    """One generator step per batch, after a discriminator step once the adversarial part has begun."""

    generator_step: torch.Tensor

    def __init__(self, model: CTXVec2Wav, config: VocoderConfig) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.config = config
        self.discriminators = Discriminators(config.discriminators) if config.discriminators else None
        self.mel_loss = MelLoss(config.losses.resolutions)
        self.distance = LogMel()
        self.segment = round(config.segment_seconds * 16_000 / model.hop_length)
        self.register_buffer("generator_step", torch.zeros((), dtype=torch.long))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for the generator and, where there are any, for the discriminators."""
        networks: list[nn.Module] = [self.model]
        if self.discriminators is not None:
            networks.append(self.discriminators)
        lr, (beta1, beta2) = self.config.optimizer.lr, self.config.optimizer.betas
        return [torch.optim.Adam(network.parameters(), lr, (beta1, beta2)) for network in networks]

    def on_fit_start(self) -> None:
        """Lightning keeps whatever mode a module arrives in."""
        self.train()

    def training_step(self, batch: Batch) -> None:
        """Train on the crop of every utterance that the data chose."""
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        step = int(self.generator_step)
        rate = learning_rate(self.config.optimizer, step, self.config.steps)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        encoded = self.model.encode(batch.codes, batch.lengths, batch.prompt, batch.prompt_lengths)
        segment = crop(encoded.hidden, batch.segments, self.segment).transpose(1, 2)
        fake = self.model.generator(segment, style=encoded.style)
        hop = self.model.hop_length
        real = crop(batch.wav[..., None], batch.segments * hop, self.segment * hop).squeeze(-1)
        logs: Scalars = {}
        adversarial = self.discriminators is not None and step >= (
            self.config.adversarial_start * self.config.steps
        )
        if adversarial:
            logs |= self._discriminator_step(optimizers[1], real, fake.detach())
        with self.toggled_optimizer(optimizers[0]):
            losses = self._generator_losses(batch, encoded.mel, fake, real, step, adversarial)
            total = torch.stack([weight * loss for weight, loss in losses.values()]).sum()
            logs |= {name: loss for name, (_, loss) in losses.items()} | {"generator": total}
            logs["gradient_norm"] = self._update(optimizers[0], total, self.model)
        self.generator_step += 1
        logs["lr"] = torch.tensor(rate)
        for name, value in logs.items():
            self.log(f"train/{name}", value.detach(), on_step=False, on_epoch=True, batch_size=1)
        count = self.generator_step.float()
        self.log("train/generator_step", count, on_step=False, on_epoch=True, reduce_fx="max")

    def _generator_losses(
        self, batch: Batch, mel: torch.Tensor, fake: torch.Tensor, real: torch.Tensor, step: int, gan: bool
    ) -> dict[str, tuple[float, torch.Tensor]]:
        """Weight and value of every loss that is active at this step."""
        weights = self.config.losses
        losses = {"mel": (weights.mel, self.mel_loss(fake, real))}
        if step < weights.frontend_mel_until * self.config.steps:
            target = self.model.mel(batch.wav)
            losses["frontend_mel"] = (weights.frontend_mel, frame_l1(mel, target, batch.lengths))
        if gan and self.discriminators is not None:
            with torch.no_grad():
                real_features = self.discriminators(real)
            fake_features = self.discriminators(fake)
            losses["adversarial"] = (weights.adversarial, adversarial_loss(fake_features))
            matching = feature_matching_loss(real_features, fake_features)
            losses["feature_matching"] = (weights.feature_matching, matching)
        return losses

    def _discriminator_step(self, optimizer: Any, real: torch.Tensor, fake: torch.Tensor) -> Scalars:
        if self.discriminators is None:
            raise ValueError("no discriminators in this config")
        with self.toggled_optimizer(optimizer):
            loss = discriminator_loss(self.discriminators(real), self.discriminators(fake))
            self._update(optimizer, loss, self.discriminators)
        return {"discriminator": loss}

    def _update(self, optimizer: Any, loss: torch.Tensor, network: nn.Module) -> torch.Tensor:
        """Step unless the gradient is not finite; then the logged norm ends the run with this epoch."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        limit = self.config.optimizer.gradient_clip
        norm = nn.utils.clip_grad_norm_(network.parameters(), float("inf") if limit is None else limit)
        if torch.isfinite(norm):
            optimizer.step()
        return norm

    def validation_step(self, batch: Batch) -> None:
        """Log-mel distance of whole contents to the recordings."""
        wav, _ = self.model(batch.codes, batch.lengths, batch.prompt, batch.prompt_lengths)
        hop = self.distance.hop_length
        frames = batch.lengths * self.model.hop_length // hop
        fake, real = (self.distance(signal.float()).transpose(1, 2) for signal in (wav, batch.wav))
        distance = frame_l1(fake, real, frames)
        self.log("val/mel", distance, on_epoch=True, batch_size=int(frames.sum()), prog_bar=True)


def crop(sequence: torch.Tensor, starts: torch.Tensor, length: int) -> torch.Tensor:
    """From (B, T, C), `length` frames of each row from its own start."""
    index = starts[:, None] + torch.arange(length, device=sequence.device)
    return sequence.gather(1, index[..., None].expand(-1, -1, sequence.shape[2]))


def constant_distance(mels: list[torch.Tensor]) -> float:
    """L1 distance of (n_mels, T) log-mels to their common mean spectrum: the floor of `val/mel`."""
    frames = torch.cat(mels, dim=1)
    return float((frames - frames.mean(dim=1, keepdim=True)).abs().mean())
