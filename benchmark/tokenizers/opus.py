"""Opus, the classical anchor: the bytes of its constant-bitrate packets used as tokens."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import av
import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from benchmark.data.audio import resample
from benchmark.errors import UserError
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP = 320
"""Samples per packet, 20 ms."""
DECODER_RATE = 48_000
"""Hz at which libopus decodes here, whatever rate was encoded."""
LOOK_AHEAD = 104
"""Samples that the encoder looks ahead, 6.5 ms; the last packet must hold them too."""
STEP = SAMPLE_RATE // HOP * 8
"""Bit/s that one byte per packet adds."""
MIN_BITRATE, MAX_BITRATE = 6_000, 256_000


@dataclass(kw_only=True)
class Opus(Tokenizer):
    """libopus at a hard constant bitrate; byte k of each packet is the token of codebook k.

    The encoder runs in mono speech mode ("voip") with frames of 20 ms. The decoder drops the encoder's
    look-ahead. As many samples are appended before encoding, so that nothing is lost at the end.

    Attributes:
        bitrate: Bit/s, a multiple of 400 (one byte per packet), at least 6000, Opus's lowest rate.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.opus.Opus"

    bitrate: int = 6_000

    def __post_init__(self) -> None:
        if self.bitrate % STEP or not MIN_BITRATE <= self.bitrate <= MAX_BITRATE:
            raise UserError(
                f"{self.name}: bitrate must be a multiple of {STEP} from {MIN_BITRATE} to {MAX_BITRATE}, "
                f"not {self.bitrate}"
            )

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. One codebook of 256 per byte makes the nominal bitrate the transmitted one."""
        return TokenizerSpec(
            name=self.name,
            kind="classical",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(256,) * (self.bitrate // STEP),
            causal=True,
            can_decode=True,
            supports_padding=True,
            frame_slack=LOOK_AHEAD / HOP,
            licence="BSD-3-Clause",
        )

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [
            torch.from_numpy(self._packets(row[: int(samples)].cpu().numpy()))
            for row, samples in zip(wav, lengths, strict=True)
        ]
        frames = torch.tensor([len(row) for row in rows])
        return pad_sequence(rows, batch_first=True).transpose(1, 2), frames

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        rows = [
            torch.from_numpy(self._samples(row[:, : int(frames)].T.cpu().numpy()))
            for row, frames in zip(codes, lengths, strict=True)
        ]
        return pad_sequence(rows, batch_first=True)

    def _packets(self, wav: np.ndarray) -> np.ndarray:
        """Encode (T,) float32 to (packets, bytes) int64."""
        encoder = self._encoder()
        delay = int.from_bytes(self._header[10:12], "little") * SAMPLE_RATE // DECODER_RATE  # RFC 7845, 5.1
        packets = -(-(len(wav) + delay) // HOP)
        samples = np.zeros((1, packets * HOP), np.int16)
        samples[0, : len(wav)] = np.clip(np.round(wav * 32768), -32768, 32767)
        rows = []
        for block in np.split(samples, packets, axis=1):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            rows += [np.frombuffer(bytes(packet), np.uint8) for packet in encoder.encode(frame)]
        return np.stack(rows).astype(np.int64)

    def _samples(self, packets: np.ndarray) -> np.ndarray:
        """Decode (packets, bytes) to (T,) float32 at 16 kHz."""
        decoder = av.CodecContext.create("libopus", "r")
        decoder.extradata = self._header
        decoder.open()
        blocks = [
            frame.to_ndarray()[0]
            for packet in packets.astype(np.uint8)
            for frame in decoder.decode(av.Packet(packet.tobytes()))
        ]
        return resample(np.concatenate(blocks).astype(np.float32) / 32768, DECODER_RATE, SAMPLE_RATE)

    @cached_property
    def _header(self) -> bytes:
        """The stream's OpusHead, which tells the decoder how many samples to drop at the start."""
        return bytes(self._encoder().extradata or b"")

    def _encoder(self) -> av.AudioCodecContext:
        """Open a new encoder, because its state must not carry over to the next utterance."""
        encoder = av.CodecContext.create("libopus", "w")
        encoder.sample_rate = SAMPLE_RATE
        encoder.layout = "mono"
        encoder.format = "s16"
        encoder.bit_rate = self.bitrate
        encoder.options = {"vbr": "off", "frame_duration": "20", "application": "voip"}
        encoder.open()
        return encoder
