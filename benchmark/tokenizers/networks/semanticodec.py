"""The encoder of SemantiCodec (Liu et al. 2024, arXiv 2405.00233, section III).

Features of two neighbouring patches are one vector, the nearest centroid of which is the semantic code. An
LSTM over the vectors and their centroids computes what the centroids lack, which is the acoustic code.
"""

import re
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F
from torchaudio.compliance import kaldi

from benchmark.storage.weights import renamed
from benchmark.tokenizers.networks.audio_mae import BINS, FRAMES, PATCH, AudioMae

SEGMENT = 163_840
"""Samples at 16 kHz that are encoded at once, 10.24 s."""
FRAMES_PER_CODE = 4
GROUP = PATCH // FRAMES_PER_CODE
"""Successive codes for the same 160 ms, from low to high frequencies."""
MEAN, DEVIATION = -4.2677393, 4.5689974
"""Statistics of log mel energies on AudioSet."""
EMPTY = 1e-7
"""Standard deviation over the bins up to which a frame counts as padding."""
MASKED = -1.0
"""Value that fills the vectors of padding."""

RENAMED = {
    r"^audiomae\.model\.": "audio_mae.",
    r"\.patch_embed\.": ".",
    r"\.(attn|mlp)\.": ".",
    r"^encoder_output_linear\.": "project.",
    r"^encoder\.": "lstm.",
    r"^quantizer\._codebook\.embed$": "books.1",
}
"""Names in a published checkpoint, and their replacements here."""
UNUSED = re.compile(r"audiomae\.model\.(decoder_|mask_token)|quantizer\.(?!_codebook\.embed$)")
"""Weights that reconstruct masked patches, and running averages of the codebook."""


class SemantiCodecEncoder(nn.Module):
    """Two codes of every four patches.

    Args:
        width: Channels of AudioMAE.
        hidden: Hidden channels of AudioMAE's feed-forward networks.
        layers: Layers of AudioMAE and of the LSTM.
        sizes: Entries of the semantic and of the acoustic codebook.
    """

    def __init__(self, width: int, hidden: int, layers: tuple[int, int], sizes: tuple[int, int]) -> None:
        super().__init__()
        vector = 2 * width
        self.audio_mae = AudioMae(width, hidden, layers[0])
        self.lstm = nn.LSTM(2 * vector, 2 * vector, layers[1], batch_first=True, bidirectional=True)
        self.project = nn.Linear(4 * vector, vector, bias=False)
        self.books = nn.ParameterList(torch.zeros(size, vector) for size in sizes)

    @classmethod
    def of_shapes(cls, state: Mapping[str, torch.Tensor]) -> "SemantiCodecEncoder":
        """Build the network with the sizes of a state dict, whose names are those used here.

        Raises:
            KeyError: the state dict is another model's.
        """
        hidden, width = state["audio_mae.blocks.0.fc1.weight"].shape
        layers = (
            sum(bool(re.fullmatch(r"audio_mae\.blocks\.\d+\.fc1\.weight", name)) for name in state),
            sum(bool(re.fullmatch(r"lstm\.weight_ih_l\d+", name)) for name in state),
        )
        sizes = len(state["books.0"]), len(state["books.1"])
        return cls(width, hidden, layers, sizes)

    def encode(self, mel: torch.Tensor) -> torch.Tensor:
        """Encode one spectrogram (FRAMES, BINS) to semantic and acoustic codes (2, FRAMES / 4)."""
        features = self.audio_mae(mel[None])[0].unflatten(0, (FRAMES // FRAMES_PER_CODE, 2)).flatten(1)
        semantic = nearest(features, self.books[0])
        both = torch.cat([features, self.books[0][semantic]], 1)
        both[vectors_with_sound(mel) :] = MASKED
        residual = self.project(self.lstm(both[None])[0][0])
        return torch.stack([semantic, nearest(residual, self.books[1])])

    def vectors(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the vectors (T', 2 D) of codes (2, T'), the acoustic ones first, as decoding wants."""
        return torch.cat([self.books[1][codes[1]], self.books[0][codes[0]]], 1)


def nearest(vectors: torch.Tensor, book: torch.Tensor) -> torch.Tensor:
    """Return for each vector (T, D) the index of the nearest entry of `book` (V, D)."""
    # The order of operations is upstream's, so that near-ties are broken in the same way.
    distances = vectors.pow(2).sum(1, keepdim=True) + book.pow(2).sum(1) - 2 * (vectors @ book.T)
    return distances.argmin(1)


def vectors_with_sound(mel: torch.Tensor) -> int:
    """Return the number of vectors up to the last frame of a spectrogram (FRAMES, BINS) that is no padding.

    Within the last 160 ms this counts frames and not patches, so that the vectors of high bands may be
    counted as padding. Upstream does so, and its networks are trained with it.
    """
    frames = (mel.std(-1) > EMPTY).nonzero()
    return -(-(int(frames.max()) + 1) // FRAMES_PER_CODE) if len(frames) else 0


def spectrograms(wav: torch.Tensor) -> torch.Tensor:
    """Compute log mel spectrograms (S, FRAMES, BINS) of the segments of an utterance (T,) at 16 kHz.

    Zeros complete the last segment. The frames of all segments are those of one long spectrogram.
    """
    segments = -(-len(wav) // SEGMENT)
    padded = F.pad(wav, (0, SEGMENT - len(wav) % SEGMENT))  # a whole segment more where upstream adds one
    energies = kaldi.fbank(
        (padded - padded.mean())[None],
        dither=0.0,
        htk_compat=True,
        num_mel_bins=BINS,
        use_energy=False,
        window_type="hanning",
    )
    energies = F.pad(energies, (0, 0, 0, -len(energies) % FRAMES))
    return ((energies - MEAN) / (2 * DEVIATION)).unflatten(0, (-1, FRAMES))[:segments]


def rename(published: Mapping[str, torch.Tensor], centroids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Rename a published state dict to the names here, and add the semantic codebook (V, D)."""
    used = {name: tensor for name, tensor in published.items() if not UNUSED.match(name)}
    state = {"books.0": centroids, **renamed(used, RENAMED)}
    if "books.1" in state:  # some versions of upstream's library have an axis of heads
        state["books.1"] = state["books.1"].flatten(0, -2)
    return state
