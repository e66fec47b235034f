"""Check on a sample of the manifest that encoding in bfloat16 leaves the codes unchanged.

bfloat16 has half the bits of float32's mantissa, so a frame that lies between two codebook entries can
change to the other entry. The first utterances are therefore encoded in both precisions and every code is
compared. A single difference makes the whole manifest be encoded in float32. Equal codes in the sample
prove nothing about the rest, so artifacts made in bfloat16 have their own keys (`Tokenizer.identity`).
"""

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

log = logging.getLogger(__name__)

FILE = "precision.json"
SAMPLE = 8
"""Number of utterances compared: the first ones that can be read."""


@dataclass(frozen=True)
class PrecisionCheck:
    """The precision that a manifest was encoded in when bfloat16 was requested, and the evidence for it."""

    used: Literal["bfloat16", "float32"]
    utterances: int
    """Number of utterances compared."""
    codes: int
    """Number of codes compared, over all codebooks."""
    different: int
    """Number of codes that differ."""
    error: str = ""
    """Reason why bfloat16 gave no codes at all."""

    def save(self, folder: Path) -> None:
        """Write the check beside the tokens in `folder`."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1, sort_keys=True))


def read_check(folder: Path) -> dict[str, Any] | None:
    """Read the check beside the tokens in `folder`; None where only float32 was requested."""
    path = folder / FILE
    return json.loads(path.read_text()) if path.is_file() else None


def check_bfloat16(
    name: str, encode: Callable[[Sequence[np.ndarray], bool], list[np.ndarray]], wavs: Sequence[np.ndarray]
) -> PrecisionCheck:
    """Encode a sample in both precisions, compare every code, and warn where codes differ.

    Args:
        name: Name of the tokenizer, for messages.
        encode: Encodes waveforms (T,) to codes (K, T') each; the second argument asks for bfloat16.
        wavs: The sample. An empty sample proves nothing, so float32 is used.
    """
    reference = encode(wavs, False)
    codes = sum(each.size for each in reference)
    try:
        other = encode(wavs, True)
    except (RuntimeError, TypeError, ValueError) as error:  # an operation without bfloat16
        reason = f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else repr(error)
        log.warning("%s is encoded in float32, because bfloat16 fails: %s", name, reason)
        return PrecisionCheck("float32", len(wavs), codes, codes, reason)
    different = sum(_different(*pair) for pair in zip(reference, other, strict=True))
    if different:
        log.warning(
            "%s is encoded in float32: in bfloat16 %d of the %d codes of %d utterances differ",
            *(name, different, codes, len(wavs)),
        )
    else:
        log.info(
            "%s: bfloat16 leaves all %d codes of %d utterances unchanged",
            *(name, codes, len(wavs)),
        )
    used: Literal["bfloat16", "float32"] = "float32" if different or not codes else "bfloat16"
    return PrecisionCheck(used, len(wavs), codes, different)


def _different(reference: np.ndarray, other: np.ndarray) -> int:
    return int((reference != other).sum()) if reference.shape == other.shape else reference.size


def bfloat16(device: str, enabled: bool) -> AbstractContextManager[Any]:
    """Return a context that autocasts to bfloat16 on `device`, or does nothing unless `enabled`."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=enabled)


@cache
def say_ignored(name: str) -> None:
    """Log once per tokenizer that no torch network could run in bfloat16."""
    log.info("%s has no torch network: encode_precision changes nothing", name)
