"""From a manifest to its token store: streamed, batched, built once."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from tqdm import tqdm

from benchmark.artifacts import ArtifactStore
from benchmark.data.audio import AudioError, read_audio
from benchmark.data.batching import equal_length_batches, sorted_batches
from benchmark.data.corpus import Corpus
from benchmark.data.manifest import Manifest
from benchmark.tokenizers.base import FittedTokenizer, Tokenizer
from benchmark.tokens.precision import SAMPLE, bfloat16, check_bfloat16, say_ignored
from benchmark.tokens.store import TokenStore, TokenWriter
from benchmark.types import SAMPLE_RATE, Utterance

log = logging.getLogger(__name__)
Item = TypeVar("Item")

CHUNK = 64
"""Utterances in memory at once: bounds memory, and is wide enough to batch by length."""
BATCH = 16
READERS = 4


def read_all(manifest: Manifest) -> Iterator[tuple[Utterance, np.ndarray | AudioError]]:
    """Every utterance in order with its audio (T,) or the reason it has none, read ahead by threads."""

    def read(utterance: Utterance) -> np.ndarray | AudioError:
        try:
            return read_audio(utterance.audio_path)
        except AudioError as error:
            return error

    with ThreadPoolExecutor(READERS) as pool:
        for chunk in _chunks(manifest, CHUNK):
            yield from zip(chunk, pool.map(read, chunk), strict=True)


def has_codebook(tokenizer: Tokenizer) -> bool:
    """Whether the codes depend on a codebook fitted on the corpus, so that a train split is needed."""
    source = tokenizer.vocoder_source
    return isinstance(source, FittedTokenizer) and not source.is_published


def fit_codebook(tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore, seed: int) -> None:
    """Load the tokenizer's codebook, fitting it on the corpus's train split first if no run has yet.

    Without a codebook to fit nothing is done, and the train split need not exist.
    """
    tokenizer = tokenizer.vocoder_source  # a floor uses, and shares, the codebook of its base
    if not isinstance(tokenizer, FittedTokenizer) or tokenizer.is_published:
        return
    manifest = corpus.manifest("train", store)
    identity = {name: value for name, value in tokenizer.identity().items() if name != "precision"}
    key = {"tokenizer": identity | {"codebook": None}, "manifest": manifest.digest, "seed": seed}

    def build(folder: Path) -> None:
        log.info("fitting the codebook of %s on %.2f h", tokenizer.name, manifest.hours)
        wavs = (wav for _, wav in read_all(manifest) if not isinstance(wav, AudioError))
        report = tokenizer.fit(wavs, seed)
        tokenizer.save_codebook(folder)
        log.info("codebook of %s: %s", tokenizer.name, report)

    folder = store.get("codebooks", key, build)
    tokenizer.load_codebook(folder)
    tokenizer.codebook_digest = folder.name


def encode_manifest(
    tokenizer: Tokenizer, manifest: Manifest, store: ArtifactStore, progress: bool = False
) -> TokenStore:
    """The tokens of every utterance, encoded once and kept in the store.

    An utterance whose audio cannot be read is recorded in `TokenStore.failures`; the rest goes on.
    Where the tokenizer asks for bfloat16, `precision.json` beside the tokens says whether it was used.
    """
    if tokenizer.encode_precision == "bfloat16" and not tokenizer.wants_bfloat16:
        say_ignored(tokenizer.name)
    key = {"tokenizer": tokenizer.identity(), "manifest": manifest.digest}

    def build(folder: Path) -> None:
        spec = tokenizer.spec
        writer = TokenWriter(folder, spec.num_codebooks, spec.codebook_size)
        half = tokenizer.wants_bfloat16 and _bfloat16_is_safe(tokenizer, manifest, folder)
        description = f"encode {tokenizer.name}"
        start, samples = time.monotonic(), 0
        with tqdm(total=len(manifest), desc=description, unit="utt", disable=not progress) as bar:
            for chunk in _chunks(read_all(manifest), CHUNK):
                _encode_chunk(tokenizer, chunk, writer, half)
                samples += sum(len(wav) for _, wav in chunk if not isinstance(wav, AudioError))
                bar.update(len(chunk))
        writer.close()
        speech, seconds = samples / SAMPLE_RATE, time.monotonic() - start
        log.info(  # all included that a user waits for: loading weights, reading, encoding, writing
            "encoded %.2f h of speech by %s in %.1f s: %.3g × real time",
            *(speech / 3600, tokenizer.name, seconds, speech / seconds),
        )

    return TokenStore(store.get("tokens", key, build))


def _bfloat16_is_safe(tokenizer: Tokenizer, manifest: Manifest, folder: Path) -> bool:
    """Whether the first utterances keep their codes in bfloat16; leaves the counts in `folder`."""
    readable = (wav for _, wav in read_all(manifest) if not isinstance(wav, AudioError))
    check = check_bfloat16(
        tokenizer.name, lambda wavs, half: encode_wavs(tokenizer, wavs, half), list(islice(readable, SAMPLE))
    )
    check.save(folder)
    return check.used == "bfloat16"


def encode_wavs(tokenizer: Tokenizer, wavs: Sequence[np.ndarray], half: bool = False) -> list[np.ndarray]:
    """Codes (K, T') of waveforms (T,), batched as the tokenizer can take them, in bfloat16 if `half`."""
    batch_by_length = sorted_batches if tokenizer.spec.supports_padding else equal_length_batches
    codes: dict[int, np.ndarray] = {}
    for batch in batch_by_length([len(wav) for wav in wavs], BATCH):
        parts = [torch.from_numpy(wavs[index]) for index in batch]
        padded = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
        with bfloat16(tokenizer.device, half):
            out, frames = tokenizer.encode(padded, torch.tensor([len(part) for part in parts]))
        for row, index in enumerate(batch):
            codes[index] = out[row, :, : int(frames[row])].numpy()
    return [codes[index] for index in range(len(wavs))]


def _encode_chunk(
    tokenizer: Tokenizer,
    chunk: list[tuple[Utterance, np.ndarray | AudioError]],
    writer: TokenWriter,
    half: bool,
) -> None:
    wavs = [wav for _, wav in chunk if not isinstance(wav, AudioError)]
    codes = iter(encode_wavs(tokenizer, wavs, half))
    for utterance, wav in chunk:  # manifest order, whatever the batches were
        if isinstance(wav, AudioError):
            writer.fail(utterance.utterance_id, str(wav))
        else:
            writer.add(utterance.utterance_id, next(codes))


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
