"""Checks of the codes of every batch against the facts that the tokenizer declares."""

from typing import Any

import torch

from benchmark.errors import UserError
from benchmark.types import TokenizerSpec

ROUNDING = 0.01
"""Frames by which resampling to the tokenizer's rate may move the end of an utterance."""


class BrokenContract(UserError):
    """Codes that contradict the specification of their tokenizer.

    Attributes:
        row: The utterance of the batch that is affected; None if all are.
    """

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


def checked_codes(
    spec: TokenizerSpec, result: Any, seconds: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes (B, K, T) and lengths (B,) as int64 on the CPU, as the specification promises them.

    Args:
        spec: Facts of the tokenizer.
        result: What the tokenizer returned for the batch.
        seconds: (B,) lengths of the utterances.

    Raises: BrokenContract with what was expected, what was returned, and the likely mistake.
    """
    codes, lengths = _require_tensors(spec, result)
    _require_shape(spec, codes, lengths, len(seconds))
    codes, lengths = codes.cpu().long(), lengths.cpu().long()
    _require_lengths(spec, codes, lengths)
    _require_rate(spec, lengths, seconds)
    _require_range(spec, codes, lengths)
    return codes, lengths


def _require_tensors(spec: TokenizerSpec, result: Any) -> tuple[torch.Tensor, torch.Tensor]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        what = f"{len(result)} values" if isinstance(result, tuple | list) else f"one {_kind(result)}"
        raise BrokenContract(
            f"{spec.name}: _encode returned {what}, expected two: codes (batch, codebooks, frames) and "
            "lengths (batch,) in frames; is `return codes, lengths` missing the lengths?"
        )
    for name, value in zip(("codes", "lengths"), result, strict=True):
        if not isinstance(value, torch.Tensor):
            hint = "; torch.from_numpy makes one of it" if _kind(value) == "ndarray" else ""
            raise BrokenContract(f"{spec.name}: {name} are a {_kind(value)}, expected a torch tensor{hint}")
        if value.dtype == torch.bool or value.is_floating_point() or value.is_complex():
            raise BrokenContract(
                f"{spec.name}: {name} are {_dtype(value)}, expected integers; "
                "nothing is rounded here, so round and call .long() where they are made"
            )
    return result[0], result[1]


def _require_shape(spec: TokenizerSpec, codes: torch.Tensor, lengths: torch.Tensor, batch: int) -> None:
    expected = f"(batch, codebooks, frames) = ({batch}, {spec.num_codebooks}, T)"
    shape = tuple(codes.shape)
    if codes.ndim != 3:
        hint = "; is the axis of codebooks missing, codes[:, None]?" if codes.ndim == 2 else ""
        raise BrokenContract(f"{spec.name}: codes have the shape {shape}, expected {expected}{hint}")
    if shape[:2] != (batch, spec.num_codebooks):
        hint = ""
        if shape[2] == spec.num_codebooks:
            hint = "; are they (batch, frames, codebooks)? codes.transpose(1, 2) turns them"
        elif shape[:2] == (spec.num_codebooks, batch):
            hint = "; are they (codebooks, batch, frames)? codes.transpose(0, 1) turns them"
        elif shape[0] == batch:
            hint = f"; does codebook_sizes name all {shape[1]} codebooks?"
        raise BrokenContract(f"{spec.name}: codes have the shape {shape}, expected {expected}{hint}")
    if tuple(lengths.shape) != (batch,):
        raise BrokenContract(
            f"{spec.name}: lengths have the shape {tuple(lengths.shape)}, expected ({batch},): "
            "the frames of each utterance"
        )


def _require_lengths(spec: TokenizerSpec, codes: torch.Tensor, lengths: torch.Tensor) -> None:
    for row, frames in enumerate(lengths.tolist()):
        if frames > codes.shape[2]:
            raise BrokenContract(
                f"{spec.name}: a length of {frames} frames, but codes have {codes.shape[2]} frames; "
                "are the lengths in samples? expected frames",
                row,
            )
        if frames < 1:
            raise BrokenContract(
                f"{spec.name}: an utterance of {frames} frames, expected at least one; "
                "pad utterances that are shorter than the first window",
                row,
            )


def _require_rate(spec: TokenizerSpec, lengths: torch.Tensor, seconds: torch.Tensor) -> None:
    allowed = 1 + spec.frame_slack
    off = (lengths - seconds * spec.frame_rate).abs()
    row = int(off.argmax())
    if off[row] > allowed + ROUNDING:
        frames, length = int(lengths[row]), float(seconds[row])
        raise BrokenContract(
            f"{spec.name}: {frames} frames for {length:.3f} s of speech, {frames / length:.4g} per second, "
            f"expected {length * spec.frame_rate:.1f} ± {allowed:.3g} at frame_rate={spec.frame_rate:.6g}; "
            "is the declared rate sample_rate / hop? a front end that pads otherwise declares frame_slack",
            row,
        )


def _require_range(spec: TokenizerSpec, codes: torch.Tensor, lengths: torch.Tensor) -> None:
    if codes.min() >= 0 and codes.max() < min(spec.codebook_sizes):  # the usual case, and the cheapest to see
        return
    valid = torch.arange(codes.shape[2]) < lengths[:, None, None]
    own = codes.masked_fill(~valid, 0)  # what lies beyond the lengths is undefined
    low, high = own.amin(2), own.amax(2)  # (B, K)
    wrong = (low < 0) | (high >= torch.tensor(spec.codebook_sizes))
    if wrong.any():
        row, book = (int(place) for place in wrong.nonzero()[0])
        size = spec.codebook_sizes[book]
        raise BrokenContract(
            f"{spec.name}: codes of codebook {book} go from {int(low[row, book])} to {int(high[row, book])}, "
            f"expected 0 … {size - 1}; is codebook_sizes[{book}] = {size} right, or do codes have an offset?",
            row,
        )


def _kind(value: Any) -> str:
    return type(value).__name__


def _dtype(value: torch.Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
