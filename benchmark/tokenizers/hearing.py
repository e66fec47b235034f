"""The sample rate at which a tokenizer hears a corpus, decided here and nowhere else.

Speech is read at 16 kHz, which leaves a codec for 24 kHz nothing above 8 kHz, although it was trained on
more. One lab printed PESQ 2.23 and 1.92 for SNAC on one test set, the lower number from upsampled speech
(Guo et al. 2025; CodecSlime). A tokenizer whose own rate is above 16 kHz therefore hears recordings straight
at its own rate, where the files have that rate or more. Metrics, vocoders and the prompts of vocoders stay at
16 kHz.
"""

from benchmark.data.audio import recorded_rate
from benchmark.data.corpora.base import Corpus
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tokenizers.base import FittedTokenizer, Tokenizer
from benchmark.types import SAMPLE_RATE


def hearing(tokenizer: Tokenizer, corpus: Corpus, store: ArtifactStore) -> Tokenizer:
    """Return the tokenizer at the rate at which it hears a corpus.

    That is the tokenizer's own rate if all readable recordings of the test split have it or more, and 16 kHz
    otherwise. The test split decides for all splits, so that all codes of a corpus are of one kind; slower
    recordings of other splits are upsampled. The first slower recording ends the search, so that a corpus of
    16 kHz costs one look. Tokenizers of up to 16 kHz hear 16 kHz, as do those whose codebook is fitted here,
    like the fit.

    Args:
        tokenizer: A tokenizer, with or without its codebook.
        corpus: Corpus that is to be encoded.
        store: Store of its manifests.

    Raises: UserError if the corpus has no test split although the rate has to be looked up.
    """
    own = tokenizer.spec.sample_rate
    if own <= SAMPLE_RATE or isinstance(tokenizer.base_tokenizer, FittedTokenizer):
        return tokenizer
    rates = map(recorded_rate, corpus.manifest("test", store))
    return tokenizer.hearing(own if all(rate is None or rate >= own for rate in rates) else SAMPLE_RATE)
