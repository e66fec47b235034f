"""Tests of byte-pair encoding on integers: merges by hand, no loss, and the same merges each time."""

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.opus import Opus
from benchmark.tokenizers.reduction.byte_pairs import FIRST, MOST, BytePairs
from benchmark.tokenizers.reduction.streams import streams

TOY = [np.array([0, 1, 0, 1, 2]), np.array([0, 1, 2, 2])]


def babble(alphabet: int, utterances: int = 60, seed: int = 0) -> list[np.ndarray]:
    """Integers of which few are frequent, in runs, in utterances of 0 to 119."""
    rng = np.random.default_rng(seed)
    favourites = rng.integers(0, alphabet, 40)
    return [np.repeat(rng.choice(favourites, n), rng.integers(1, 4, n))[:n] for n in range(0, 120, 2)][
        :utterances
    ]


def merges_of(pairs: BytePairs, folder: Path) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the pairs of integers that are merged, in order."""
    pairs.save(folder / "merges.json")
    model = json.loads((folder / "merges.json").read_text())["model"]
    first, second = (
        [tuple(ord(c) - FIRST for c in pair[side]) for pair in model["merges"]] for side in (0, 1)
    )
    return list(zip(first, second, strict=True))


def test_merges_by_hand() -> None:
    """(0, 1) occurs three times and becomes 3; then (3, 2) occurs twice and becomes 4; then no pair does."""
    pairs = BytePairs.learn(TOY, alphabet=3, vocabulary=100)
    assert pairs.vocabulary == 5
    assert pairs.encode(TOY[0]).tolist() == [3, 4] and pairs.encode(TOY[1]).tolist() == [4, 2]
    assert pairs.encode(np.array([2, 1, 0])).tolist() == [2, 1, 0]
    assert pairs.first(4).encode(TOY[0]).tolist() == [3, 3, 2]
    assert pairs.first(2).encode(TOY[0]).tolist() == TOY[0].tolist()
    assert pairs.decode(np.array([4, 1])).tolist() == [0, 1, 2, 1]


def test_runs_become_tokens_from_the_left() -> None:
    pairs = BytePairs.learn([np.zeros(5, int)], alphabet=1, vocabulary=2)
    assert pairs.encode(np.zeros(5, int)).tolist() == [1, 1, 0]


def test_no_merge_crosses_utterances() -> None:
    pairs = BytePairs.learn([np.array([0]), np.array([1])] * 20, alphabet=2, vocabulary=10)
    assert pairs.vocabulary == 2


@pytest.mark.parametrize("alphabet", [1, 40, 12_000, 70_000])
def test_what_is_encoded_comes_back(alphabet: int) -> None:
    """70,000 integers are more than the characters below the surrogates; unseen ones are tokens as well."""
    train, test = babble(alphabet), [*babble(alphabet, seed=1), np.arange(alphabet)[::-1]]
    pairs = BytePairs.learn(train, alphabet, alphabet + 100)
    assert pairs.vocabulary > alphabet
    for sequence in (*train, *test):
        tokens = pairs.encode(sequence)
        assert np.array_equal(pairs.decode(tokens), sequence)
    assert sum(len(pairs.encode(s)) for s in train) < 0.8 * sum(map(len, train))


def test_the_largest_alphabet_ends_with_the_last_character() -> None:
    assert sys.maxunicode == FIRST + MOST - 1


def test_real_codes_come_back(real_speech: list[np.ndarray]) -> None:
    opus = Opus(name="opus_6k")
    (stream,) = streams(opus.spec.codebook_sizes, [1] * opus.spec.num_codebooks, "interleaved")
    codes = [
        opus.encode(torch.from_numpy(wav)[None], torch.tensor([len(wav)]))[0][0].numpy()
        for wav in real_speech
    ]
    train, test = codes[:-2], codes[-2:]
    pairs = BytePairs.learn(map(stream.sequence, train), stream.alphabet, 4500)
    for each in test:
        sequence = stream.sequence(each)
        tokens = pairs.encode(sequence)
        assert np.array_equal(stream.codes(pairs.decode(tokens), each.shape[1]), each)
        assert len(tokens) < len(sequence)


def test_every_merge_is_of_the_most_frequent_pair(tmp_path: Path) -> None:
    """An implementation of our own applies the merges one by one, and counts all pairs before each."""
    train, test = babble(50), babble(50, seed=3)
    pairs = BytePairs.learn(train, 50, 120)
    words = [[(int(code),) for code in sequence] for sequence in (*train, *test)]
    for first, second in merges_of(pairs, tmp_path):
        counts = Counter(pair for word in words[: len(train)] for pair in pairwise(word))
        assert counts[first, second] == max(counts.values())
        words = [merged(word, first, second) for word in words]
    assert [len(pairs.encode(sequence)) for sequence in (*train, *test)] == [len(word) for word in words]


def merged(
    word: list[tuple[int, ...]], first: tuple[int, ...], second: tuple[int, ...]
) -> list[tuple[int, ...]]:
    result: list[tuple[int, ...]] = []
    place = 0
    while place < len(word):
        both = word[place : place + 2] == [first, second]
        result.append(first + second if both else word[place])
        place += 1 + both
    return result


def test_the_first_merges_are_those_of_a_smaller_vocabulary_and_rates_fall() -> None:
    train, test = babble(50), babble(50, seed=5)
    pairs = BytePairs.learn(train, 50, 400)
    lengths = []
    for size in (50, 60, 90, 150, 400):
        few, own = pairs.first(size), BytePairs.learn(train, 50, size)
        assert few.vocabulary == own.vocabulary == min(size, pairs.vocabulary)
        for sequence in test:
            assert few.encode(sequence).tolist() == own.encode(sequence).tolist()
        lengths.append(sum(len(few.encode(sequence)) for sequence in test))
    assert lengths[0] == sum(map(len, test)) and lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < 0.8 * lengths[0]


def test_no_speech_and_one_frame() -> None:
    empty, one = np.zeros(0, int), np.array([2])
    pairs = BytePairs.learn([empty, one, *TOY], 3, 5)
    assert pairs.encode(empty).tolist() == [] and pairs.decode(empty).tolist() == []
    assert pairs.encode(one).tolist() == [2] and pairs.decode(one).tolist() == [2]
    assert BytePairs.learn([empty], 3, 5).vocabulary == 3


def test_learning_is_the_same_in_any_order_and_process(tmp_path: Path) -> None:
    train = babble(50)
    for name, sequences in (("one", train), ("two", train[::-1])):
        BytePairs.learn(sequences, 50, 200).save(tmp_path / name)
    program = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path; "
        "from test_byte_pairs import BytePairs, babble; "
        "BytePairs.learn(babble(50), 50, 200).save(Path(sys.argv[1]))"
    )
    here = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "three"), here], check=True)
    first, *others = ((tmp_path / name).read_bytes() for name in ("one", "two", "three"))
    assert others == [first, first]
    again = BytePairs.load(tmp_path / "one")
    assert again.encode(train[-1]).tolist() == BytePairs.learn(train, 50, 200).encode(train[-1]).tolist()


def test_a_vocabulary_below_the_alphabet_is_refused() -> None:
    with pytest.raises(UserError, match=r"vocabulary of 2 is below the alphabet of 3 codes.* at least 3"):
        BytePairs.learn(TOY, 3, 2)
    with pytest.raises(UserError, match="an alphabet of 1,048,577 codes"):
        BytePairs.learn(TOY, MOST + 1, MOST + 2)
