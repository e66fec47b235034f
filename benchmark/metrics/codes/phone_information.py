"""Information that codes carry about phones, as measured for HuBERT (Hsu et al. 2021, arXiv 2106.07447)."""

from collections.abc import Sequence

import numpy as np

from benchmark.metrics.codes.co_occurrence import PairCounts


class PhoneInformation:
    """Counts of phones and codes that occur together in one codebook, gathered one utterance at a time.

    As in fairseq's `measure_teacher_quality`, every token counts once and silence is a phone. All three
    measures grow with the number of codes, the more so on little data; `chance` shows how much.
    """

    def __init__(self, codebook_size: int) -> None:
        self._numbers: dict[str, int] = {}
        self._pairs = PairCounts(codebook_size)
        self._chance = PairCounts(codebook_size)
        self._rng = np.random.default_rng(0)

    def accumulate(self, codes: np.ndarray, phones: Sequence[str]) -> None:
        """Count one utterance, given as codes (T,) and the phone at the centre of each code."""
        labels, places = np.unique(np.asarray(phones, dtype=str), return_inverse=True)
        numbers = np.array([self._numbers.setdefault(str(x), len(self._numbers)) for x in labels], np.int64)
        self._pairs.add(numbers[places], codes)
        self._chance.add(self._rng.permutation(numbers[places]), codes)

    @property
    def phone_purity(self) -> float:
        """Share of tokens whose phone is the most frequent phone of their code."""
        return self._pairs.row_purity

    @property
    def cluster_purity(self) -> float:
        """Share of tokens whose code is the most frequent code of their phone."""
        return self._pairs.column_purity

    @property
    def pnmi(self) -> float:
        """I(phone; code) / H(phone): the share of the phones' entropy that the codes explain."""
        return _normalised(self._pairs)

    @property
    def chance(self) -> float:
        """`pnmi` of the same codes and phones, with the phones permuted within each utterance."""
        return _normalised(self._chance)


def _normalised(pairs: PairCounts) -> float:
    """Return I(phone; code) / H(phone); NaN for fewer than two phones, whose entropy is zero."""
    known = pairs.row_entropy
    return pairs.mutual_information / known if known else float("nan")
