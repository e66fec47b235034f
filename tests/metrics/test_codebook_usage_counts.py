import numpy as np
import pytest

from benchmark.metrics.codes import co_occurrence as pair_counts
from benchmark.metrics.codes.codebook_usage import CodebookUsage


def usage_of(sizes: tuple[int, ...], *utterances: list[list[int]]) -> CodebookUsage:
    usage = CodebookUsage(sizes)
    for codes in utterances:
        usage.accumulate(np.array(codes))
    return usage


def order_1(usage: CodebookUsage) -> list[float]:
    return [pairs.entropy for pairs in usage.successions]


def test_uniform_codes_reach_the_nominal_rate() -> None:
    usage = usage_of((8,), [list(range(8)) * 4])
    assert usage.entropy == [pytest.approx(3.0)]
    assert usage.perplexity == [pytest.approx(8.0)]
    assert usage.used_fraction == [1.0]
    assert usage.dead_codes == [0]


def test_collapsed_codebook() -> None:
    usage = usage_of((4,), [[2] * 50])
    assert usage.entropy == [0.0] and usage.perplexity == [1.0]
    assert usage.used_fraction == [0.25] and usage.dead_codes == [3]
    assert usage.counts[0].tolist() == [0, 0, 50, 0]
    assert usage.repeated_fraction == 1.0


def test_alternating_codes_repeat_no_frame() -> None:
    usage = usage_of((2,), [[0, 1] * 100])
    assert usage.entropy == [pytest.approx(1.0)] and usage.repeated_fraction == 0.0


def test_pairs_do_not_cross_utterances() -> None:
    assert usage_of((2,), [[0, 0, 0]], [[1, 1, 1]]).repeated_fraction == 1.0


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
    for number, codes in enumerate(utterances):
        whole.accumulate(codes, str(number % 3))
    monkeypatch.setattr(pair_counts, "FLUSH_PAIRS", 10)
    pieces = CodebookUsage((50, 50))
    for number, codes in enumerate(utterances):
        pieces.accumulate(codes, str(number % 3))
        assert len(order_1(pieces)) == 2
    assert order_1(pieces) == pytest.approx(order_1(whole))
    assert pieces.entropy == pytest.approx(whole.entropy)


@pytest.mark.parametrize("dtype", [np.uint16, np.int64])
def test_large_codebook_in_any_dtype_and_a_reused_array(dtype: type) -> None:
    codes = np.array([[65535, 65535, 65535, 0]], dtype)
    usage = CodebookUsage((65536,))
    usage.accumulate(codes)
    codes[:] = 1
    assert usage.counts[0][65535] == 3 and usage.counts[0][0] == 1


def test_no_data_is_nan() -> None:
    usage = usage_of((4,), [[]])
    assert np.isnan(usage.entropy[0]) and np.isnan(order_1(usage)[0])
    assert np.isnan(usage.repeated_fraction)


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


def test_runs_of_equal_codes() -> None:
    # Runs of 3, 1, 2 and, in another utterance, 2; the second book never repeats itself.
    usage = usage_of((3, 4), [[0, 0, 0, 1, 2, 2], [0, 1, 2, 3, 0, 1]], [[2, 2], [2, 3]])
    assert usage.run_length == [pytest.approx(8 / 4), 1.0]
    slow = CodebookUsage((3,), strides=(2,))
    slow.accumulate(np.array([[1, 1, 1, 1, 2, 2]]))
    assert slow.run_length == [1.5]
    assert np.isnan(CodebookUsage((3,)).run_length[0])


def test_a_group_of_speakers_can_be_left_out() -> None:
    first, second = [[0, 0, 0, 1, 2, 2], [0, 1, 2, 3, 0, 1]], [[2, 2], [2, 3]]
    both = CodebookUsage((3, 4))
    for speaker, codes in (("a", first), ("b", second), ("a", second)):
        both.accumulate(np.array(codes), speaker)
    rest, alone = both.without(1), usage_of((3, 4), first, second)
    assert [counts.tolist() for counts in rest.counts] == [counts.tolist() for counts in alone.counts]
    assert rest.run_length == alone.run_length and rest.repeated_fraction == alone.repeated_fraction
    assert rest.frames == alone.frames == 8 and both.frames == 10
