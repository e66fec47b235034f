"""The ASR probe with an attention decoder: CTC's encoder and budget, without CTC's assumptions."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmark.models.probes.config import AttentionConfig
from benchmark.models.probes.data import Batch, Labelled
from benchmark.models.probes.decoder import END, AttentionDecoder
from benchmark.models.probes.loss_floor import SAMPLE, class_losses, spaced
from benchmark.models.probes.transcribing import TranscribingProbe
from benchmark.models.probes.units import CHARACTERS, Units
from benchmark.types import TokenizerSpec


class AttentionProbe(TranscribingProbe):
    """ASR probe with a BiLSTM and an attention decoder, trained with cross-entropy and teacher forcing.

    No label needs a frame of its own. Labels are not independent given the frames: whatever the decoder
    learns about the language of the transcripts is part of the measurement.
    """

    config: AttentionConfig
    output: AttentionDecoder

    def __init__(
        self,
        spec: TokenizerSpec,
        config: AttentionConfig,
        units: Units = CHARACTERS,
        table_dim: int | None = None,
    ) -> None:
        super().__init__(spec, config, units, table_dim)
        self.frame_rate = spec.frame_rate

    def make_output(self, features: int, outputs: int) -> nn.Module:
        """Build the attention decoder."""
        config = self.config
        return AttentionDecoder(
            features, outputs, config.hidden_dim, config.embedding_dim, config.stacking, config.dropout
        )

    def forward(self, codes: torch.Tensor, lengths: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Map codes (B, K, T) and labels (B, S) to scores (B, S + 1, labels) of each label and of the end."""
        return self.output(*self.encode(codes, lengths), labels).float()

    def predict(self, codes: torch.Tensor, lengths: torch.Tensor) -> list[str]:
        """Return the greedy transcript of each utterance."""
        return self._transcripts(*self.encode(codes, lengths), lengths)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the smoothed cross-entropy per label, end included, averaged over utterances."""
        return self._loss(self(batch.codes, batch.lengths, batch.labels), batch)

    def constant_losses(self, train: Labelled) -> np.ndarray:
        """See `Probe.constant_losses`; the answer ignores the labels before, too, which this probe reads."""
        labels = ([*row, END] for row, _ in spaced(train, SAMPLE))
        return class_losses(labels, self.units.num_labels, self.config.label_smoothing)

    def judge(self, batch: Batch) -> tuple[torch.Tensor, list[str]]:
        """Return the loss of a dev batch and its greedy transcripts."""
        features, lengths = self.encode(batch.codes, batch.lengths)
        loss = self._loss(self.output(features, lengths, batch.labels).float(), batch)
        return loss, self._transcripts(features, lengths, batch.lengths)

    def _transcripts(self, features: torch.Tensor, lengths: torch.Tensor, frames: torch.Tensor) -> list[str]:
        limits = frames.new_tensor([self.config.most_labels(f / self.frame_rate) for f in frames.tolist()])
        return [self.spell(labels) for labels in self.output.greedy(features, lengths, limits)]

    def _loss(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        targets = functional.pad(batch.labels, (0, 1), value=END)
        losses = functional.cross_entropy(
            scores.transpose(1, 2), targets, reduction="none", label_smoothing=self.config.label_smoothing
        )
        counts = batch.label_lengths + 1
        counted = torch.arange(targets.shape[1], device=targets.device) < counts[:, None]
        return ((losses * counted).sum(1) / counts).mean()
