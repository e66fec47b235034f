"""Types that every part of the benchmark shares: utterances and tokenizer facts.

Conventions used throughout:
* `wav` is float32 (B, T) in [-1, 1] at `SAMPLE_RATE`, or at the rate at which a tokenizer hears; its
  `lengths` are samples.
* `codes` is int64 (B, K, T): batch, codebook, frame; its `lengths` are frames.
"""

from dataclasses import dataclass
from math import log2
from typing import Literal, get_args

from benchmark.errors import UserError, unknown

SAMPLE_RATE = 16_000
"""Rate (Hz) at which all speech is read, decoded and scored.

Tokenizers of a higher rate may hear more, see `benchmark.tokenizers.hearing`."""

Kind = Literal[
    "acoustic",
    "acoustic-semantic",
    "acoustic-disentangled",
    "semantic-ssl",
    "semantic-supervised",
    "classical",
    "topline",
    "floor",
]


@dataclass(frozen=True)
class Utterance:
    """One recording and its labels. `duration` is in seconds; NaN when the file is unreadable."""

    utterance_id: str
    audio_path: str
    speaker_id: str
    duration: float
    fingerprint: str
    """Identity of the audio without its path: a content hash, or frames and bytes from the header."""
    text: str | None = None
    intent: str | None = None
    scenario: str | None = None
    language: str = "en"
    gender: str | None = None


@dataclass(frozen=True)
class TokenizerSpec:
    """Facts about a tokenizer that the tables and all users of its codes need."""

    name: str
    kind: Kind
    sample_rate: int
    """Rate of the tokenizer's own model in Hz. The base class resamples to it from the rate of the speech,
    which is the same where the recordings allow it (`benchmark.tokenizers.hearing`), and from it to
    `SAMPLE_RATE`."""
    frame_rate: float
    """Frames per second of the `codes` array."""
    codebook_sizes: tuple[int, ...]
    causal: bool
    can_decode: bool
    supports_padding: bool
    """True if zero-padding a batch leaves the codes of its shorter utterances unchanged."""
    output_rate: int | None = None
    """Rate of the decoder's output in Hz; None if equal to `sample_rate`."""
    codebook_frame_rates: tuple[float, ...] | None = None
    """True rate of each codebook if slower codebooks are repeated to `frame_rate`; used for the bitrate."""
    frame_offset: int = 0
    """Distance in samples at `SAMPLE_RATE` from the centre of frame t's slot (one hop) to the centre of the
    analysis window behind code t. It is (window - hop) / 2 for a front end without padding, and negative
    for one that looks back. It is also zero for windows centred on an edge of the slot, where either sign
    would be equally right."""
    frame_slack: float = 0.0
    """Frames, beyond one, by which the number of frames may differ from duration · `frame_rate`: what a front
    end without padding lacks at the end, or what a look-ahead adds."""
    continuous: bool = False
    """True if each code is the bit pattern of a float16 feature and not an index, as in toplines."""
    decode_needs_prompt: bool = False
    """True if decoding takes `Tokenizer.side_info` beside the codes, and so can convert voices."""
    side_info: str = ""
    """Description of the side information."""
    side_info_bits: float | None = None
    """Size of the side information in bits per utterance."""
    licence: str = "Apache-2.0"
    checkpoint: str | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        """Raise UserError for facts that no tokenizer can have."""
        if self.kind not in get_args(Kind):
            raise unknown(f"kind of the tokenizer {self.name}", self.kind, get_args(Kind))
        sizes = self.codebook_sizes
        if not isinstance(sizes, tuple) or not sizes or not all(isinstance(n, int) and n > 0 for n in sizes):
            raise UserError(
                f"{self.name}: codebook_sizes={sizes!r} must be a tuple with the entries of each codebook, "
                "such as (1024,) or (1024,) * 8"
            )
        for name in ("sample_rate", "frame_rate"):
            if not getattr(self, name) > 0:
                raise UserError(
                    f"{self.name}: {name}={getattr(self, name)!r} must be a positive number of Hz"
                )
        if self.decode_needs_prompt and not self.can_decode:
            raise UserError(f"{self.name}: decode_needs_prompt=True needs can_decode=True")
        if self.codebook_frame_rates is not None and len(self.codebook_frame_rates) != len(sizes):
            raise UserError(
                f"{self.name}: codebook_frame_rates has {len(self.codebook_frame_rates)} rates for "
                f"{len(sizes)} codebooks"
            )

    @property
    def num_codebooks(self) -> int:
        """Number of codes per frame, K."""
        return len(self.codebook_sizes)

    @property
    def codebook_size(self) -> int:
        """Entries of the largest codebook."""
        return max(self.codebook_sizes)

    @property
    def hop_length(self) -> int:
        """Samples per frame at the tokenizer's own `sample_rate`."""
        return round(self.sample_rate / self.frame_rate)

    @property
    def frame_rates(self) -> tuple[float, ...]:
        """Frames per second of each codebook, K values."""
        return self.codebook_frame_rates or (self.frame_rate,) * self.num_codebooks

    @property
    def strides(self) -> tuple[int, ...]:
        """Frames for which each codebook repeats a code, K values; all 1 where the rates are equal."""
        return tuple(round(self.frame_rate / rate) for rate in self.frame_rates)

    @property
    def token_rate(self) -> float:
        """Tokens per second over all codebooks."""
        return sum(self.frame_rates)

    @property
    def bitrate(self) -> float:
        """Nominal bits per second: the sum over codebooks of frame_rate · log2(codebook_size).

        Side information, which is sent once per utterance, is not included.
        """
        rates = zip(self.frame_rates, self.codebook_sizes, strict=True)
        return sum(rate * log2(size) for rate, size in rates)

    @property
    def whole_bit_rate(self) -> float:
        """Bits per second if every code takes whole bits: the sum of frame_rate · ⌈log2(codebook_size)⌉.

        Published tables count this way (Guo et al. 2025, Table II), so their LSCodec of 300 entries at 50 Hz
        has 0.45 kbit/s and not 0.411.
        """
        rates = zip(self.frame_rates, self.codebook_sizes, strict=True)
        return sum(rate * (size - 1).bit_length() for rate, size in rates)
