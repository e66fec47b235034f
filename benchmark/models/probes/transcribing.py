"""Base class of the ASR probes, whatever their head: output units, and error rates on dev."""

from abc import abstractmethod

import torch

from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.data import Batch
from benchmark.models.probes.module import Probe
from benchmark.models.probes.scores import char_error_rate, word_error_rate
from benchmark.models.probes.units import CHARACTERS, Units
from benchmark.types import TokenizerSpec


class TranscribingProbe(Probe):
    """Probe that answers with text; after each epoch dev is decoded greedily, without a language model."""

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
        self._dev: list[tuple[str, str]] = []

    @abstractmethod
    def predict(self, codes: torch.Tensor, lengths: torch.Tensor) -> list[str]:
        """Return the transcript of each utterance."""

    @abstractmethod
    def judge(self, batch: Batch) -> tuple[torch.Tensor, list[str]]:
        """Return the loss of a dev batch and its greedy transcripts."""

    def on_validation_epoch_start(self) -> None:
        """Discard the transcripts of the previous epoch."""
        self._dev = []

    def validation_step(self, batch: Batch) -> None:
        """Log the loss of one batch and keep its transcripts."""
        loss, hypotheses = self.judge(batch)
        self.log("dev_loss", loss, batch_size=len(batch.codes), sync_dist=True)
        references = [
            self.units.decode(labels[:length])
            for labels, length in zip(batch.labels.tolist(), batch.label_lengths.tolist(), strict=True)
        ]
        self._dev += zip(references, hypotheses, strict=True)

    def on_validation_epoch_end(self) -> None:
        """Log corpus-level error rates: edits and reference lengths are summed before the division."""
        references, hypotheses = zip(*self._dev, strict=True)
        self.log("dev_cer", char_error_rate(references, hypotheses), sync_dist=True)
        self.log("dev_wer", word_error_rate(references, hypotheses), sync_dist=True)

    def spell(self, labels: list[int]) -> str:
        """Return the text of labels, with single spaces."""
        return tidy(self.units.decode(labels))


def tidy(text: str) -> str:
    """Reduce white space to single spaces, with none at the ends."""
    return " ".join(text.split())
