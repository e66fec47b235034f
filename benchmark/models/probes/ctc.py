"""The ASR probe trained with CTC on characters or word pieces."""

import numpy as np
import torch
from torch import nn

from benchmark.models.probes.beam import prefix_beam_search
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.data import Batch, Labelled
from benchmark.models.probes.loss_floor import CTC_SAMPLE, ctc_losses, spaced
from benchmark.models.probes.normalize import BLANK, collapse
from benchmark.models.probes.transcribing import TranscribingProbe, tidy
from benchmark.models.probes.units import CHARACTERS, Units
from benchmark.types import TokenizerSpec


class CTCProbe(TranscribingProbe):
    """ASR probe with a BiLSTM and a linear layer over characters or word pieces, trained with CTC."""

    def __init__(
        self,
        spec: TokenizerSpec,
        config: ProbeConfig,
        units: Units = CHARACTERS,
        table_dim: int | None = None,
    ) -> None:
        super().__init__(spec, config, units, table_dim)
        # An infeasible utterance has infinite loss: it teaches nothing, so its loss is zeroed and the
        # report counts it.
        self.ctc = nn.CTCLoss(blank=BLANK, zero_infinity=True)

    def forward(self, codes: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map codes (B, K, T) to float32 log-probabilities (B, T', labels) and their lengths (B,)."""
        features, lengths = self.encode(codes, lengths)
        return self.output(features).float().log_softmax(-1), lengths

    def predict(self, codes: torch.Tensor, lengths: torch.Tensor) -> list[str]:
        """Return the transcript of each utterance, by beam search where `beam` is set, else greedily."""
        log_probs, lengths = self(codes, lengths)
        if self.config.beam is None:
            return greedy_transcripts(log_probs, lengths, self.units)
        best = prefix_beam_search(log_probs, lengths, self.config.beam)
        return [tidy(self.units.decode(labels)) for labels in best]

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the CTC loss per label."""
        log_probs, lengths = self(batch.codes, batch.lengths)
        return self._loss(log_probs, lengths, batch)

    def constant_losses(self, train: Labelled) -> np.ndarray:
        """See `Probe.constant_losses`."""
        factor = self.frontend.upsampling
        sample = [(labels, factor * frames) for labels, frames in spaced(train, CTC_SAMPLE)]
        return ctc_losses(sample, self.units.num_labels)

    def judge(self, batch: Batch) -> tuple[torch.Tensor, list[str]]:
        """Return the loss of a dev batch and its greedy transcripts."""
        log_probs, lengths = self(batch.codes, batch.lengths)
        return self._loss(log_probs, lengths, batch), greedy_transcripts(log_probs, lengths, self.units)

    def _loss(self, log_probs: torch.Tensor, lengths: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the negative log-likelihood per label, averaged over utterances."""
        loss: torch.Tensor = self.ctc(log_probs.transpose(0, 1), batch.labels, lengths, batch.label_lengths)
        return loss


def greedy_transcripts(
    log_probs: torch.Tensor, lengths: torch.Tensor, units: Units = CHARACTERS
) -> list[str]:
    """Take the best label of each frame, collapse the path, and return text with single spaces."""
    paths = zip(log_probs.argmax(-1).tolist(), lengths.tolist(), strict=True)
    return [tidy(units.decode(collapse(path[:length]))) for path, length in paths]
