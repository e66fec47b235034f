"""What the encoders take."""

import torch

EPSILON = 1e-5


def normalised(wav: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Zero mean and unit variance within each utterance, zeros beyond, (B, T).

    A layer norm with its usual epsilon, as in fairseq, where the models were trained. The library's
    feature extractor adds 1e-7 instead, which shifts quiet speech.
    """
    count = inside.sum(1, keepdim=True)
    centred = (wav - (wav * inside).sum(1, keepdim=True) / count) * inside
    return centred / (centred.square().sum(1, keepdim=True) / count + EPSILON).sqrt()
