"""Normalisation of waveforms for the encoders."""

import torch

EPSILON = 1e-5


def normalised(wav: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Scale each utterance to zero mean and unit variance, with zeros in the padding, (B, T).

    The epsilon is that of a layer norm, as in fairseq, where the models were trained. The feature extractor
    of transformers adds 1e-7 instead, which changes quiet speech.
    """
    count = inside.sum(1, keepdim=True)
    centred = (wav - (wav * inside).sum(1, keepdim=True) / count) * inside
    return centred / (centred.square().sum(1, keepdim=True) / count + EPSILON).sqrt()
