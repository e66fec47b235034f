"""Definitions of the numbers of length reduction: rates in tokens and in bits per second of speech."""

from collections.abc import Sequence

from benchmark.metrics.reported import ReportedMetric, StatedMetric, stated
from benchmark.tokenizers.reduction.byte_pairs import LEAST_COUNT
from benchmark.tokenizers.reduction.streams import Books

BOOKS: dict[Books, str] = {
    "interleaved": "codebooks interleaved frame by frame, a slower one once per code of its own",
    "apart": "each codebook apart with a vocabulary of its own, summed",
}
DROPPED: dict[Books, str] = {
    "interleaved": "frames of the slowest codebook whose codes, of all codebooks, equal those before",
    "apart": "codes that equal the one before in their codebook",
}
LOSSY, LOSSLESS = "durations are lost", "lossless"
COUNTED = "by how often each occurs in the train split (order 0)"


def rates(vocabularies: Sequence[int], books: Books) -> dict[str, ReportedMetric]:
    """Return the metrics by name: rates of tokens by vocabulary, then rates of bits."""
    largest = vocabularies[-1]
    merges = f"merges of pairs that occur at least {LEAST_COUNT} times in the train split; {BOOKS[books]}"
    return {
        "rate_codes": _rate("Codes", f"codes per second of speech; {BOOKS[books]}", order_free=True),
        "rate_dedup": _rate("Dedup", f"codes per second without {DROPPED[books]}; {LOSSY}"),
        **{
            f"rate_bpe_{size}": _rate(
                f"BPE {size:,}",
                f"tokens per second after byte-pair encoding, {size:,} in the vocabulary with all codes; "
                f"{merges}; {LOSSLESS}, checked on each utterance",
            )
            for size in vocabularies
        },
        f"rate_dedup_bpe_{largest}": _rate(
            f"Dedup, BPE {largest:,}",
            f"tokens per second after byte-pair encoding, {largest:,} in the vocabulary with all codes, "
            f"without {DROPPED[books]}; {merges}; {LOSSY}",
        ),
        "bits_codes": _bits("Codes", f"ideal code length of the codes {COUNTED}", order_free=True),
        "bits_dedup": _bits(
            "Dedup", f"ideal code length {COUNTED}, of the codes without {DROPPED[books]}; {LOSSY}"
        ),
        "bits_runs": _bits(
            "Dedup and durations",
            f"ideal code length {COUNTED}, of the codes without {DROPPED[books]}, and of the length of each "
            f"run; {LOSSLESS}",
        ),
        "bits_bpe": _bits(
            f"BPE {largest:,}",
            f"ideal code length {COUNTED}, of tokens of byte-pair encoding, {largest:,} in the vocabulary; "
            f"{BOOKS[books]}; {LOSSLESS}",
        ),
    }


def _rate(label: str, definition: str, order_free: bool = False) -> StatedMetric:
    return stated(label, "Hz", None, 1, definition, least=0.0, order_free=order_free)


def _bits(label: str, definition: str, order_free: bool = False) -> StatedMetric:
    return stated(label, "kbit/s", None, 3, definition, least=0.0, order_free=order_free)
