"""The whole contract of tokenizers, as named checks that `check` prints and the tests of this package run."""

import json
from collections.abc import Callable
from copy import copy
from dataclasses import fields

import numpy as np
import torch

from benchmark.data.synthesis.voice_like import voice_like
from benchmark.storage.hashing import digest
from benchmark.tokenizers.base import FittedTokenizer, Tokenizer
from benchmark.tokenizers.code_checks import BrokenContract
from benchmark.tokenizers.encoding.contract import encode_together, require_facts, require_stable
from benchmark.types import SAMPLE_RATE

LENGTHS = (16_000, 16_001, 23_456, 100)
"""Samples: a whole number of most hops, one more, no whole number of any, and less than one hop of most."""
TOLERATED = 1e-3
"""Share of codes that may differ between two encodings on the same machine."""
FIT_SECONDS = 12.0
"""Least speech to fit a codebook on."""
SAME_SOUND = 1e-4
"""Difference of decoded speech, relative to its peak, that the batch may make: the last bits of sums."""


def ready(tokenizer: Tokenizer) -> Tokenizer:
    """Return the tokenizer with a codebook, fitted on speech-like sound if it has none yet."""
    base = tokenizer.base_tokenizer
    if not isinstance(base, FittedTokenizer) or base.is_published or base.codebook_digest is not None:
        return tokenizer
    seconds = max(FIT_SECONDS, 1.2 * base.spec.codebook_size / base.spec.frame_rate)
    wavs = (voice_like(2 * SAMPLE_RATE, seed) for seed in range(int(np.ceil(seconds / 2))))
    return tokenizer.over(base.fit(wavs, seed=0))


def facts(tokenizer: Tokenizer) -> str:
    """Check the declared facts."""
    require_facts(tokenizer)
    spec = tokenizer.spec
    if spec.name != tokenizer.name:
        raise BrokenContract(f"spec.name is {spec.name!r}, expected the name of the yaml, {tokenizer.name!r}")
    sizes = ", ".join(str(size) for size in dict.fromkeys(spec.codebook_sizes))
    return (
        f"{spec.sample_rate} Hz, {spec.frame_rate:.6g} frames/s, {spec.num_codebooks} × {sizes} entries, "
        f"{spec.bitrate / 1000:.3g} kbit/s"
    )


def identity(tokenizer: Tokenizer) -> str:
    """Check that the identity, part of every key, is JSON-able and stays the same through encoding."""
    before = _identity_digest(tokenizer)
    encode_together(tokenizer, [voice_like(8_000, 3)])
    if _identity_digest(tokenizer) != before:
        raise BrokenContract("identity() is another after encoding, expected the same")
    renamed = copy(tokenizer)
    object.__setattr__(renamed, "name", f"{tokenizer.name}_2")  # a tokenizer may be frozen
    if _identity_digest(renamed) != before:
        raise BrokenContract("identity() depends on the name, expected arguments and weights alone")
    return before


def codes(tokenizer: Tokenizer) -> str:
    """Check shape, type, range and number of the codes of speech-like sound and noise, at four lengths."""
    counts = []
    for samples in LENGTHS:
        noise = 0.1 * np.random.default_rng(samples).standard_normal(samples)
        for wav in (voice_like(samples, 9), noise.astype(np.float32)):
            (one,) = encode_together(tokenizer, [wav])
        counts.append(f"{one.shape[1]}")
    return f"{', '.join(counts)} frames for {', '.join(map(str, LENGTHS))} samples"


def silence(tokenizer: Tokenizer) -> str:
    """Check that digital silence is encoded, and decoded to finite samples."""
    wav = np.zeros(SAMPLE_RATE, np.float32)
    (one,) = encode_together(tokenizer, [wav])
    if not tokenizer.spec.can_decode:
        return f"{one.shape[1]} frames"
    decoded = _decode(tokenizer, [one], [wav])
    if not torch.isfinite(decoded).all():
        raise BrokenContract("decoded silence holds NaN or infinite samples, expected finite ones")
    return f"{one.shape[1]} frames, decoded to a peak of {float(decoded.abs().max()):.2g}"


def variety(tokenizer: Tokenizer) -> str:
    """Check that two seconds of speech-like sound use more than a few codes."""
    (one,) = encode_together(tokenizer, [voice_like(2 * SAMPLE_RATE, 9)])
    distinct = len(one.unique())
    if distinct <= 8 and tokenizer.spec.bitrate > 0 and tokenizer.spec.codebook_size > 8:
        raise BrokenContract(f"two seconds of speech use {distinct} codes, expected more than 8")
    return f"{distinct} codes in two seconds"


def stable(tokenizer: Tokenizer) -> str:
    """Check that codes depend neither on chance nor on the other utterances of a batch."""
    wavs = [voice_like(28_800, 10), voice_like(20_001, 9)]
    require_stable(tokenizer, wavs, TOLERATED)
    if tokenizer.spec.supports_padding:
        return "the same again, alone, and in a padded batch"
    return "the same again, alone, and in a batch of one length"


def untouched(tokenizer: Tokenizer) -> str:
    """Check that encoding and decoding change neither their arguments nor the fields of the tokenizer."""
    before = {item.name: repr(getattr(tokenizer, item.name)) for item in fields(tokenizer)}
    wav, lengths = torch.from_numpy(voice_like(16_000, 9))[None], torch.tensor([16_000])
    given = wav.clone()
    made, frames = tokenizer.encode(wav, lengths)
    if not torch.equal(wav, given):
        raise BrokenContract("_encode changes the waveform that it is given; work on a copy")
    if tokenizer.spec.can_decode:
        given = made.clone()
        _decode(tokenizer, [made[0, :, : int(frames[0])]], [wav[0].numpy()])
        if not torch.equal(made, given):
            raise BrokenContract("_decode changes the codes that it is given; work on a copy")
    changed = [name for name, value in before.items() if repr(getattr(tokenizer, name)) != value]
    if changed:
        raise BrokenContract(f"encoding changes the fields {', '.join(changed)}, expected none")
    return "arguments and fields are left as they are"


def decoding(tokenizer: Tokenizer) -> str:
    """Check that decoding gives the input's length, zeros beyond it, and the same alone as in a batch."""
    if not tokenizer.spec.can_decode:
        return "by a vocoder (can_decode=False)"
    wavs = [voice_like(23_456, 9), voice_like(23_300, 10)]
    rows = [encode_together(tokenizer, [wav])[0] for wav in wavs]
    if not tokenizer.spec.supports_padding:  # such a decoder may want one length too
        shortest = min(row.shape[1] for row in rows)
        rows = [row[:, :shortest] for row in rows]
    together = _decode(tokenizer, rows, wavs)
    if tuple(together.shape) != (2, 23_456) or together.dtype != torch.float32:
        raise BrokenContract(
            f"decoded speech is {tuple(together.shape)} {together.dtype}, expected (2, 23456) float32"
        )
    if not torch.isfinite(together).all():
        raise BrokenContract("decoded speech holds NaN or infinite samples, expected finite ones")
    if together[1, 23_300:].abs().max() > 0:
        raise BrokenContract("decoded speech goes on beyond its utterance, expected zeros")
    (alone,) = _decode(tokenizer, rows[1:], wavs[1:])
    off = float((alone - together[1, :23_300]).abs().max() / max(1.0, float(alone.abs().max())))
    if off > SAME_SOUND:
        raise BrokenContract(
            f"decoded speech changes by {off:.2g} with the other utterances of the batch, expected none; "
            "does the decoder use the lengths that it is given?"
        )
    return "the length of the input, alone and in a batch"


CHECKS: dict[str, Callable[[Tokenizer], str]] = {
    "facts": facts,
    "identity": identity,
    "codes": codes,
    "silence": silence,
    "variety": variety,
    "stable": stable,
    "untouched": untouched,
    "decoding": decoding,
}
"""Every check by name. A check returns what it found in words, and raises a UserError otherwise."""


def decoded_pair(tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Return two seconds of speech-like sound and its reconstruction, (T,) each."""
    wav = voice_like(2 * SAMPLE_RATE, 9)
    return wav, _decode(tokenizer, encode_together(tokenizer, [wav]), [wav])[0].numpy()


def _decode(tokenizer: Tokenizer, rows: list[torch.Tensor], wavs: list[np.ndarray]) -> torch.Tensor:
    """Decode codes (K, T) to the lengths of `wavs`, each with the side information of its own recording."""
    side = None
    if tokenizer.spec.decode_needs_prompt:
        side = [tokenizer.extract_side_info(torch.from_numpy(wav)) for wav in wavs]
    padded = torch.nn.utils.rnn.pad_sequence([row.T for row in rows], batch_first=True).transpose(1, 2)
    frames = torch.tensor([row.shape[1] for row in rows])
    return tokenizer.decode(padded, frames, torch.tensor([len(wav) for wav in wavs]), side)


def _identity_digest(tokenizer: Tokenizer) -> str:
    try:
        json.dumps(tokenizer.identity())
    except (TypeError, ValueError) as error:
        raise BrokenContract(f"identity() is not JSON-able: {error}") from error
    return digest(tokenizer.identity())
