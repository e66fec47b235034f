"""Log-mel frames for tokenizers: one per hop, with silence assumed beyond both ends of an utterance."""

import torch
from torch.nn.functional import pad

from benchmark.data.mel import LogMel


def hop_centred_log_mel(analysis: LogMel, wav: torch.Tensor) -> torch.Tensor:
    """Compute the log-mel spectrum with frame t centred on samples [t · hop, (t + 1) · hop).

    A vocoder that turns frame t into the samples of hop t is therefore sample-aligned. Zeros are assumed
    before and after the utterance, where `LogMel` alone would mirror it. A clip that a batch pads with
    zeros therefore has the same frames as alone.

    Args:
        analysis: Built with `center=False`.
        wav: (B, T), T a whole number of hops.

    Returns:
        (B, T / hop, n_mels) float32.
    """
    margin = analysis.n_fft // analysis.hop_length + 1  # hops; at least the part that `LogMel` mirrors
    samples = margin * analysis.hop_length
    return analysis(pad(wav, (samples, samples)))[:, :, margin:-margin].transpose(1, 2)
