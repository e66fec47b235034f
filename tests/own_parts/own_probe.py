"""A CTC head with a hidden layer before its output."""

from dataclasses import dataclass

from torch import nn

from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.ctc import CTCProbe
from benchmark.models.probes.units import Units
from benchmark.types import TokenizerSpec


@dataclass(frozen=True, kw_only=True)
class HiddenConfig(ProbeConfig):
    """As any CTC preset, with the width of the hidden layer."""

    width: int = 16

    @property
    def reader(self) -> str:
        return f"{super().reader}, with a hidden layer of {self.width}"

    def transcriber(self, spec: TokenizerSpec, units: Units, table_dim: int | None) -> CTCProbe:
        probe = CTCProbe(spec, self, units, table_dim)
        features = probe.output.in_features
        probe.output = nn.Sequential(
            nn.Linear(features, self.width), nn.ReLU(), nn.Linear(self.width, units.num_labels)
        )
        return probe
