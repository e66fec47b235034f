import numpy as np
import pytest

from benchmark.metrics.codes import co_occurrence as pair_counts
from benchmark.metrics.codes.codebook_usage import CodebookUsage


def usage_of(sizes: tuple[int, ...], *utterances: list[list[int]]) -> CodebookUsage:
    usage = CodebookUsage(sizes)
    for codes in utterances:
        usage.accumulate(np.array(codes))
    return usage


def test_uniform_codes_reach_the_nominal_rate() -> None:
    usage = usage_of((8,), [list(range(8)) * 4])
    assert usage.entropy == [pytest.approx(3.0)]
    assert usage.perplexity == [pytest.approx(8.0)]
    assert usage.used_fraction == [1.0]
    assert usage.dead_codes == [0]


def test_collapsed_codebook() -> None:
    usage = usage_of((4,), [[2] * 50])
    assert usage.entropy == [0.0] and usage.perplexity == [1.0] and usage.conditional_entropy == [0.0]
    assert usage.used_fraction == [0.25] and usage.dead_codes == [3]
    assert usage.counts[0].tolist() == [0, 0, 50, 0]
    assert usage.repeated_fraction == 1.0


def test_alternating_codes_are_predictable() -> None:
    usage = usage_of((2,), [[0, 1] * 100])
    assert usage.entropy == [pytest.approx(1.0)]
    assert usage.conditional_entropy == [pytest.approx(0.0, abs=1e-12)]
    assert usage.repeated_fraction == 0.0


def test_conditional_entropy_of_a_hand_made_chain() -> None:
    # After 0 come 0 and 1 once each, after 1 comes 0 twice: (2 · 1 bit + 2 · 0 bit) / 4.
    usage = usage_of((3,), [[1, 0, 0, 1, 0]])
    assert usage.conditional_entropy == [pytest.approx(0.5)]


def test_independent_codes_gain_nothing_from_the_past() -> None:
    codes = np.random.default_rng(0).integers(0, 16, (1, 200_000))
    usage = CodebookUsage((16,))
    usage.accumulate(codes)
    assert usage.entropy[0] == pytest.approx(4.0, abs=0.001)
    assert usage.conditional_entropy[0] == pytest.approx(4.0, abs=0.005)


def test_pairs_do_not_cross_utterances() -> None:
    split = usage_of((2,), [[0, 0, 0]], [[1, 1, 1]])
    assert split.conditional_entropy == [0.0]
    assert split.repeated_fraction == 1.0
    assert usage_of((2,), [[0, 0, 0, 1, 1, 1]]).conditional_entropy[0] > 0.4


def test_books_are_counted_apart_and_frames_repeat_only_as_a_whole() -> None:
    usage = usage_of((2, 4), [[0, 0, 0, 1], [0, 1, 1, 1]])
    assert [counts.tolist() for counts in usage.counts] == [[3, 1], [1, 3, 0, 0]]
    assert usage.used_fraction == [1.0, 0.5]
    assert usage.repeated_fraction == pytest.approx(1 / 3)
    assert usage.frames == 4


def test_counting_in_pieces_equals_counting_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    utterances = [rng.integers(0, 50, (2, length)) for length in (1, 2, 300, 40, 7)]
    whole = CodebookUsage((50, 50))
    for codes in utterances:
        whole.accumulate(codes)
    monkeypatch.setattr(pair_counts, "FLUSH_PAIRS", 10)
    pieces = CodebookUsage((50, 50))
    for codes in utterances:
        pieces.accumulate(codes)
        assert len(pieces.conditional_entropy) == 2
    assert pieces.conditional_entropy == pytest.approx(whole.conditional_entropy)
    assert pieces.entropy == pytest.approx(whole.entropy)


@pytest.mark.parametrize("dtype", [np.uint16, np.int64])
def test_large_codebook_in_any_dtype_and_a_reused_array(dtype: type) -> None:
    codes = np.array([[65535, 65535, 65535, 0]], dtype)
    usage = CodebookUsage((65536,))
    usage.accumulate(codes)
    codes[:] = 1
    assert usage.counts[0][65535] == 3 and usage.counts[0][0] == 1
    # After 65535 come 65535 twice and 0 once.
    assert usage.conditional_entropy[0] == pytest.approx(np.log2(3) - 2 / 3)


def test_no_data_is_nan() -> None:
    usage = usage_of((4,), [[]])
    assert np.isnan(usage.entropy[0]) and np.isnan(usage.conditional_entropy[0])
    assert np.isnan(usage.repeated_fraction)
    assert np.isnan(usage_of((4,), [[3]]).conditional_entropy[0])


@pytest.mark.parametrize("codes", [[[0, 4]], [[-1, 0]], [[0], [0]], [0, 1]])
def test_wrong_codes_are_refused(codes: list) -> None:
    with pytest.raises(ValueError, match="codes"):
        CodebookUsage((4,)).accumulate(np.array(codes))


def test_a_repeated_code_is_counted_once() -> None:
    fine, coarse = [0, 1, 2, 3, 0, 1, 2, 3], [5, 5, 5, 5, 6, 6, 6, 6]
    usage = CodebookUsage((4, 8), strides=(1, 4))
    usage.accumulate(np.array([fine, coarse]))
    assert [int(counts.sum()) for counts in usage.counts] == [8, 2]
    assert usage.entropy == pytest.approx([2.0, 1.0])
    assert usage.conditional_entropy[1] == 0.0  # a single pair leaves no uncertainty


def test_runs_of_equal_codes() -> None:
    # Runs of 3, 1, 2 and, in another utterance, 2; the second book never repeats itself.
    usage = usage_of((3, 4), [[0, 0, 0, 1, 2, 2], [0, 1, 2, 3, 0, 1]], [[2, 2], [2, 3]])
    assert usage.run_length == [pytest.approx(8 / 4), 1.0]
    slow = CodebookUsage((3,), strides=(2,))
    slow.accumulate(np.array([[1, 1, 1, 1, 2, 2]]))
    assert slow.run_length == [1.5]
    assert np.isnan(CodebookUsage((3,)).run_length[0])
