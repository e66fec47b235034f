"""Log-mel frames for tokenizers: whole hops, and silence beyond both ends of an utterance."""

import torch
from torch.nn.functional import pad

from benchmark.data.mel import LogMel


def hop_centred_log_mel(analysis: LogMel, wav: torch.Tensor) -> torch.Tensor:
    """Log-mel with frame t centred on samples [t · hop, (t + 1) · hop).

    A vocoder that turns frame t into the samples of hop t is therefore sample-aligned. Zeros stand
    before and after the utterance, where `LogMel` alone would mirror it, so a clip that a batch
    pads with zeros has the same frames as alone.

    Args:
        analysis: Built with `center=False`.
        wav: (B, T), T a whole number of hops.

    Returns:
        (B, T / hop, n_mels) float32.
    """
    margin = analysis.n_fft // analysis.hop_length + 1  # hops; covers what `LogMel` mirrors
    samples = margin * analysis.hop_length
    return analysis(pad(wav, (samples, samples)))[:, :, margin:-margin].transpose(1, 2)
