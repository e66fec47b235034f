"""Encoding of waveforms in batches of similar length; one that fails does not take the others with it."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from benchmark.data.batching import equal_length_batches, sorted_batches
from benchmark.errors import UserError
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.code_checks import BrokenContract
from benchmark.tokenizers.encoding.bfloat16_check import bfloat16

BATCH = 16


def encode_wavs(tokenizer: Tokenizer, wavs: Sequence[np.ndarray], half: bool = False) -> list[np.ndarray]:
    """Encode waveforms (T,) to codes (K, T') in batches that the tokenizer supports; bfloat16 if `half`."""
    codes: dict[int, np.ndarray] = {}
    for batch in _batches(tokenizer, wavs):
        codes |= zip(batch, _encode(tokenizer, [wavs[index] for index in batch], half), strict=True)
    return [codes[index] for index in range(len(wavs))]


def encode_each(
    tokenizer: Tokenizer, wavs: Mapping[str, np.ndarray], half: bool = False
) -> dict[str, np.ndarray | Exception]:
    """Encode utterances (T,) by id to codes (K, T'), or to the exception that the tokenizer raised on them.

    A batch on which the tokenizer raises is encoded again, one utterance at a time.

    Raises: UserError if the tokenizer breaks its contract or lacks something, and the errors of a machine
        without memory, which are no fault of an utterance.
    """
    ids = list(wavs)
    made: dict[str, np.ndarray | Exception] = {}
    for batch in _batches(tokenizer, list(wavs.values())):
        names = [ids[index] for index in batch]
        try:
            made |= zip(names, _encode_named(tokenizer, wavs, names, half), strict=True)
        except UserError:
            raise
        except Exception:
            for name in names:
                made[name] = _one_or_error(tokenizer, wavs, name, half)
    return made


def _one_or_error(
    tokenizer: Tokenizer, wavs: Mapping[str, np.ndarray], name: str, half: bool
) -> np.ndarray | Exception:
    try:
        return _encode_named(tokenizer, wavs, [name], half)[0]
    except (UserError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        return error


def _encode_named(
    tokenizer: Tokenizer, wavs: Mapping[str, np.ndarray], names: Sequence[str], half: bool
) -> list[np.ndarray]:
    try:
        return _encode(tokenizer, [wavs[name] for name in names], half)
    except BrokenContract as error:
        if error.row is None:
            raise
        raise UserError(f"{error} (utterance {names[error.row]})") from error


def _batches(tokenizer: Tokenizer, wavs: Sequence[np.ndarray]) -> list[list[int]]:
    batch_by_length = sorted_batches if tokenizer.spec.supports_padding else equal_length_batches
    return batch_by_length([len(wav) for wav in wavs], BATCH)


def _encode(tokenizer: Tokenizer, wavs: Sequence[np.ndarray], half: bool) -> list[np.ndarray]:
    parts = [torch.from_numpy(wav) for wav in wavs]
    padded = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
    with bfloat16(tokenizer.device, half):
        codes, frames = tokenizer.encode(padded, torch.tensor([len(part) for part in parts]))
    return [row[:, : int(count)].numpy() for row, count in zip(codes, frames, strict=True)]
