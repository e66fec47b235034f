"""Encoding of a manifest into a token store: streamed, batched by length, built once in shards."""

import logging
import shutil
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np

from benchmark.data.audio import AudioError, read_audio
from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.frame_store import FORMAT
from benchmark.storage.shards import Part, ShardedBuild, make, make_shards
from benchmark.storage.token_store import TokenStore, TokenWriter
from benchmark.tokenizers.base import FittedTokenizer, Tokenizer
from benchmark.tokenizers.encoding.batches import encode_each, encode_wavs
from benchmark.tokenizers.encoding.bfloat16_check import (
    FILE,
    SAMPLE,
    check_bfloat16,
    read_check,
    say_ignored,
)
from benchmark.tokenizers.encoding.contract import pieces, require_facts, require_stable
from benchmark.types import SAMPLE_RATE, Utterance

log = logging.getLogger(__name__)
Recording = tuple[Utterance, np.ndarray | AudioError]
"""An utterance with its audio (T,), or the error that occurred while reading it."""

MAX_FAILED_SHARE = 0.5
"""Share of utterances on which a tokenizer may raise; beyond it the tokenizer is at fault, not the speech."""
NAMED = 5
"""Failed utterances that a message names."""
CHUNK = 64
"""Number of utterances in memory, and of those read ahead: bounds memory, yet suffices to batch by length."""
READERS = 4
FIT_HOURS = 100.0
"""Maximum hours of training speech used to fit a codebook (18 M frames, from which a sample is drawn)."""


def read_all(utterances: Iterable[Utterance], rate: int = SAMPLE_RATE) -> Iterator[Recording]:
    """Yield every utterance in order with its audio at `rate`; threads read ahead of the caller."""

    def read(utterance: Utterance) -> np.ndarray | AudioError:
        try:
            return read_audio(utterance.audio_path, rate)
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
    finally:  # also if the caller stops early
        pool.shutdown(cancel_futures=True)


def needs_fitted_codebook(tokenizer: Tokenizer) -> bool:
    """Return whether the codes depend on a codebook fitted on the corpus, which requires a train split."""
    source = tokenizer.base_tokenizer
    return isinstance(source, FittedTokenizer) and not source.is_published


def fit_codebook(tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore, seed: int) -> Tokenizer:
    """Return the tokenizer with its codebook, which is fitted on the train split unless the store holds it.

    A train split of more than `FIT_HOURS` is cut to them; the seed draws the utterances evenly over the
    speakers. A tokenizer that has its codebook, or needs none, is returned unchanged; the train split need
    not exist.
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
        base.fit(wavs, seed).save_codebook(folder)

    return tokenizer.over(base.with_codebook(store.get("codebooks", key, build)))


def encode_manifest(
    tokenizer: Tokenizer, manifest: Manifest, store: ArtifactStore, progress: bool = False
) -> TokenStore:
    """Return the tokens of every utterance, encoded once and kept in the store.

    An utterance whose audio cannot be read, or on which the tokenizer raises, is recorded in
    `TokenStore.failures`; the others are encoded. Speech is read at the tokenizer's `input_rate`. If the
    tokenizer asks for bfloat16, `precision.json` beside the tokens states whether bfloat16 was used.

    Raises: UserError if the tokenizer breaks its contract, before anything is kept if a sample shows it, or
        if it raises on more than `MAX_FAILED_SHARE` of the utterances.
    """
    if tokenizer.encode_precision == "bfloat16" and not tokenizer.wants_bfloat16:
        say_ignored(tokenizer.name)
    work = _Work(tokenizer, manifest, store)
    work.require_contract()
    folder = make(work.recipe, store, f"encode {tokenizer.name}" if progress else None)
    work.say_how_fast()
    return TokenStore(folder)


def encode_part(
    tokenizer: Tokenizer, manifest: Manifest, store: ArtifactStore, part: Part, progress: bool = False
) -> None:
    """Encode one part of a manifest; `encode_manifest` joins the parts of all processes."""
    if part.count == 1:
        encode_manifest(tokenizer, manifest, store, progress)
        return
    work = _Work(tokenizer, manifest, store)
    work.require_contract()
    make_shards(work.recipe, store, part, f"encode {tokenizer.name}" if progress else None)
    work.say_how_fast()


class _Work:
    """The encoding of one manifest: state that its shards share."""

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

    def require_contract(self) -> None:
        """Check the tokenizer on a sample of the manifest, unless the tokens are here or made elsewhere."""
        kind = self.recipe.kind
        if kind in self._store.awaited or self._store.has(kind, self.recipe.key):
            return
        require_facts(self._tokenizer)
        rate = self._tokenizer.input_rate
        first = read_all(self._manifest.part(slice(SAMPLE)), rate)
        readable = [wav for _, wav in first if not isinstance(wav, AudioError)]
        try:
            require_stable(self._tokenizer, pieces(readable, rate))
        except UserError:
            raise
        except Exception as error:  # encoding meets the same error, and says for how many utterances
            log.debug("the sample of %s cannot be encoded: %s", self._tokenizer.name, error)

    def _build(self, rows: slice, folder: Path) -> None:
        half = self._half()
        spec = self._tokenizer.spec
        writer = TokenWriter(folder, spec.num_codebooks, spec.codebook_size)
        # Utterances of similar length share batches; an unknown length means unreadable audio.
        by_length = sorted(self._manifest.part(rows), key=lambda u: -np.nan_to_num(u.duration))
        recordings = read_all(by_length, self._tokenizer.input_rate)
        attempted, failed = 0, dict[str, Exception]()
        while chunk := list(islice(recordings, CHUNK)):
            good = {u.utterance_id: wav for u, wav in chunk if not isinstance(wav, AudioError)}
            made = encode_each(self._tokenizer, good, half)
            for utterance, wav in chunk:
                name = utterance.utterance_id
                if isinstance(wav, AudioError):
                    writer.fail(name, str(wav))
                elif isinstance(codes := made[name], Exception):
                    failed[name] = codes
                    writer.fail(name, f"{self._tokenizer.name} raised {_told(codes)}")
                else:
                    writer.add(name, codes)
            attempted += len(good)
            self._samples += sum(map(len, good.values()))
        writer.close()
        self._judge(failed, attempted)

    def _judge(self, failed: dict[str, Exception], attempted: int) -> None:
        """Warn of utterances on which the tokenizer raised.

        Raises: UserError if there are too many, with the first error as its cause.
        """
        if not failed:
            return
        name, first = next(iter(failed.items()))
        which = ", ".join(list(failed)[:NAMED]) + (", …" if len(failed) > NAMED else "")
        what = f"{self._tokenizer.name} raised on {len(failed)} of {attempted} utterances ({which})"
        if len(failed) > MAX_FAILED_SHARE * attempted:
            log.error("%s; the first error, on %s:", what, name, exc_info=first)
            raise UserError(f"{what}; on {name}: {_told(first)}") from first
        log.warning("%s, which count as failed; on %s: %s", what, name, _told(first))

    def say_how_fast(self) -> None:
        """Log the speed; the time includes loading weights, reading, encoding and writing."""
        if self._samples:
            speech, seconds = self._samples / self._tokenizer.input_rate, time.monotonic() - self._start
            log.info(
                "encoded %.2f h of speech by %s in %.1f s: %.3g × real time",
                *(speech / 3600, self._tokenizer.name, seconds, speech / seconds),
            )

    def _half(self) -> bool:
        """Return whether to encode in bfloat16; one check decides for all shards."""
        if not self._tokenizer.wants_bfloat16:
            return False
        check = read_check(self._checked())
        return check is not None and check["used"] == "bfloat16"

    def _checked(self) -> Path:
        """Return the folder of the check that the first utterances keep their codes in bfloat16."""

        def check(folder: Path) -> None:
            recordings = read_all(self._manifest, self._tokenizer.input_rate)
            readable = (wav for _, wav in recordings if not isinstance(wav, AudioError))
            found = check_bfloat16(
                self._tokenizer.name,
                lambda wavs, half: encode_wavs(self._tokenizer, wavs, half),
                list(islice(readable, SAMPLE)),
            )
            found.save(folder)

        folder = self._store.get_part(self.recipe.shards_kind, {"check": "bfloat16"}, check, wait=True)
        assert folder is not None  # because of wait=True
        return folder

    def _finish(self, folder: Path) -> None:
        if self._tokenizer.wants_bfloat16:
            shutil.copyfile(self._checked() / FILE, folder / FILE)


def _told(error: Exception) -> str:
    """Return an exception as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
