from collections import defaultdict
from itertools import product

import pytest
import torch

from benchmark.models.probes.beam import prefix_beam_search
from benchmark.models.probes.normalize import collapse


def random_scores(batch: int, frames: int, labels: int, seed: int, sharpness: float = 1.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (sharpness * torch.randn(batch, frames, labels, generator=generator)).log_softmax(-1)


def most_probable(scores: torch.Tensor) -> list[int]:
    """Find the best label sequence by brute force: add up the probabilities of all alignments of each one."""
    mass: dict[tuple[int, ...], float] = defaultdict(float)
    frames, labels = scores.shape
    for path in product(range(labels), repeat=frames):
        mass[tuple(collapse(path))] += float(scores[torch.arange(frames), list(path)].sum().exp())
    return list(max(mass, key=mass.__getitem__))


@pytest.mark.parametrize("seed", range(12))
def test_a_wide_beam_finds_the_most_probable_labels_of_all(seed: int) -> None:
    scores = random_scores(2, 6, 3, seed)
    found = prefix_beam_search(scores, torch.tensor([6, 4]), width=40)
    assert found == [most_probable(scores[0]), most_probable(scores[1, :4])]


def test_alignments_are_summed_where_greedy_sees_the_best_one() -> None:
    """Check Graves' example: blank is the best label of both frames, but "a" is the more probable answer."""
    scores = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    assert collapse(scores[0].argmax(-1).tolist()) == []  # 0.36 against 0.64
    assert prefix_beam_search(scores, torch.tensor([2]), width=4) == [[1]]


def test_a_repeated_label_needs_a_blank() -> None:
    path = torch.tensor([[1, 1, 0, 1, 2, 2]])
    scores = torch.nn.functional.one_hot(path, 3).float().mul(20).log_softmax(-1)
    assert prefix_beam_search(scores, torch.tensor([6]), width=5) == [[1, 1, 2]]
    assert prefix_beam_search(scores, torch.tensor([2]), width=5) == [[1]]


def test_company_and_padding_do_not_matter() -> None:
    scores, lengths = random_scores(5, 30, 8, seed=3), torch.tensor([30, 7, 19, 1, 30])
    together = prefix_beam_search(scores, lengths, width=6)
    for row, length in enumerate(lengths.tolist()):
        alone = prefix_beam_search(scores[row : row + 1, :length], lengths[row : row + 1], width=6)
        assert alone == [together[row]]


def test_a_wider_beam_is_never_less_probable() -> None:
    scores, lengths = random_scores(8, 25, 6, seed=5), torch.full((8,), 25)

    def log_probability(labels: list[int], row: int) -> float:
        return -float(
            torch.nn.functional.ctc_loss(
                scores[row][:, None].double(),
                torch.tensor([labels]),
                torch.tensor([25]),
                torch.tensor([len(labels)]),
                reduction="sum",
            )
        )

    gains = [
        log_probability(wide, row) - log_probability(narrow, row)
        for row, (narrow, wide) in enumerate(
            zip(prefix_beam_search(scores, lengths, 1), prefix_beam_search(scores, lengths, 200), strict=True)
        )
    ]
    assert min(gains) > -1e-9
    assert max(gains) > 0.1
