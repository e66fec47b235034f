"""The contract of tokenizers beyond single batches: declared facts, repetition and independence of the batch.

`require_facts` costs nothing and runs when a job is built. `require_stable` encodes two short pieces of the
corpus before its tokens are made. `benchmark.tokenizers.encoding.full_contract` has the rest.
"""

import logging
from collections.abc import Sequence

import numpy as np
import torch

from benchmark.errors import UserError
from benchmark.storage.feature_codes import from_codes
from benchmark.tokenizers.base import Tokenizer, parts
from benchmark.tokenizers.code_checks import BrokenContract
from benchmark.types import SAMPLE_RATE

log = logging.getLogger(__name__)

TOLERATED = 0.05
"""Share of codes that may differ between two encodings of a corpus's speech.

The last bits of a network's sums depend on the batch, above all on GPUs, and move single frames to the
neighbouring entry."""
PIECES = (2.0, 1.3)
"""Seconds of the pieces of two utterances that are encoded alone, together, and again."""
WHOLE = 1e-4
"""Relative distance from a whole number of samples per frame that rounding of `frame_rate` explains."""


def require_facts(tokenizer: Tokenizer) -> None:
    """Check the declared facts that need no encoding.

    Raises: UserError for a specification that cannot be built, a frame that is no whole number of samples, or
        a decoder that is declared but not there.
    """
    spec = tokenizer.spec
    hop = spec.sample_rate / spec.frame_rate
    if abs(hop - round(hop)) > WHOLE * hop:
        raise UserError(
            f"{spec.name}: frame_rate={spec.frame_rate:.6g} makes {hop:.2f} samples per frame at "
            f"{spec.sample_rate} Hz, expected a whole number; write frame_rate=sample_rate / hop, such as "
            f"{spec.sample_rate} / {round(hop)}"
        )
    for part in parts(tokenizer):  # a floor decodes by its base
        own, declared = type(part), part.spec
        needed = ("_decode_with", "_side_info") if declared.decode_needs_prompt else ("_decode",)
        missing = [name for name in needed if getattr(own, name) is getattr(Tokenizer, name)]
        if declared.can_decode and missing:
            raise UserError(
                f"{declared.name}: can_decode=True, but {own.__name__} has no {' and no '.join(missing)}; "
                "write it, or say can_decode=False to decode by a vocoder"
            )


def require_stable(tokenizer: Tokenizer, wavs: Sequence[np.ndarray], tolerated: float = TOLERATED) -> None:
    """Check that codes depend neither on chance nor on the other utterances of a batch.

    Args:
        tokenizer: The tokenizer, with its codebook.
        wavs: Up to two utterances, each (T,) float32 at the tokenizer's `input_rate`.
        tolerated: Share of codes that may differ; any difference is logged.

    Raises: BrokenContract if more codes differ.
    """
    if not wavs:
        return
    if not tokenizer.spec.supports_padding:
        shortest = min(map(len, wavs))
        wavs = [wav[:shortest] for wav in wavs]
    alone = [encode_together(tokenizer, [wav])[0] for wav in wavs]
    again = encode_together(tokenizer, wavs[:1])
    _require_equal(
        tokenizer,
        list(zip(alone[:1], again, strict=True)),
        tolerated,
        "differ when the same speech is encoded again",
        "seed what is random in _encode, and call eval() on the network",
    )
    if len(wavs) > 1:
        together = encode_together(tokenizer, wavs)
        _require_equal(
            tokenizer,
            list(zip(alone, together, strict=True)),
            tolerated,
            "change with the other utterances of the batch",
            "mask the padding, or say supports_padding=False"
            if tokenizer.spec.supports_padding
            else "encode each utterance for itself in _encode",
        )


def pieces(wavs: Sequence[np.ndarray], rate: int = SAMPLE_RATE) -> list[np.ndarray]:
    """Return the middle of each of the first two utterances at `rate`, of different lengths."""
    cut = []
    for wav, seconds in zip(wavs, PIECES, strict=False):
        size = min(len(wav), round(seconds * rate))
        start = (len(wav) - size) // 2
        cut.append(wav[start : start + size])
    return cut


def encode_together(tokenizer: Tokenizer, wavs: Sequence[np.ndarray]) -> list[torch.Tensor]:
    """Encode utterances (T,) in one batch to codes (K, T') each."""
    parts = [torch.from_numpy(np.ascontiguousarray(wav)) for wav in wavs]
    padded = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
    codes, frames = tokenizer.encode(padded, torch.tensor([len(part) for part in parts]))
    return [row[:, : int(count)] for row, count in zip(codes, frames, strict=True)]


def _require_equal(
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[torch.Tensor, torch.Tensor]],
    tolerated: float,
    what: str,
    cure: str,
) -> None:
    for one, other in pairs:
        if one.shape != other.shape:
            raise BrokenContract(
                f"{tokenizer.name}: the numbers of frames {what}: {one.shape[1]} and {other.shape[1]}, "
                f"expected the same; {cure}"
            )
    different = sum(int(_differ(tokenizer, *pair).sum()) for pair in pairs)
    share = different / sum(one.numel() for one, _ in pairs)
    text = f"{tokenizer.name}: {share:.2g} of the codes {what}"
    if share > tolerated:
        raise BrokenContract(f"{text}, expected none; {cure}")
    if different:
        log.warning("%s, which is tolerated up to %g; %s", text, tolerated, cure)


def _differ(tokenizer: Tokenizer, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return which codes differ; continuous features, which are float16 patterns, may differ in last bits."""
    if not tokenizer.spec.continuous:
        return one != other
    return ~torch.isclose(from_codes(one), from_codes(other), rtol=1e-2, atol=1e-2)
