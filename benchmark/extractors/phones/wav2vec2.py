"""Alignment by a wav2vec 2.0 that recognises eSpeak NG's phones (Xu et al., 2021, arXiv 2109.11680)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from benchmark.data.audio import AudioError, read_audio
from benchmark.data.batching import sorted_batches
from benchmark.data.corpora.base import Corpus
from benchmark.data.synthesis.espeak_phones import spell
from benchmark.errors import UserError
from benchmark.extractors.encoders.waveform import normalised
from benchmark.extractors.phones.aligner import Aligner
from benchmark.extractors.phones.ctc_alignment import AlignmentError, align, fill_gaps, spell_with
from benchmark.extractors.phones.segments import Phones
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.checkpoints import resolve
from benchmark.storage.weights import weights_digest
from benchmark.types import SAMPLE_RATE, Utterance

AT_ONCE = 8
"""Utterances in a batch; they are padded to the longest, and a mask hides the padding."""
VOCABULARY = "vocab.json"


@dataclass(kw_only=True)
class CTCAligner(Aligner):
    """Forced alignment of the transcript's phones with torchaudio.

    Attributes:
        checkpoint: A `Wav2Vec2ForCTC` of transformers with IPA labels; see `checkpoints.resolve`.
        revision: Commit of a hub id.
        licence: Licence of the weights, as their publisher states it; part of no key.
        size_mb: Approximate size of the download in MB; part of no key.
        language: Voice of eSpeak NG that converts the transcripts to phones.
    """

    checkpoint: str
    revision: str | None = None
    licence: str = ""
    size_mb: float | None = None
    language: str = "en-us"

    @property
    def source(self) -> str:
        """See `Aligner.source`."""
        return f"phones of the transcript by eSpeak NG ({self.language}), aligned by {self.checkpoint}"

    def identity(self) -> dict[str, Any]:
        """See `Aligner.identity`."""
        weights = weights_digest(resolve(self.checkpoint, self.revision))
        return {"version": self.version, "language": self.language, "weights": weights}

    def align(
        self, corpus: Corpus, split: str, store: ArtifactStore, device: str
    ) -> Iterator[tuple[str, Phones | str]]:
        """See `Aligner.align`; the longest utterances come first."""
        manifest = corpus.manifest(split, store)
        model = _load(resolve(self.checkpoint, self.revision), device)
        samples = np.nan_to_num(manifest.durations * SAMPLE_RATE).round()
        for batch in sorted_batches(samples, AT_ONCE):
            yield from self._align(model, [manifest.at(index) for index in batch])

    def _align(self, model: "_PhoneModel", utterances: list[Utterance]) -> Iterator[tuple[str, Phones | str]]:
        wavs, targets, names = [], [], []
        spelled = spell([utterance.text or "" for utterance in utterances], self.language)
        for utterance, phones in zip(utterances, spelled, strict=True):
            name = utterance.utterance_id
            try:
                if utterance.text is None:
                    raise AlignmentError("no transcript")
                labels = spell_with(model.vocabulary, phones)
                wavs.append(torch.from_numpy(read_audio(utterance.audio_path)))
            except (AlignmentError, AudioError) as error:
                yield name, str(error)
                continue
            targets.append(labels)
            names.append(name)
        for name, wav, labels, emissions in zip(names, wavs, targets, model(wavs), strict=True):
            try:
                spans = align(emissions, [model.vocabulary[label] for label in labels], model.blank)
            except AlignmentError as error:
                yield name, str(error)
                continue
            yield name, fill_gaps(labels, spans, model.hop, model.first, len(wav) / SAMPLE_RATE)


class _PhoneModel:
    """Log-probabilities of phones, independent of the other utterances in a batch."""

    def __init__(self, model: Any, vocabulary: dict[str, int], device: str) -> None:
        config = model.config
        self.model = model.eval().requires_grad_(False).to(device)
        self.vocabulary = vocabulary
        self.blank: int = config.pad_token_id
        self._device = device
        self._batches = config.feat_extract_norm == "layer"
        hop, field = 1, 1
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            field += (kernel - 1) * hop
            hop *= stride
        self.hop = hop / SAMPLE_RATE
        self.first = (field - hop) / 2 / SAMPLE_RATE
        """Start of the first frame in seconds, if a frame is one hop around the centre of its field."""

    @torch.no_grad()
    def __call__(self, wavs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return log-probabilities (frames, labels) on the CPU for each utterance of (T,) samples."""
        if not self._batches and len(wavs) > 1:
            # One utterance at a time, because the norm of the first convolution would include the padding.
            return [emissions for wav in wavs for emissions in self([wav])]
        if not wavs:
            return []
        lengths = torch.tensor([len(wav) for wav in wavs])
        padded = pad_sequence(wavs, batch_first=True)
        inside = torch.arange(padded.shape[1]) < lengths[:, None]
        if self._batches:  # the checkpoints with this stem were trained on normalised speech
            padded = normalised(padded, inside)
        mask = None if inside.all() else inside.long().to(self._device)
        logits = self.model(padded.to(self._device), attention_mask=mask).logits
        frames = self.model._get_feat_extract_output_lengths(lengths).tolist()
        scores = logits.float().log_softmax(-1).cpu()
        return [row[:count] for row, count in zip(scores, frames, strict=True)]


def _load(folder: Path, device: str) -> _PhoneModel:
    """Load the model in a folder.

    Raises:
        UserError: the folder holds no such model, or weights or the vocabulary are missing.
    """
    from transformers import Wav2Vec2ForCTC  # imported here, because the import takes seconds

    try:
        vocabulary = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        loaded: Any = Wav2Vec2ForCTC.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{folder} holds no Wav2Vec2ForCTC with its {VOCABULARY}: {error}") from error
    model, report = loaded
    lacks = sorted(set(report["missing_keys"]) - {"wav2vec2.masked_spec_embed"})  # used in training only
    if lacks:  # the library would use random weights instead
        raise UserError(f"{folder} holds no Wav2Vec2ForCTC: it lacks {', '.join(lacks[:3])}")
    return _PhoneModel(model, vocabulary, device)
