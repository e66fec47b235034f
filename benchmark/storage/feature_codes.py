"""Continuous features as codes: bit patterns of float16, which the token store holds like indices."""

import torch

LARGEST = torch.finfo(torch.float16).max


def to_codes(features: torch.Tensor) -> torch.Tensor:
    """Return the bit patterns, 0 … 65535, of features rounded to float16 and clamped to its range."""
    return features.clamp(-LARGEST, LARGEST).half().view(torch.int16).long() % 2**16


def from_codes(codes: torch.Tensor) -> torch.Tensor:
    """Return the features (float32) whose bit patterns, 0 … 65535, `codes` hold."""
    return (codes - 2**16 * (codes >= 2**15)).to(torch.int16).view(torch.float16).float()
