"""Training items of the vocoder: content and prompt from disjoint parts of one utterance."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from benchmark.data.audio import read_audio
from benchmark.data.manifest import Manifest
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.storage.frame_store import FrameStore
from benchmark.storage.token_store import TokenStore
from benchmark.training.bucket_sampler import Draw
from benchmark.types import SAMPLE_RATE, Utterance

PROMPT_HOP = 320
"""Samples per frame of every prompt encoder whose frames are cached."""
CACHE_BYTES = 1 << 29
"""Bytes of audio kept in memory per process; further audio is read from disk each time."""


@dataclass(frozen=True)
class KeptFeatures:
    """Features of whole utterances that are read instead of computed, see `vocoder.features`."""

    prompts: FrameStore | None = None
    """Frames of `PROMPT_HOP` samples; without them, items carry the samples of the prompt."""
    auxiliary: FrameStore | None = None
    """Voicing, pitch and energy by model frame; without them, items carry none."""


NONE_KEPT = KeptFeatures()


@dataclass(frozen=True)
class Item:
    """One training example: content, its waveform and a prompt.

    Content and waveform are aligned: frame t starts at t * hop_length, counted from `FrameRates.frame_offset`
    in the recording.
    """

    codes: torch.Tensor
    """(K, M) codes of the content at the model's frame rate."""
    wav: torch.Tensor
    """(M * hop_length,) waveform of the content."""
    prompt: torch.Tensor
    """(P * hop_length,) waveform of the prompt, or its (S, features) frames where they are cached."""
    segment: int
    """First frame of the generator's crop, counted within the content."""
    auxiliary: torch.Tensor | None = None
    """(M, 3) extracted voicing, pitch and energy of the content, where the frontend predicts them."""


@dataclass(frozen=True)
class Batch:
    """Items padded with zeros; `segments` holds the `segment` of each item."""

    codes: torch.Tensor
    lengths: torch.Tensor
    wav: torch.Tensor
    prompt: torch.Tensor
    prompt_lengths: torch.Tensor
    segments: torch.Tensor
    auxiliary: torch.Tensor | None = None

    def to(self, *args: object, **kwargs: object) -> "Batch":
        """Move every tensor, as Lightning requires of a batch."""
        moved: dict[str, Any] = {
            name: None if value is None else value.to(*args, **kwargs) for name, value in vars(self).items()
        }
        return Batch(**moved)


class AudioCache:
    """Reader of waveforms that keeps the first ones in memory, as 16-bit integers, up to a bound.

    Nothing is evicted: when a whole corpus is visited in random order, keeping the first waveforms gives the
    best hit rate that a bound allows.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._kept: dict[str, np.ndarray] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Drop the cached audio, so that another process starts with an empty cache."""
        return vars(self) | {"bytes": 0, "_kept": {}}

    def read(self, path: str) -> np.ndarray:
        """Return the samples (T,) of a file, float32 at 16 kHz."""
        if path not in self._kept:
            samples = np.round(np.clip(read_audio(path), -1, 1) * 32767).astype(np.int16)
            if self.bytes + samples.nbytes > self.limit:
                return samples.astype(np.float32) / 32767
            self._kept[path] = samples
            self.bytes += samples.nbytes
        return self._kept[path].astype(np.float32) / 32767


class VocoderItems(Dataset):
    """Utterances that have tokens and are long enough; `skipped` counts the others by reason."""

    def __init__(
        self,
        tokens: TokenStore,
        manifest: Manifest,
        rates: FrameRates,
        config: VocoderConfig,
        limit: int | None = None,
        features: KeptFeatures = NONE_KEPT,
    ) -> None:
        """Choose the utterances; with `limit`, keep that many, evenly spread over the manifest."""
        self.tokens, self.manifest, self.rates, self.features = tokens, manifest, rates, features
        self.segment = round(config.segment_seconds * rates.model_rate)
        self.longest = round(config.max_seconds * rates.model_rate)
        shortest = round(config.min_seconds * rates.model_rate)
        at = tokens.rows_of(manifest.table)
        rows = np.flatnonzero(at >= 0)
        coded, seconds = tokens.index.numbers("frames")[at[rows]], manifest.durations[rows]
        frames = np.fromiter(
            (
                min(rates.frames(int(codes)), rates.frames_within(int(duration * SAMPLE_RATE)))
                for codes, duration in zip(coded, seconds, strict=True)
            ),
            np.int64,
            len(rows),
        )
        kept = np.flatnonzero(frames >= shortest)
        self.skipped = +Counter(
            {"no tokens": len(at) - len(rows), f"under {config.min_seconds} s": len(rows) - len(kept)}
        )
        if limit is not None and limit < len(kept):
            kept = kept[np.linspace(0, len(kept) - 1, limit).round().astype(int)]
        self._rows, self._frames = rows[kept], frames[kept]
        self._audio = AudioCache(CACHE_BYTES)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def lengths(self) -> np.ndarray:
        """Frames of an item of each utterance, content and prompt together, as an array (len,)."""
        return np.minimum(self._frames, self.longest)

    def utterance(self, index: int) -> Utterance:
        """Return the recording behind the items `(index, …)`."""
        return self.manifest.at(int(self._rows[index]))

    def __getitem__(self, draw: Draw) -> Item:
        """Return the item of utterance `draw[0]`; all random choices use the seed `draw[1]`."""
        index, rng = draw[0], np.random.default_rng(draw[1])
        name, whole = self.utterance(index).utterance_id, int(self._frames[index])
        frames = min(whole, self.longest)
        start = int(rng.integers(whole - frames + 1))
        content, prompt = split(frames, rng)
        segment = int(rng.integers(content.stop - content.start - self.segment + 1))
        codes = self.rates.expand(self.tokens[name])[:, start : start + frames]
        wav = self.wav(index)[start * self.rates.hop_length : (start + frames) * self.rates.hop_length]
        heard = wav[_samples(prompt, self.rates.hop_length)]
        if self.features.prompts is not None:
            heard = self._frames_of(self.features.prompts, name, start + prompt.start, start + prompt.stop)
        auxiliary = None
        if self.features.auxiliary is not None:
            auxiliary = self.auxiliary(index)[start + content.start : start + content.stop]
        return Item(
            torch.from_numpy(codes[:, content]),
            torch.from_numpy(wav[_samples(content, self.rates.hop_length)]),
            torch.from_numpy(heard),
            segment,
            auxiliary,
        )

    def _frames_of(self, prompts: FrameStore, name: str, first: int, last: int) -> np.ndarray:
        """Return (S, features): the encoder frames whose slots lie within model frames `first` to `last`."""
        hop, offset = self.rates.hop_length, self.rates.frame_offset
        begin, end = max(0, offset + first * hop), offset + last * hop
        return prompts.read(name, -(-begin // PROMPT_HOP), end // PROMPT_HOP)

    def auxiliary(self, index: int) -> torch.Tensor:
        """Return the extracted voicing, pitch and energy of an utterance's model frames, (M, 3)."""
        if self.features.auxiliary is None:
            raise ValueError("no auxiliary features were given")
        frames = torch.from_numpy(self.features.auxiliary.read(self.utterance(index).utterance_id))
        # The header may promise a whole last frame that the samples do not fill.
        missing = max(0, int(self._frames[index]) - len(frames))
        return torch.cat([frames, frames[-1:].expand(missing, -1)])[: self._frames[index]]

    def wav(self, index: int) -> np.ndarray:
        """Return the waveform of an utterance, from its first model frame on, in whole frames."""
        wav = self.rates.from_first_frame(self._audio.read(self.utterance(index).audio_path))
        samples = int(self._frames[index]) * self.rates.hop_length
        # The duration in a header can promise a few samples more than resampling gives.
        return np.pad(wav, (0, max(0, samples - len(wav))))[:samples]


def split(frames: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """Cut an utterance into content and prompt; the prompt is a third to a half, at head or tail."""
    prompt = int(rng.integers(frames // 3, frames // 2 + 1))
    if rng.random() < 0.5:
        return slice(prompt, frames), slice(0, prompt)
    return slice(0, frames - prompt), slice(frames - prompt, frames)


def collate(items: Sequence[Item]) -> Batch:
    """Pad a list of items to a batch."""
    auxiliary = [item.auxiliary for item in items if item.auxiliary is not None]
    return Batch(
        codes=pad_sequence([item.codes.T for item in items], batch_first=True).transpose(1, 2),
        lengths=torch.tensor([item.codes.shape[1] for item in items]),
        wav=pad_sequence([item.wav for item in items], batch_first=True),
        prompt=pad_sequence([item.prompt for item in items], batch_first=True),
        prompt_lengths=torch.tensor([len(item.prompt) for item in items]),
        segments=torch.tensor([item.segment for item in items]),
        auxiliary=pad_sequence(auxiliary, batch_first=True) if auxiliary else None,
    )


def _samples(frames: slice, hop_length: int) -> slice:
    return slice(frames.start * hop_length, frames.stop * hop_length)
