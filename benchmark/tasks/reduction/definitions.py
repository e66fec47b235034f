"""Definitions of the numbers of length reduction: rates in tokens and in bits per second of speech."""

from collections.abc import Sequence

from benchmark.metrics.reported import ReportedMetric, StatedMetric, stated
from benchmark.tokenizers.reduction.byte_pairs import LEAST_COUNT
from benchmark.tokenizers.reduction.streams import Books

SEQUENCES: dict[Books, str] = {
    "interleaved": "of several codebooks the codes of a frame in turn, one sequence",
    "apart": "each codebook a sequence of its own with a vocabulary of its own, rates summed",
}
RUNS: dict[Books, str] = {
    "interleaved": "a frame whose codes all equal those of the frame before is dropped",
    "apart": "a code that equals the one before in its codebook is dropped",
}
LOSSY = "how long each lasted is lost"


def rates(vocabularies: Sequence[int], books: Books) -> dict[str, ReportedMetric]:
    """Return the metrics by name: rates of tokens by vocabulary, then rates of bits."""
    largest = vocabularies[-1]
    learned = (
        f"merges of the most frequent pairs, learned on the train split, of pairs that occur {LEAST_COUNT} "
        f"times or more; {SEQUENCES[books]}"
    )
    coded = f"by how often each occurs in the train split (order 0, per codebook), {SEQUENCES[books]}"
    return {
        "rate_codes": _rate("Codes", f"codes per second of speech, {SEQUENCES[books]}", order_free=True),
        "rate_dedup": _rate("Dedup", f"tokens per second, {RUNS[books]}; {LOSSY}"),
        **{
            f"rate_bpe_{size}": _rate(
                f"BPE {size:,}",
                f"tokens per second after byte-pair encoding, {size:,} different tokens with the codes: "
                f"{learned}; without loss, each utterance is decoded and compared",
            )
            for size in vocabularies
        },
        f"rate_dedup_bpe_{largest}": _rate(
            f"Dedup, BPE {largest:,}",
            f"tokens per second after deduplication ({RUNS[books]}) and byte-pair encoding, {largest:,} "
            f"different tokens: {learned}; {LOSSY}",
        ),
        "bits_codes": _bits("Codes", f"ideal code length of the codes {coded}", order_free=True),
        "bits_dedup": _bits(
            "Dedup", f"ideal code length of the codes that deduplication keeps {coded}; {LOSSY}"
        ),
        "bits_runs": _bits(
            "Dedup and durations",
            f"ideal code length of the codes that deduplication keeps, and of the length of each run, {coded}"
            "; without loss",
        ),
        "bits_bpe": _bits(
            f"BPE {largest:,}",
            f"ideal code length of byte-pair encoding, {largest:,} different tokens, by how often each token "
            f"occurs in the train split (order 0), {SEQUENCES[books]}; without loss",
        ),
    }


def _rate(label: str, definition: str, order_free: bool = False) -> StatedMetric:
    return stated(label, "Hz", None, 1, definition, least=0.0, order_free=order_free)


def _bits(label: str, definition: str, order_free: bool = False) -> StatedMetric:
    return stated(label, "kbit/s", None, 3, definition, least=0.0, order_free=order_free)
