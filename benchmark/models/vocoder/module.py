"""Training of the vocoder: a generator and discriminators under manual optimisation.

Budgets and logs count generator steps; Lightning's `global_step`, which counts the steps of both optimisers,
is not used. With several ranks every loss is weighted so that the mean over ranks is the mean over the rows,
or valid frames, of the whole batch, however unequal the shares of the ranks are.
"""

from typing import Any

import lightning
import torch
from torch import nn

from benchmark.data.mel import LogMel
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.models.vocoder.data import Batch
from benchmark.models.vocoder.losses import (
    MelLoss,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    frame_l1,
)
from benchmark.models.vocoder.model import CTXVec2Wav, Encoded
from benchmark.models.vocoder.schedule import learning_rate
from benchmark.training.collectives import mean_weights

Scalars = dict[str, torch.Tensor]


class VocoderModule(lightning.LightningModule):
    """Training with one generator step per batch, after a discriminator step in the adversarial phase."""

    generator_step: torch.Tensor

    def __init__(self, model: CTXVec2Wav, config: VocoderConfig, compiled: bool = False) -> None:
        """Train `model` by the recipe of `config`; `compiled` runs its networks through torch.compile."""
        super().__init__()
        self.compiled = compiled
        self._step = 0  # copy of `generator_step` on the host, read without waiting for the device
        self.automatic_optimization = False
        self.model = model
        self.config = config
        self.discriminators = config.discriminators.build() if config.discriminators else None
        self.mel_loss = MelLoss(config.losses.resolutions)
        self.distance = LogMel()
        self.segment = round(config.segment_seconds * 16_000 / model.hop_length)
        self.register_buffer("generator_step", torch.zeros((), dtype=torch.long))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle for the processes of other ranks, before the first step; see `CTXVec2Wav.__reduce__`."""
        own = {name: value for name, value in self.state_dict().items() if not name.startswith("model.")}
        return _rebuild, (type(self), self.model, self.config, self.compiled, own)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Create Adam for the generator and, if there are any, for the discriminators."""
        networks: list[nn.Module] = [self.model]
        if self.discriminators is not None:
            networks.append(self.discriminators)
        lr, (beta1, beta2) = self.config.optimizer.lr, self.config.optimizer.betas
        # Fused Adam: without it, a hundred million parameters are read and written a dozen times.
        return [torch.optim.Adam(part.parameters(), lr, (beta1, beta2), fused=True) for part in networks]

    def on_fit_start(self) -> None:
        """Switch to training mode, as Lightning keeps the module's mode; compile networks if asked to."""
        self.train()
        self._step = int(self.generator_step)
        if self.compiled:
            # Sequence lengths change with every batch; the crops, which determine the expensive shapes, do
            # not.
            self.model.prenet.compile(dynamic=True)
            self.model.frontend.compile(dynamic=True)
            self.model.generator.compile()
            if self.discriminators is not None:
                self.discriminators.compile()

    def training_step(self, batch: Batch) -> None:
        """Train on the crop that the data chose in every utterance."""
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        rate = learning_rate(self.config.optimizer, self._step, self.config.steps)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        by_row, by_frame = mean_weights([len(batch.codes), batch.lengths.sum()], self.device)
        target = self._auxiliary(batch)
        encoded = self.model.encode(
            batch.codes, batch.lengths, batch.prompt.float(), batch.prompt_lengths, target
        )
        segment = crop(encoded.hidden, batch.segments, self.segment).transpose(1, 2)
        fake = self.model.generator(segment, style=encoded.style)
        hop = self.model.hop_length
        real = crop(batch.wav[..., None], batch.segments * hop, self.segment * hop).squeeze(-1)
        logs: Scalars = {}
        adversarial = self.discriminators is not None and self._step >= (
            self.config.adversarial_start * self.config.steps
        )
        if adversarial:
            logs |= self._discriminator_step(optimizers[1], real, fake.detach(), by_row)
        with self.toggled_optimizer(optimizers[0]):
            losses = {
                name: by_row * loss for name, loss in self._crop_losses(fake, real, adversarial).items()
            }
            frames = self._frame_losses(batch, encoded, target)
            losses |= {name: by_frame * loss for name, loss in frames.items()}
            weighted = [getattr(self.config.losses, name) * loss for name, loss in losses.items()]
            total = torch.stack(weighted).sum()
            logs |= losses | {"generator": total}
            logs["gradient_norm"] = self._update(optimizers[0], total, self.model)
        self._step += 1
        self.generator_step += 1
        logs["lr"] = torch.tensor(rate, device=self.device)
        for name, value in logs.items():
            self._log_mean(f"train/{name}", value.detach())
        count = self.generator_step.float()
        self.log("train/generator_step", count, on_step=False, on_epoch=True, reduce_fx="max", sync_dist=True)

    def _log_mean(self, name: str, value: torch.Tensor) -> None:
        """Log a mean over the steps of an epoch and over the ranks."""
        self.log(name, value, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)

    def _auxiliary(self, batch: Batch) -> torch.Tensor | None:
        """Return the true voicing, pitch and energy, normalised, if the model uses them."""
        branch = self.model.frontend.auxiliary
        if branch is None or batch.auxiliary is None:
            return None
        return branch.normalise(batch.auxiliary)

    def _crop_losses(self, fake: torch.Tensor, real: torch.Tensor, gan: bool) -> Scalars:
        """Return means over the rows of (B, S) crops, by the name of their weight."""
        losses = {"mel": self.mel_loss(fake, real)}
        if gan and self.discriminators is not None:
            with torch.no_grad():
                real_features = self.discriminators(real)
            fake_features = self.discriminators(fake)
            losses["adversarial"] = adversarial_loss(fake_features)
            losses["feature_matching"] = feature_matching_loss(real_features, fake_features)
        return losses

    def _frame_losses(self, batch: Batch, encoded: Encoded, auxiliary: torch.Tensor | None) -> Scalars:
        """Return means over the valid frames of whole contents, by the name of their weight."""
        losses: Scalars = {}
        if self._step < self.config.losses.frontend_mel_until * self.config.steps:
            losses["frontend_mel"] = frame_l1(encoded.mel, self.model.mel(batch.wav), batch.lengths)
        if encoded.auxiliary is not None and auxiliary is not None:
            losses["auxiliary"] = frame_l1(encoded.auxiliary, auxiliary, batch.lengths)
        return losses

    def _discriminator_step(
        self, optimizer: Any, real: torch.Tensor, fake: torch.Tensor, by_row: torch.Tensor
    ) -> Scalars:
        if self.discriminators is None:
            raise ValueError("no discriminators in this config")
        with self.toggled_optimizer(optimizer):
            loss = by_row * discriminator_loss(self.discriminators(real), self.discriminators(fake))
            self._update(optimizer, loss, self.discriminators)
        return {"discriminator": loss}

    def _update(self, optimizer: Any, loss: torch.Tensor, network: nn.Module) -> torch.Tensor:
        """Step if the gradient is finite; if not, the logged norm ends the run after this epoch."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        norm = nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None])
        if self.config.optimizer.gradient_clip is not None:
            nn.utils.clip_grads_with_norm_(network.parameters(), self.config.optimizer.gradient_clip, norm)
        if torch.isfinite(norm):
            optimizer.step()
        return norm

    def validation_step(self, batch: Batch) -> torch.Tensor:
        """Log the log-mel distance of whole contents to the recordings; return contents (B, S)."""
        # Each batch has other lengths, and none recurs often enough to be worth compiling for.
        with torch.compiler.set_stance("force_eager" if self.compiled else "default"):
            wav, _ = self.model(batch.codes, batch.lengths, batch.prompt.float(), batch.prompt_lengths)
        hop = self.distance.hop_length
        frames = batch.lengths * self.model.hop_length // hop
        fake, real = (self.distance(signal.float()).transpose(1, 2) for signal in (wav, batch.wav))
        distance = frame_l1(fake, real, frames)
        self.log(
            "val/mel", distance, on_epoch=True, batch_size=int(frames.sum()), prog_bar=True, sync_dist=True
        )
        return wav


def _rebuild(
    kind: type[VocoderModule],
    model: CTXVec2Wav,
    config: VocoderConfig,
    compiled: bool,
    state: dict[str, torch.Tensor],
) -> VocoderModule:
    module = kind(model, config, compiled)
    module.load_state_dict(state, strict=False)
    return module


def crop(sequence: torch.Tensor, starts: torch.Tensor, length: int) -> torch.Tensor:
    """Take `length` frames of each row of (B, T, C), from the row's own start."""
    index = starts[:, None] + torch.arange(length, device=sequence.device)
    return sequence.gather(1, index[..., None].expand(-1, -1, sequence.shape[2]))


def constant_distance(mels: list[torch.Tensor]) -> float:
    """Return the L1 distance of (n_mels, T) log-mels to their mean spectrum: the floor of `val/mel`."""
    frames = torch.cat(mels, dim=1)
    return float((frames - frames.mean(dim=1, keepdim=True)).abs().mean())


def constant_loss(loss: MelLoss, wavs: list[torch.Tensor]) -> float:
    """Return the floor of `train/mel`: the loss of the mean spectrum of recordings (S,), per resolution."""
    distances = [
        constant_distance([mel(wav[None])[0] for wav in wavs])
        for mel in loss.analyses
        if isinstance(mel, LogMel)
    ]
    return sum(distances) / len(distances)
