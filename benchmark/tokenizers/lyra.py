"""Lyra v2, a pretrained causal SoundStream codec (Zeghidour et al. 2021), run from its TFLite files."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from benchmark.errors import UserError
from benchmark.storage.hashing import digest, file_digest
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import SAMPLE_RATE, TokenizerSpec

HOP = 320
ENCODER, QUANTIZER, DECODER = FILES = ("soundstream_encoder.tflite", "quantizer.tflite", "lyragan.tflite")
MAX_QUANTIZERS = 46
UNUSED = -1
"""Index that tells the quantizer that a level was not sent."""


@dataclass(kw_only=True)
class Lyra(Tokenizer):
    """Residual codes of 4 bits at 50 Hz, and the generator that decodes them.

    The models are streaming models. They keep their state from hop to hop and are reset for each utterance,
    so padding after an utterance cannot change its codes.

    Attributes:
        checkpoint_dir: Folder of the three TFLite files of the Lyra v2 release.
        num_quantizers: Levels sent per frame, 1 to 46. Lyra's own rates of 3.2, 6.0 and 9.2 kbit/s send
            16, 30 and 46.
    """

    uid: ClassVar[str] = "benchmark.tokenizers.lyra.Lyra"

    library: ClassVar[str] = "ai_edge_litert"
    extra: ClassVar[str] = "lyra"

    checkpoint_dir: str = field(metadata={"identity": False})  # the weights' digest stands for it
    num_quantizers: int = MAX_QUANTIZERS

    def __post_init__(self) -> None:
        if not 1 <= self.num_quantizers <= MAX_QUANTIZERS:
            raise UserError(
                f"{self.name}: num_quantizers must be from 1 to {MAX_QUANTIZERS} (16, 30 and 46 are Lyra's "
                f"3.2, 6.0 and 9.2 kbit/s), not {self.num_quantizers}"
            )

    @property
    def spec(self) -> TokenizerSpec:
        """The specification. Causal, with frames of 20 ms."""
        return TokenizerSpec(
            name=self.name,
            kind="acoustic",
            sample_rate=SAMPLE_RATE,
            frame_rate=SAMPLE_RATE / HOP,
            codebook_sizes=(16,) * self.num_quantizers,
            causal=True,
            can_decode=True,
            supports_padding=True,
            licence="Apache-2.0",
            checkpoint="lyra-v2",
        )

    def weights_digest(self) -> str:
        """Return the digest of the three model files."""
        return digest({name: file_digest(self._folder / name) for name in FILES})

    @cached_property
    def _folder(self) -> Path:
        folder = Path(self.checkpoint_dir)
        missing = [name for name in FILES if not (folder / name).is_file()]
        if not self.checkpoint_dir or missing:
            raise UserError(
                f"{self.name}: tokenizer.checkpoint_dir={self.checkpoint_dir!r} lacks {', '.join(missing)}; "
                "give the folder of Lyra v2's model files (LYRA=<folder> sets it)"
            )
        return folder

    def _interpreter(self, file: str) -> Any:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise UserError(f"{self.name} needs ai-edge-litert: pip install '.[lyra]'") from error
        return Interpreter(str(self._folder / file), num_threads=1)

    @cached_property
    def _quantizer(self) -> Any:
        return self._interpreter(QUANTIZER)

    def _stream(self, file: str, blocks: np.ndarray) -> np.ndarray:
        """Run a stateful model over blocks (T', …) in order, from its initial state.

        Each call makes a new interpreter, because neither `reset_all_variables` nor `allocate_tensors`
        resets the state of this kind of model.
        """
        model = self._interpreter(file)
        model.allocate_tensors()
        (source,), (sink,) = model.get_input_details(), model.get_output_details()
        outputs = []
        for block in blocks:
            model.set_tensor(source["index"], block)
            model.invoke()
            outputs.append(model.get_tensor(sink["index"]))
        return np.stack(outputs)

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        quantize = self._quantizer.get_signature_runner("encode")
        levels = np.array(self.num_quantizers, np.int32)
        frames = (lengths + HOP - 1) // HOP
        rows = []
        for row, count in zip(wav.cpu().numpy(), frames.tolist(), strict=True):
            features = self._stream(ENCODER, row[: count * HOP].reshape(count, 1, HOP))
            codes = [quantize(input_frames=frame, num_quantizers=levels)["output_0"] for frame in features]
            rows.append(torch.from_numpy(np.stack(codes)[:, : self.num_quantizers, 0, 0]))
        return pad_sequence(rows, batch_first=True).transpose(1, 2), frames

    def _decode(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        dequantize = self._quantizer.get_signature_runner("decode")
        rows = []
        for row, count in zip(codes.cpu().numpy(), lengths.tolist(), strict=True):
            indices = np.full((count, MAX_QUANTIZERS, 1, 1), UNUSED, np.int32)
            indices[:, : self.num_quantizers, 0, 0] = row[:, :count].T
            features = [dequantize(encoding_indices=frame)["output_0"] for frame in indices]
            rows.append(torch.from_numpy(self._stream(DECODER, np.stack(features)).ravel()))
        return pad_sequence(rows, batch_first=True)
