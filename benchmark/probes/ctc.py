"""The ASR probe: characters by CTC."""

import torch
from torch import nn

from benchmark.probes.config import ProbeConfig
from benchmark.probes.data import Batch
from benchmark.probes.module import Probe
from benchmark.probes.scores import char_error_rate, word_error_rate
from benchmark.probes.text import BLANK, NUM_LABELS, collapse, decode
from benchmark.types import TokenizerSpec


class CTCProbe(Probe):
    """BiLSTM and a linear layer over characters, decoded greedily.

    Without language model and beam: what is read off the tokens, not what a decoder adds.
    """

    monitor = "dev_cer"
    curve = "dev_wer"

    def __init__(self, spec: TokenizerSpec, config: ProbeConfig) -> None:
        super().__init__(spec, config, NUM_LABELS)
        # An infeasible utterance has infinite loss: it teaches nothing, and the report counts it.
        self.ctc = nn.CTCLoss(blank=BLANK, zero_infinity=True)
        self._dev: list[tuple[str, str]] = []

    def forward(self, codes: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes (B, K, T) to log-probabilities (B, T', labels), float32, and their lengths (B,)."""
        features, lengths = self.encode(codes, lengths)
        return self.output(features).float().log_softmax(-1), lengths

    def predict(self, codes: torch.Tensor, lengths: torch.Tensor) -> list[str]:
        """The greedy transcript of each utterance."""
        return greedy_transcripts(*self(codes, lengths))

    def training_step(self, batch: Batch) -> torch.Tensor:
        """Loss of one batch."""
        log_probs, lengths = self(batch.codes, batch.lengths)
        loss = self._loss(log_probs, lengths, batch)
        return self.trained_on(loss, len(batch.codes))

    def on_validation_epoch_start(self) -> None:
        """Forget the transcripts of the last epoch."""
        self._dev = []

    def validation_step(self, batch: Batch) -> None:
        """Loss and transcripts of one batch."""
        log_probs, lengths = self(batch.codes, batch.lengths)
        loss = self._loss(log_probs, lengths, batch)
        self.log("dev_loss", loss, batch_size=len(batch.codes), sync_dist=True)
        references = [
            decode(labels[:length])
            for labels, length in zip(batch.labels.tolist(), batch.label_lengths.tolist(), strict=True)
        ]
        self._dev += zip(references, greedy_transcripts(log_probs, lengths), strict=True)

    def on_validation_epoch_end(self) -> None:
        """Corpus-level error rates: edits and references are summed before they are divided."""
        references, hypotheses = zip(*self._dev, strict=True)
        self.log("dev_cer", char_error_rate(references, hypotheses), sync_dist=True)
        self.log("dev_wer", word_error_rate(references, hypotheses), sync_dist=True)

    def _loss(self, log_probs: torch.Tensor, lengths: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Negative log-likelihood per character, averaged over utterances."""
        loss: torch.Tensor = self.ctc(log_probs.transpose(0, 1), batch.labels, lengths, batch.label_lengths)
        return loss


def greedy_transcripts(log_probs: torch.Tensor, lengths: torch.Tensor) -> list[str]:
    """Best label per frame, collapsed, as text with single spaces."""
    paths = zip(log_probs.argmax(-1).tolist(), lengths.tolist(), strict=True)
    return [" ".join(decode(collapse(path[:length])).split()) for path, length in paths]
