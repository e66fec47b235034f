"""Features of prompts: one layer of a frozen WavLM (Chen et al., 2022)."""

from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from benchmark.errors import UserError
from benchmark.extractors.encoders.waveform import normalised
from benchmark.storage.checkpoints import resolve

SEED = 20_260_217
NORMS: dict[str, Any] = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
"""Settings that make a WavLM of any width one of the large form: norms in the stem, and before each layer."""
LARGE: dict[str, Any] = NORMS | {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
"""Settings in which WavLM-large's published configuration differs from the library's defaults."""


class WavLMLayer:
    """Hidden states of one layer at 50 frames per second, independent of the other utterances in a batch."""

    def __init__(self, wavlm: Any, layer: int) -> None:
        """Set the model and the layer, and remove the layers above.

        Args:
            wavlm: A `WavLMModel` of transformers, which is modified.
            layer: Number of the layer, counted from one; 0 for the input of the first layer.

        Raises:
            UserError: the model has no such layer.
        """
        depth = wavlm.config.num_hidden_layers
        if not 0 <= layer <= depth:
            raise UserError(f"this WavLM has layers 0 to {depth}, not {layer}")
        wavlm.config.num_hidden_layers = max(1, layer)  # layers above are never used
        wavlm.encoder.layers = wavlm.encoder.layers[: wavlm.config.num_hidden_layers]
        self.wavlm = wavlm.eval().requires_grad_(False)
        self.layer = layer
        self.width: int = wavlm.config.hidden_size
        self._batches = wavlm.config.feat_extract_norm == "layer"

    @torch.no_grad()
    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a batch of utterances.

        Args:
            wav: (B, T) zero-padded samples at 16 kHz.
            lengths: (B,) samples of each utterance.

        Returns:
            States (B, S, width), and the number of frames of each utterance (B,).
        """
        self.wavlm.to(wav.device)
        if not self._batches and len(wav) > 1:
            # One utterance at a time, because the norm of the first convolution would include the padding.
            alone = [self(row[None, :length], length[None]) for row, length in zip(wav, lengths, strict=True)]
            states = pad_sequence([row[0] for row, _ in alone], batch_first=True)
            return states, torch.cat([frames for _, frames in alone])
        inside = torch.arange(wav.shape[1], device=wav.device) < lengths[:, None]
        if self._batches:  # the checkpoints with this stem were trained on normalised speech
            wav = normalised(wav, inside)
        mask = None if inside.all() else inside.long()
        states = self.wavlm(wav, attention_mask=mask, output_hidden_states=True).hidden_states
        return states[self.layer].float(), self.wavlm._get_feat_extract_output_lengths(lengths)


def load_wavlm(checkpoint: str, revision: str | None, layer: int) -> WavLMLayer:
    """Load a published WavLM in transformers' format.

    Args:
        checkpoint: See `benchmark.storage.checkpoints.resolve`.
        revision: Commit of a hub id.
        layer: See `WavLMLayer`.

    Raises:
        UserError: the checkpoint cannot be found or loaded, lacks weights, or has no such layer.
    """
    from transformers import WavLMModel  # imported here, because the import takes seconds

    folder = resolve(checkpoint, revision)
    try:
        loaded: Any = WavLMModel.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{checkpoint!r} in {folder} holds no WavLM: {error}") from error
    wavlm, report = loaded
    if report["missing_keys"]:  # the library would use random weights instead
        some = ", ".join(sorted(report["missing_keys"])[:3])
        raise UserError(f"{checkpoint!r} in {folder} holds no WavLM: it lacks {some}")
    return WavLMLayer(wavlm, layer)


def random_wavlm(layer: int) -> WavLMLayer:
    """Build a WavLM-large with random weights that are the same on every call.

    This model is for trials without the real weights. Only the layers up to `layer` are built.

    Raises:
        UserError: WavLM-large has no such layer.
    """
    from transformers import WavLMConfig, WavLMModel

    if not 0 <= layer <= LARGE["num_hidden_layers"]:
        raise UserError(f"WavLM-large has layers 0 to {LARGE['num_hidden_layers']}, not {layer}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return WavLMLayer(WavLMModel(WavLMConfig(**LARGE | {"num_hidden_layers": max(1, layer)})), layer)
