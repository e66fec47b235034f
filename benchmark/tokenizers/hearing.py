"""The sample rate at which a tokenizer hears a corpus, decided here and nowhere else.

Speech is read at 16 kHz, which leaves a codec for 24 kHz nothing above 8 kHz, although it was trained on
more. One lab printed PESQ 2.23 and 1.92 for SNAC on one test set, the lower number from upsampled speech
(Guo et al. 2025; CodecSlime). A tokenizer whose own rate is above 16 kHz therefore hears recordings straight
at its own rate, where the files have that rate or more. Metrics, vocoders and the prompts of vocoders stay at
16 kHz.
"""

import re
from collections.abc import Iterable

from benchmark.data.audio import file_rate
from benchmark.data.corpora.base import Corpus
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tokenizers.base import FittedTokenizer, Tokenizer
from benchmark.types import SAMPLE_RATE, TokenizerSpec, Utterance

FROM_HEADER = re.compile(r"\d+:(\d+):\d+")
"""Fingerprint that `data.audio.header` makes: frames, rate and bytes."""


def heard_rate(spec: TokenizerSpec, recordings: Iterable[Utterance]) -> int:
    """Return the tokenizer's own rate (Hz) if every readable recording has it or more, and 16 kHz otherwise.

    Tokenizers of up to 16 kHz hear 16 kHz. At the first recording of a lower rate the answer is known, so
    that a corpus of 16 kHz costs one look.
    """
    if spec.sample_rate <= SAMPLE_RATE:
        return SAMPLE_RATE
    rates = (rate for recording in recordings if (rate := _rate_of(recording)) is not None)
    return spec.sample_rate if all(rate >= spec.sample_rate for rate in rates) else SAMPLE_RATE


def hearing(tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> Tokenizer:
    """Return the tokenizer at the rate at which it hears a corpus.

    The recordings of the test split decide for all splits, so that all codes of a corpus are of one kind;
    slower recordings of other splits are upsampled. Tokenizers whose codebook is fitted here hear 16 kHz, as
    the fit does.

    Args:
        tokenizer: A tokenizer, with or without its codebook.
        corpus: Corpus that is to be encoded.
        store: Store of its manifests.

    Raises: UserError if the corpus has no test split although the rate has to be looked up.
    """
    if tokenizer.spec.sample_rate <= SAMPLE_RATE or isinstance(tokenizer.base_tokenizer, FittedTokenizer):
        return tokenizer
    return tokenizer.hearing(heard_rate(tokenizer.spec, corpus.manifest("test", store)))


def _rate_of(recording: Utterance) -> int | None:
    """Return the rate of a recording from its fingerprint, or else from its file; None if unreadable."""
    if stated := FROM_HEADER.fullmatch(recording.fingerprint):
        return int(stated[1])
    return file_rate(recording.audio_path)
