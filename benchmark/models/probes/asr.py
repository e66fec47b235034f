"""Choice of the ASR probe that a config asks for, and the test whether that probe can emit a transcript."""

from collections.abc import Sequence

from benchmark.models.probes.attention import AttentionProbe
from benchmark.models.probes.config import AttentionConfig, ProbeConfig
from benchmark.models.probes.ctc import CTCProbe
from benchmark.models.probes.normalize import ctc_feasible
from benchmark.models.probes.transcribing import TranscribingProbe
from benchmark.models.probes.units import Units
from benchmark.types import TokenizerSpec


def make_asr_probe(
    spec: TokenizerSpec, config: ProbeConfig, units: Units, table_dim: int | None = None
) -> TranscribingProbe:
    """Build an untrained probe: the config's own, or else attention for an `AttentionConfig`, or CTC."""
    if own := config.transcriber(spec, units, table_dim):
        return own
    if isinstance(config, AttentionConfig):
        return AttentionProbe(spec, config, units, table_dim)
    return CTCProbe(spec, config, units, table_dim)


def can_emit(labels: Sequence[int], frames: int, spec: TokenizerSpec, config: ProbeConfig) -> bool:
    """Return whether the probe could answer with `labels`, given this many frames of codes.

    CTC needs one frame per label after upsampling, and one more for the blank between equal labels. Attention
    stops at a number of labels that follows from the duration.
    """
    if isinstance(config, AttentionConfig):
        return len(labels) <= config.most_labels(frames / spec.frame_rate)
    return ctc_feasible(labels, frames * config.upsampling(spec.frame_rate))
