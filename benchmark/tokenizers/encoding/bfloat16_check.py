"""Encoding in bfloat16, where a sample of the manifest says that the codes stay what they are.

Half the bits of float32's mantissa are gone in bfloat16, and a frame that lies between two codebook
entries can fall to the other one. So the first utterances are encoded both ways and every code is
compared; one that differs is enough to go on in float32. Equal codes of a sample prove nothing about
the rest: artifacts made in bfloat16 have keys of their own (`Tokenizer.identity`).
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
"""Utterances that are compared, the first that can be read."""


@dataclass(frozen=True)
class PrecisionCheck:
    """What a manifest was encoded in after bfloat16 had been asked for, and why."""

    used: Literal["bfloat16", "float32"]
    utterances: int
    """Compared; as are all their `codes`, over all codebooks."""
    codes: int
    different: int
    error: str = ""
    """Why bfloat16 gave no codes at all."""

    def save(self, folder: Path) -> None:
        """Leave it beside the tokens."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1, sort_keys=True))


def read_check(folder: Path) -> dict[str, Any] | None:
    """The check that is kept with the tokens in `folder`; None where only float32 was asked for."""
    path = folder / FILE
    return json.loads(path.read_text()) if path.is_file() else None


def check_bfloat16(
    name: str, encode: Callable[[Sequence[np.ndarray], bool], list[np.ndarray]], wavs: Sequence[np.ndarray]
) -> PrecisionCheck:
    """Encode a sample both ways and compare every code; warns where they differ.

    Args:
        name: Of the tokenizer.
        encode: Waveforms (T,), and whether in bfloat16, to codes (K, T') each.
        wavs: The sample; where it is empty nothing is known, and float32 is used.
    """
    reference = encode(wavs, False)
    codes = sum(each.size for each in reference)
    try:
        other = encode(wavs, True)
    except (RuntimeError, TypeError, ValueError) as error:  # an operation that has no bfloat16
        reason = f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else repr(error)
        log.warning("%s is encoded in float32, for bfloat16 fails: %s", name, reason)
        return PrecisionCheck("float32", len(wavs), codes, codes, reason)
    different = sum(_different(*pair) for pair in zip(reference, other, strict=True))
    if different:
        log.warning(
            "%s is encoded in float32: in bfloat16 %d of the %d codes of %d utterances differ",
            *(name, different, codes, len(wavs)),
        )
    else:
        log.info(
            "%s: bfloat16 leaves all %d codes of %d utterances as they are",
            *(name, codes, len(wavs)),
        )
    used: Literal["bfloat16", "float32"] = "float32" if different or not codes else "bfloat16"
    return PrecisionCheck(used, len(wavs), codes, different)


def _different(reference: np.ndarray, other: np.ndarray) -> int:
    return int((reference != other).sum()) if reference.shape == other.shape else reference.size


def bfloat16(device: str, enabled: bool) -> AbstractContextManager[Any]:
    """Autocast to bfloat16 on `device`, or nothing."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=enabled)


@cache
def say_ignored(name: str) -> None:
    """Tell once that a tokenizer has nothing that could run in bfloat16."""
    log.info("%s has no torch network: encode_precision changes nothing", name)
