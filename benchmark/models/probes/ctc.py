"""The ASR probe: characters or pieces of words by CTC."""

import torch
from torch import nn

from benchmark.models.probes.beam import prefix_beam_search
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.data import Batch
from benchmark.models.probes.normalize import BLANK, collapse
from benchmark.models.probes.transcribing import TranscribingProbe, tidy
from benchmark.models.probes.units import CHARACTERS, Units
from benchmark.types import TokenizerSpec


class CTCProbe(TranscribingProbe):
    """BiLSTM and a linear layer over characters or pieces of words."""

    def __init__(
        self,
        spec: TokenizerSpec,
        config: ProbeConfig,
        units: Units = CHARACTERS,
        table_dim: int | None = None,
    ) -> None:
        super().__init__(spec, config, units, table_dim)
        # An infeasible utterance has infinite loss: it teaches nothing, and the report counts it.
        self.ctc = nn.CTCLoss(blank=BLANK, zero_infinity=True)

    def forward(self, codes: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes (B, K, T) to log-probabilities (B, T', labels), float32, and their lengths (B,)."""
        features, lengths = self.encode(codes, lengths)
        return self.output(features).float().log_softmax(-1), lengths

    def predict(self, codes: torch.Tensor, lengths: torch.Tensor) -> list[str]:
        """The transcript of each utterance, by the beam of the config or greedily."""
        log_probs, lengths = self(codes, lengths)
        if self.config.beam is None:
            return greedy_transcripts(log_probs, lengths, self.units)
        best = prefix_beam_search(log_probs, lengths, self.config.beam)
        return [tidy(self.units.decode(labels)) for labels in best]

    def loss(self, batch: Batch) -> torch.Tensor:
        """CTC loss per label."""
        log_probs, lengths = self(batch.codes, batch.lengths)
        return self._loss(log_probs, lengths, batch)

    def judge(self, batch: Batch) -> tuple[torch.Tensor, list[str]]:
        """See `TranscribingProbe`."""
        log_probs, lengths = self(batch.codes, batch.lengths)
        return self._loss(log_probs, lengths, batch), greedy_transcripts(log_probs, lengths, self.units)

    def _loss(self, log_probs: torch.Tensor, lengths: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Negative log-likelihood per label, averaged over utterances."""
        loss: torch.Tensor = self.ctc(log_probs.transpose(0, 1), batch.labels, lengths, batch.label_lengths)
        return loss


def greedy_transcripts(
    log_probs: torch.Tensor, lengths: torch.Tensor, units: Units = CHARACTERS
) -> list[str]:
    """Best label per frame, collapsed, as text with single spaces."""
    paths = zip(log_probs.argmax(-1).tolist(), lengths.tolist(), strict=True)
    return [tidy(units.decode(collapse(path[:length]))) for path, length in paths]
