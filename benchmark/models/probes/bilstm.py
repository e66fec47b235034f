"""A bidirectional LSTM that reads no padding and needs no packed sequences."""

import torch
from torch import nn


class BiLSTM(nn.Module):
    """Stacked bidirectional LSTM over padded sequences.

    The backward direction runs forwards over each utterance reversed within its own length, so that neither
    direction reads padding before the utterance ends. The result equals torch's packed bidirectional LSTM. On
    CPUs it is several times as fast, because packing gives every step another batch size.

    Forget gates may start open, with a bias of 1 (Jozefowicz et al. 2015, An Empirical Exploration of
    Recurrent Network Architectures): CTC then leaves its initial all-blank output sooner.

    Args:
        input_dim: Width of the input.
        hidden_dim: Units per direction; the output is twice as wide.
        layers: Number of layers.
        dropout: Dropout between the layers, as in `torch.nn.LSTM`.
        open_forget_gates: Whether forget gates start open; otherwise they start as torch draws them.
    """

    def __init__(
        self, input_dim: int, hidden_dim: int, layers: int, dropout: float, open_forget_gates: bool = True
    ) -> None:
        super().__init__()
        widths = [input_dim] + [2 * hidden_dim] * (layers - 1)
        self.forward_layers = nn.ModuleList(nn.LSTM(width, hidden_dim, batch_first=True) for width in widths)
        self.backward_layers = nn.ModuleList(nn.LSTM(width, hidden_dim, batch_first=True) for width in widths)
        self.dropout = nn.Dropout(dropout)
        for lstm in [*self.forward_layers, *self.backward_layers] if open_forget_gates else []:
            with torch.no_grad():
                # Torch adds two biases, each with gates in the order i, f, g, o.
                lstm.bias_ih_l0[hidden_dim : 2 * hidden_dim] = 1.0
                lstm.bias_hh_l0[hidden_dim : 2 * hidden_dim] = 0.0

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map (B, T, input_dim) to (B, T, 2 · hidden_dim); the output is undefined beyond `lengths` (B,)."""
        mirror = _mirror(lengths, *x.shape[:2])
        for depth, (ahead, back) in enumerate(zip(self.forward_layers, self.backward_layers, strict=True)):
            if depth:
                x = self.dropout(x)
            forwards, _ = ahead(x)
            backwards, _ = back(_take(x, mirror))
            x = torch.cat([forwards, _take(backwards, mirror)], dim=-1)
        return x


def _mirror(lengths: torch.Tensor, batch: int, frames: int) -> torch.Tensor:
    """Return the (B · T,) rows that reverse each utterance within its length and leave padding in place."""
    time = torch.arange(frames, device=lengths.device)[None]
    mirrored = torch.where(time < lengths[:, None], lengths[:, None] - 1 - time, time)
    return (mirrored + frames * torch.arange(batch, device=lengths.device)[:, None]).flatten()


def _take(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Reorder the frames of (B, T, D); copying whole rows is several times as fast as `gather`."""
    return x.flatten(0, 1).index_select(0, rows).view_as(x)
