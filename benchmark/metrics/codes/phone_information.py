"""Information that codes carry about phones, as measured for HuBERT (Hsu et al. 2021, arXiv 2106.07447)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmark.metrics.codes.co_occurrence import PairCounts
from benchmark.metrics.codes.speaker_groups import GROUPS, SpeakerGroups


class Shares(NamedTuple):
    """Measures of one codebook; NaN without tokens.

    Attributes:
        phone_purity: Share of tokens whose phone is the most frequent phone of their code.
        cluster_purity: Share of tokens whose code is the most frequent code of their phone.
        pnmi: I(phone; code) / H(phone), the share of the phones' entropy that the codes explain; NaN for
            fewer than two phones, whose entropy is zero.
    """

    phone_purity: float
    cluster_purity: float
    pnmi: float


class PhoneInformation:
    """Counts of phones and codes that occur together in one codebook, gathered one utterance at a time.

    As in fairseq's `measure_teacher_quality`, every token counts once and silence is a phone. All three
    measures grow with the number of codes, the more so on little data; `chance` shows how much.
    """

    def __init__(self, codebook_size: int) -> None:
        self._size = codebook_size
        self._numbers: dict[str, int] = {}
        self._groups = SpeakerGroups()
        self._pairs = PairCounts(codebook_size)  # rows are phones, of each group in turn
        self._chance = PairCounts(codebook_size)
        self._rng = np.random.default_rng(0)

    def accumulate(self, codes: np.ndarray, phones: Sequence[str], speaker: str = "") -> None:
        """Count one utterance, given as codes (T,) and the phone at the centre of each code."""
        labels, places = np.unique(np.asarray(phones, dtype=str), return_inverse=True)
        numbers = np.array([self._numbers.setdefault(str(x), len(self._numbers)) for x in labels], np.int64)
        self._pairs.add(numbers[places] * GROUPS + self._groups(speaker), codes)
        self._chance.add(self._rng.permutation(numbers[places]), codes)

    @property
    def shares(self) -> Shares:
        """Measures of all speakers together."""
        *_, whole = self._counts(())
        return whole

    def shares_without_each(self) -> list[Shares]:
        """Return the measures without each group of speakers."""
        return list(self._counts(range(len(self._groups))))[:-1]

    def _counts(self, left_out: Sequence[int]) -> Iterator[Shares]:
        """Yield the measures without each of some groups, and at last without none."""
        pairs = self._pairs
        group = pairs.rows % GROUPS
        ids, place = np.unique(pairs.rows // GROUPS * self._size + pairs.columns, return_inverse=True)
        total = np.bincount(place, pairs.counts, len(ids)).astype(np.int64)
        for number in left_out:
            own = group == number
            rest = total - np.bincount(place[own], pairs.counts[own], len(ids)).astype(np.int64)
            yield _shares(pairs.like(ids, rest))
        yield _shares(pairs.like(ids, total))

    @property
    def chance(self) -> float:
        """PNMI of the same codes and phones, with the phones permuted within each utterance."""
        return _normalised(self._chance)


def _shares(pairs: PairCounts) -> Shares:
    return Shares(pairs.row_purity, pairs.column_purity, _normalised(pairs))


def _normalised(pairs: PairCounts) -> float:
    """Return I(phone; code) / H(phone); NaN for fewer than two phones."""
    known = pairs.row_entropy
    return pairs.mutual_information / known if known else float("nan")
