"""The ASR probe: characters or pieces of words by CTC."""

import torch
from torch import nn

from benchmark.probes.beam import prefix_beam_search
from benchmark.probes.config import ProbeConfig
from benchmark.probes.data import Batch
from benchmark.probes.module import Probe
from benchmark.probes.scores import char_error_rate, word_error_rate
from benchmark.probes.text import BLANK, collapse
from benchmark.probes.units import CHARACTERS, Units
from benchmark.types import TokenizerSpec


class CTCProbe(Probe):
    """BiLSTM and a linear layer over characters or pieces of words.

    Decoded without a language model: what is read off the tokens, not what a decoder knows. Dev is
    decoded greedily after each epoch.
    """

    curve = "dev_wer"
    anneal_on = "dev_loss"

    def __init__(
        self,
        spec: TokenizerSpec,
        config: ProbeConfig,
        units: Units = CHARACTERS,
        table_dim: int | None = None,
    ) -> None:
        super().__init__(spec, config, units.num_labels, table_dim)
        self.units = units
        self.monitor = f"dev_{config.select}"
        # An infeasible utterance has infinite loss: it teaches nothing, and the report counts it.
        self.ctc = nn.CTCLoss(blank=BLANK, zero_infinity=True)
        self._dev: list[tuple[str, str]] = []

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

    def on_validation_epoch_start(self) -> None:
        """Forget the transcripts of the last epoch."""
        self._dev = []

    def validation_step(self, batch: Batch) -> None:
        """Loss and transcripts of one batch."""
        log_probs, lengths = self(batch.codes, batch.lengths)
        loss = self._loss(log_probs, lengths, batch)
        self.log("dev_loss", loss, batch_size=len(batch.codes), sync_dist=True)
        references = [
            self.units.decode(labels[:length])
            for labels, length in zip(batch.labels.tolist(), batch.label_lengths.tolist(), strict=True)
        ]
        self._dev += zip(references, greedy_transcripts(log_probs, lengths, self.units), strict=True)

    def on_validation_epoch_end(self) -> None:
        """Corpus-level error rates: edits and references are summed before they are divided."""
        references, hypotheses = zip(*self._dev, strict=True)
        self.log("dev_cer", char_error_rate(references, hypotheses), sync_dist=True)
        self.log("dev_wer", word_error_rate(references, hypotheses), sync_dist=True)

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


def tidy(text: str) -> str:
    """Single spaces, none at the ends."""
    return " ".join(text.split())
