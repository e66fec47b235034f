"""Attention decoder that spells a transcript label by label, attending to the encoded speech."""

import torch
from torch import nn

END = 0
"""Label that starts a transcript as input and ends it as output; CTC's blank, which no text contains."""
REACH = 7
"""Places on either side whose past attention enters the energy of a place."""

State = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Hidden state and cell (B, H) of the LSTM, context (B, H), last and summed attention (B, P)."""


class AttentionDecoder(nn.Module):
    """LSTM with additive, location-aware attention.

    The attention follows Chorowski et al. 2015 (Attention-Based Models for Speech Recognition, section 2.1:
    content and location, by convolutions over the last attention). The convolutions also read the sum of all
    past attention (Shen et al. 2018, Tacotron 2). The context enters the LSTM's next step and the output
    (Chan et al. 2016, Listen, Attend and Spell). Attention starts on the first place.

    Args:
        features: Width of the encoder's frames.
        labels: Number of outputs, `END` included.
        width: Width of the LSTM, of the places attended to, and of the space that compares them.
        embedding_dim: Width of a label as input.
        stacking: Encoder frames joined into one place.
        dropout: Dropout on the places and on the input of the output layer.
    """

    def __init__(
        self, features: int, labels: int, width: int, embedding_dim: int, stacking: int, dropout: float
    ) -> None:
        super().__init__()
        self.stacking = stacking
        self.embedding = nn.Embedding(labels, embedding_dim)
        self.places = nn.Linear(features * stacking, width)
        self.keys = nn.Linear(width, width)
        self.query = nn.Linear(width, width, bias=False)
        # This is a convolution over past attention; as a matrix product over windows it is faster on a CPU.
        self.location = nn.Linear(2 * (2 * REACH + 1), width, bias=False)
        self.energy = nn.Linear(width, 1, bias=False)
        self.cell = nn.LSTMCell(embedding_dim + width, width)
        self.output = nn.Linear(2 * width, labels)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            self.cell.bias_ih[width : 2 * width] = 1.0
            self.cell.bias_hh[width : 2 * width] = 0.0

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return scores (B, S + 1, labels) of each label and the end, given the labels (B, S) before."""
        memory = self._remember(frames, lengths)
        state = self._start(*memory)
        inputs = nn.functional.pad(labels, (1, 0), value=END)
        read = []
        for embedded in self.embedding(inputs).unbind(1):
            state = self._step(embedded, state, *memory)
            read.append(torch.cat([state[0], state[2]], -1))
        scores: torch.Tensor = self.output(self.dropout(torch.stack(read, 1)))
        return scores

    def greedy(self, frames: torch.Tensor, lengths: torch.Tensor, limits: torch.Tensor) -> list[list[int]]:
        """Emit the most probable label repeatedly, up to the end or the limit (B,) of each utterance."""
        memory = self._remember(frames, lengths)
        state = self._start(*memory)
        last = torch.full_like(lengths, END)
        ended = limits <= 0
        emitted = []
        while not bool(ended.all()):
            state = self._step(self.embedding(last), state, *memory)
            last = self.output(torch.cat([state[0], state[2]], -1)).argmax(-1).masked_fill(ended, END)
            emitted.append(last)
            ended = ended | (last == END) | (len(emitted) >= limits)
        rows = torch.stack(emitted, 1).tolist() if emitted else [[] for _ in lengths]
        return [[label for label in row if label != END] for row in rows]

    def _remember(
        self, frames: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return places (B, P, H) made from frames (B, T, D), their keys, and the mask of valid places."""
        batch, time, width = frames.shape
        valid = torch.arange(time, device=frames.device) < lengths[:, None]
        frames = (frames * valid[..., None]).float()
        frames = nn.functional.pad(frames, (0, 0, 0, -time % self.stacking))
        places = self.dropout(torch.tanh(self.places(frames.reshape(batch, -1, width * self.stacking))))
        counts = -(-lengths // self.stacking)
        own = torch.arange(places.shape[1], device=frames.device) < counts.clamp(min=1)[:, None]
        return places, self.keys(places), own

    def _start(self, places: torch.Tensor, _keys: torch.Tensor, own: torch.Tensor) -> State:
        zero = places.new_zeros(len(places), places.shape[-1])
        first = torch.zeros_like(own, dtype=places.dtype)
        first[:, 0] = 1.0
        return zero, zero, zero, first, torch.zeros_like(first)

    def _step(
        self,
        embedded: torch.Tensor,
        state: State,
        places: torch.Tensor,
        keys: torch.Tensor,
        own: torch.Tensor,
    ) -> State:
        """Read an embedded label (B, E), attend, and record where."""
        hidden, cell, context, last, summed = state
        hidden, cell = self.cell(torch.cat([embedded, context], -1), (hidden, cell))
        looked = nn.functional.pad(torch.cat([last, summed], 0), (REACH, REACH)).unfold(1, 2 * REACH + 1, 1)
        looked = torch.cat(looked.chunk(2), -1)
        compared = torch.tanh(keys + self.query(hidden)[:, None] + self.location(looked))
        weights = self.energy(compared)[..., 0].masked_fill(~own, float("-inf")).softmax(-1)
        context = torch.bmm(weights[:, None], places)[:, 0]
        return hidden, cell, context, weights, summed + weights
