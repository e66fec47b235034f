"""Codec 2, the parametric vocoder for radio (Rowe 2011), run by pycodec2: bytes of frames are tokens."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from benchmark.errors import UserError, unknown
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import TokenizerSpec

if TYPE_CHECKING:
    import pycodec2

SAMPLE_RATE = 8_000
HOPS = {3200: 160, 2400: 160, 1600: 320, 1400: 320, 1300: 320, 1200: 320, 700: 320}
"""Samples per frame of each mode, by bit/s; 700 is the mode called 700C."""
DECODER = Path(__file__).with_name("codec2_decoder.py")
LOOK_AHEAD = 160
"""Samples by which the decoded sound lags, because analysis is centred in 40 ms that end with the frame."""


@dataclass(kw_only=True)
class Codec2(Tokenizer):
    """Byte k of each frame is the token of codebook k; a partly used last byte has a smaller codebook.

    The encoder is fed 20 ms ahead of the frames, so that decoded speech is in time with the original.
    Encoder and decoder start afresh with every utterance, and so does the decoder's noise.

    Attributes:
        bitrate: Bit/s. 3200 and 2400 have frames of 20 ms; 1600, 1400, 1300, 1200 and 700 (700C) of 40 ms.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.codec2.Codec2"

    library: ClassVar[str | None] = "pycodec2"
    extra: ClassVar[str | None] = "zoo"

    bitrate: int

    def __post_init__(self) -> None:
        if self.bitrate not in HOPS:
            raise unknown(f"bitrate of {self.name}", self.bitrate, HOPS)

    @property
    def _bits(self) -> int:
        """Bits per frame."""
        return self.bitrate * HOPS[self.bitrate] // SAMPLE_RATE

    @property
    def _unused(self) -> int:
        """Number of unused low bits in the last byte."""
        return -self._bits % 8

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. The nominal bitrate is the transmitted one."""
        sizes = [256] * (self._bits // 8) + [2 ** (8 - self._unused)] * (self._unused > 0)
        return TokenizerSpec(
            name=self.name,
            kind="classical",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOPS[self.bitrate],
            codebook_sizes=tuple(sizes),
            causal=True,
            can_decode=True,
            supports_padding=True,
            licence="LGPL-2.1",
        )

    def _codec(self) -> "pycodec2.Codec2":
        """Create a codec with a fresh state, because state must not carry over to the next utterance."""
        try:
            import pycodec2
        except ImportError as error:
            raise UserError(
                f"{self.name} needs {self.library}: pip install 'speech-token-benchmark[{self.extra}]'"
            ) from error
        return pycodec2.Codec2(self.bitrate)

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [
            torch.from_numpy(self._frames(row[: int(samples)].cpu().numpy()))
            for row, samples in zip(wav, lengths, strict=True)
        ]
        frames = torch.tensor([len(row) for row in rows])
        return pad_sequence(rows, batch_first=True).transpose(1, 2), frames

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        self._codec()  # raises here, and not in the subprocess, if the library is missing
        packed = codes.cpu().numpy().copy()
        packed[:, -1] <<= self._unused
        rows = [row[:, :frames].T for row, frames in zip(packed, lengths.tolist(), strict=True)]
        arguments = [self.bitrate, codes.shape[1], *lengths.tolist()]
        decoded = subprocess.run(
            [sys.executable, "-P", str(DECODER), *map(str, arguments)],
            input=b"".join(row.astype(np.uint8).tobytes() for row in rows),
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        samples = torch.from_numpy(np.frombuffer(decoded, np.int16).astype(np.float32) / 32768)
        hop = HOPS[self.bitrate]
        return pad_sequence(samples.split([hop * frames for frames in lengths.tolist()]), batch_first=True)

    def _frames(self, wav: np.ndarray) -> np.ndarray:
        """Encode (T,) float32 to (frames, bytes) int64.

        Frames are encoded one by one, because pycodec2 packs several at once wrongly.
        """
        hop = HOPS[self.bitrate]
        frames = -(-len(wav) // hop)
        samples = np.zeros((frames + 1) * hop, np.int16)
        start = hop - LOOK_AHEAD
        samples[start : start + len(wav)] = np.clip(np.round(wav * 32768), -32768, 32767)
        codec = self._codec()
        packed = b"".join(codec.encode(block) for block in samples.reshape(-1, hop))
        codes = np.frombuffer(packed, np.uint8).reshape(frames + 1, -1)[1:].astype(np.int64)
        codes[:, -1] >>= self._unused
        return codes
