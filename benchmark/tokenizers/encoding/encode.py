"""From a manifest to its token store: streamed, batched by length, built once, shard by shard."""

import logging
import shutil
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from benchmark.data.audio import AudioError, read_audio
from benchmark.data.batching import equal_length_batches, sorted_batches
from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.frame_store import FORMAT
from benchmark.storage.shards import Part, ShardedBuild, make, make_shards
from benchmark.storage.token_store import TokenStore, TokenWriter
from benchmark.tokenizers.base import FittedTokenizer, Tokenizer
from benchmark.tokenizers.encoding.bfloat16_check import (
    FILE,
    SAMPLE,
    bfloat16,
    check_bfloat16,
    read_check,
    say_ignored,
)
from benchmark.types import SAMPLE_RATE, Utterance

log = logging.getLogger(__name__)
Recording = tuple[Utterance, np.ndarray | AudioError]
"""An utterance with its audio (T,), or the reason it has none."""

CHUNK = 64
"""Utterances in memory at once, and as many read ahead: bounds memory, wide enough to batch by length."""
BATCH = 16
READERS = 4
FIT_HOURS = 100.0
"""Of speech, about, that a codebook is fitted on at most: its frames are sampled, of 18 million then."""


def read_all(utterances: Iterable[Utterance]) -> Iterator[Recording]:
    """Every utterance in order with its audio; threads read ahead while the caller computes."""

    def read(utterance: Utterance) -> np.ndarray | AudioError:
        try:
            return read_audio(utterance.audio_path)
        except AudioError as error:
            return error

    ahead: deque[tuple[Utterance, Future[np.ndarray | AudioError]]] = deque()
    pool = ThreadPoolExecutor(READERS)
    try:
        for utterance in utterances:
            ahead.append((utterance, pool.submit(read, utterance)))
            if len(ahead) == CHUNK:
                first, audio = ahead.popleft()
                yield first, audio.result()
        for last, audio in ahead:
            yield last, audio.result()
    finally:  # also where the caller wants no more
        pool.shutdown(cancel_futures=True)


def needs_fitted_codebook(tokenizer: Tokenizer) -> bool:
    """Whether the codes depend on a codebook fitted on the corpus, so that a train split is needed."""
    source = tokenizer.base_tokenizer
    return isinstance(source, FittedTokenizer) and not source.is_published


def fit_codebook(tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore, seed: int) -> Tokenizer:
    """Return the tokenizer with its codebook, which is fitted on the train split if no run has done so.

    A long corpus is heard for `FIT_HOURS`, its utterances drawn evenly over the speakers by the seed. A
    tokenizer that has its codebook, or needs none, is returned as it is; the train split need not exist.
    """
    base = tokenizer.base_tokenizer  # a floor uses the codebook of its base
    if not isinstance(base, FittedTokenizer) or base.is_published or base.codebook_digest is not None:
        return tokenizer
    manifest = corpus.manifest("train", store)
    if manifest.hours > FIT_HOURS:
        manifest = manifest.subset(round(len(manifest) * FIT_HOURS / manifest.hours), seed)
    identity = {name: value for name, value in base.identity().items() if name != "precision"}
    key = {"tokenizer": identity | {"codebook": None}, "manifest": manifest.digest, "seed": seed}

    def build(folder: Path) -> None:
        log.info("fitting the codebook of %s on %.2f h", base.name, manifest.hours)
        wavs = (wav for _, wav in read_all(manifest) if not isinstance(wav, AudioError))
        fitted = base.fit(wavs, seed)
        fitted.save_codebook(folder)
        log.info("codebook of %s: %s", base.name, fitted.fit_report)

    return tokenizer.over(base.with_codebook(store.get("codebooks", key, build)))


def encode_manifest(
    tokenizer: Tokenizer, manifest: Manifest, store: ArtifactStore, progress: bool = False
) -> TokenStore:
    """The tokens of every utterance, encoded once and kept in the store.

    An utterance whose audio cannot be read is recorded in `TokenStore.failures`; the rest goes on.
    Where the tokenizer asks for bfloat16, `precision.json` beside the tokens says whether it was used.
    """
    if tokenizer.encode_precision == "bfloat16" and not tokenizer.wants_bfloat16:
        say_ignored(tokenizer.name)
    work = _Work(tokenizer, manifest, store)
    folder = make(work.recipe, store, f"encode {tokenizer.name}" if progress else None)
    work.say_how_fast()
    return TokenStore(folder)


def encode_part(
    tokenizer: Tokenizer, manifest: Manifest, store: ArtifactStore, part: Part, progress: bool = False
) -> None:
    """Encode one part of a manifest and leave it for `encode_manifest`, which joins the parts of all."""
    if part.count == 1:
        encode_manifest(tokenizer, manifest, store, progress)
        return
    work = _Work(tokenizer, manifest, store)
    make_shards(work.recipe, store, part, f"encode {tokenizer.name}" if progress else None)
    work.say_how_fast()


class _Work:
    """Encoding a manifest: what its shards share."""

    def __init__(self, tokenizer: Tokenizer, manifest: Manifest, store: ArtifactStore) -> None:
        self._tokenizer, self._manifest, self._store = tokenizer, manifest, store
        self._start, self._samples = time.monotonic(), 0
        self.recipe = ShardedBuild(
            kind="tokens",
            key={"tokenizer": tokenizer.identity(), "manifest": manifest.digest, "format": FORMAT},
            rows=len(manifest),
            build=self._build,
            finish=self._finish,
        )

    def _build(self, rows: slice, folder: Path) -> None:
        half = self._half()
        spec = self._tokenizer.spec
        writer = TokenWriter(folder, spec.num_codebooks, spec.codebook_size)
        # Utterances of similar length share batches; where the length is unknown the audio is bad.
        by_length = sorted(self._manifest.part(rows), key=lambda u: -np.nan_to_num(u.duration))
        recordings = read_all(by_length)
        while chunk := list(islice(recordings, CHUNK)):
            good = [wav for _, wav in chunk if not isinstance(wav, AudioError)]
            codes = iter(encode_wavs(self._tokenizer, good, half))
            for utterance, wav in chunk:
                if isinstance(wav, AudioError):
                    writer.fail(utterance.utterance_id, str(wav))
                else:
                    writer.add(utterance.utterance_id, next(codes))
            self._samples += sum(map(len, good))
        writer.close()

    def say_how_fast(self) -> None:
        """Log the speed, all included that a user waits for: loading weights, reading, encoding, writing."""
        if self._samples:
            speech, seconds = self._samples / SAMPLE_RATE, time.monotonic() - self._start
            log.info(
                "encoded %.2f h of speech by %s in %.1f s: %.3g × real time",
                *(speech / 3600, self._tokenizer.name, seconds, speech / seconds),
            )

    def _half(self) -> bool:
        """Whether to encode in bfloat16: looked at once, for all shards."""
        if not self._tokenizer.wants_bfloat16:
            return False
        check = read_check(self._checked())
        return check is not None and check["used"] == "bfloat16"

    def _checked(self) -> Path:
        """Folder of the check, whether the first utterances keep their codes in bfloat16."""

        def check(folder: Path) -> None:
            readable = (wav for _, wav in read_all(self._manifest) if not isinstance(wav, AudioError))
            found = check_bfloat16(
                self._tokenizer.name,
                lambda wavs, half: encode_wavs(self._tokenizer, wavs, half),
                list(islice(readable, SAMPLE)),
            )
            found.save(folder)

        folder = self._store.get_part(self.recipe.shards_kind, {"check": "bfloat16"}, check, wait=True)
        assert folder is not None  # it waited
        return folder

    def _finish(self, folder: Path) -> None:
        if self._tokenizer.wants_bfloat16:
            shutil.copyfile(self._checked() / FILE, folder / FILE)


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
