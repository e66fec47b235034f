"""Tests of the sequences that codes make, and of what deduplication leaves."""

import numpy as np
import pytest

from benchmark.tokenizers.reduction.streams import Books, Runs, Stream, streams


def only(*sizes: int, strides: tuple[int, ...] = ()) -> Stream:
    (stream,) = streams(sizes, strides or (1,) * len(sizes), "interleaved")
    return stream


def test_codes_of_a_frame_follow_each_other() -> None:
    """The second codebook's integers start behind the four of the first."""
    stream = only(4, 5)
    assert (stream.alphabet, stream.period) == (9, 2)
    assert stream.sequence(np.array([[1, 2], [0, 3]])).tolist() == [1, 4, 2, 7]


def test_a_slow_codebook_gives_each_code_once() -> None:
    stream = only(4, 5, strides=(2, 1))
    codes = np.array([[1, 1, 3, 3, 0], [0, 1, 2, 3, 4]])
    assert stream.period == 3
    assert stream.sequence(codes).tolist() == [1, 4, 5, 3, 6, 7, 0, 8]


def test_codebooks_apart() -> None:
    first, second = streams((4, 5), (2, 1), "apart")
    codes = np.array([[1, 1, 3], [0, 1, 2]])
    assert first.sequence(codes).tolist() == [1, 3] and second.sequence(codes).tolist() == [0, 1, 2]
    assert (first.alphabet, second.alphabet, first.period) == (4, 5, 1)


@pytest.mark.parametrize(
    ("sequence", "tokens", "lengths"),
    [
        ([], [], []),
        ([3], [3], [1]),
        ([3, 3, 1, 3, 3, 3], [3, 1, 3], [2, 1, 3]),
        ([0, 0, 0], [0], [3]),
    ],
)
def test_runs_by_hand(sequence: list[int], tokens: list[int], lengths: list[int]) -> None:
    runs = only(4).deduplicate(np.array(sequence, int))
    assert runs.tokens.tolist() == tokens and runs.lengths.tolist() == lengths


def test_a_frame_repeats_if_all_its_codes_do() -> None:
    stream = only(4, 5)
    sequence = stream.sequence(np.array([[1, 1, 1, 1], [0, 0, 2, 2]]))
    runs = stream.deduplicate(sequence)
    assert runs.tokens.tolist() == [1, 4, 1, 6] and runs.lengths.tolist() == [2, 2]


def test_part_of_a_period_is_no_repetition() -> None:
    """With strides of 2 and 1 three tokens make a period, and the fifth frame is a part of one."""
    stream = only(4, 5, strides=(2, 1))
    runs = stream.deduplicate(stream.sequence(np.array([[1, 1, 1, 1, 1], [0, 0, 0, 0, 0]])))
    assert runs.tokens.tolist() == [1, 4, 4, 1, 4] and runs.lengths.tolist() == [2]
    assert stream.repeat(runs).tolist() == [1, 4, 4, 1, 4, 4, 1, 4]


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 7, 64])
@pytest.mark.parametrize("books", ["interleaved", "apart"])
@pytest.mark.parametrize("strides", [(1, 1, 1), (4, 2, 1)])
def test_nothing_is_lost(frames: int, books: Books, strides: tuple[int, ...]) -> None:
    rng = np.random.default_rng(frames)
    codes = np.stack(
        [np.repeat(rng.random(frames) < 0.1, stride)[:frames].astype(int) for stride in strides]
    )  # mostly zeros, so that frames repeat
    for stream in streams((2, 2, 2), strides, books):
        sequence = stream.sequence(codes)
        runs = stream.deduplicate(sequence)
        assert isinstance(runs, Runs) and np.array_equal(stream.repeat(runs), sequence)
        assert np.array_equal(stream.codes(sequence, frames), codes[list(stream.books)])
        assert frames < 64 or len(runs.tokens) < len(sequence)
