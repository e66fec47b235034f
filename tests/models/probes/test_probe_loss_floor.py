"""The loss of the best answer that ignores the codes, against other ways to compute it."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, ctc_loss

from benchmark.models.probes.data import join_labels
from benchmark.models.probes.loss_floor import LossFloor, class_losses, ctc_losses, spaced
from benchmark.models.probes.normalize import encode


def test_balanced_classes_have_the_logarithm_of_their_number_without_a_margin() -> None:
    floor = LossFloor.of(class_losses([[n % 12] for n in range(480)], 12), 480)
    assert floor.loss == pytest.approx(math.log(12)) and floor.margin == pytest.approx(0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_no_constant_answer_has_a_lower_loss(smoothing: float) -> None:
    """Fit one vector of scores by gradient descent, with torch's own loss."""
    rng = np.random.default_rng(0)
    sequences = [rng.choice(5, rng.integers(1, 9), p=[0.5, 0.2, 0.2, 0.1, 0.0]) for _ in range(40)]
    scores = torch.zeros(5, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([scores], max_iter=200)

    def losses() -> torch.Tensor:
        rows = (
            cross_entropy(scores.expand(len(row), 5), torch.tensor(row), label_smoothing=smoothing)
            for row in sequences
        )
        return torch.stack(list(rows))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        losses().mean().backward()
        return losses().mean().detach()

    optimizer.step(closure)
    found = class_losses(sequences, 5, smoothing)
    assert found == pytest.approx(losses().detach().numpy(), abs=5e-3)
    assert found.mean() == pytest.approx(losses().mean().item(), abs=1e-4)


def test_ctc_is_close_to_the_best_distribution() -> None:
    rng = np.random.default_rng(0)
    words = ("lights", "off", "garage", "the", "play", "music")
    utterances = [(encode(" ".join(rng.choice(words, 4))), int(rng.integers(60, 90))) for _ in range(8)]
    found = ctc_losses(utterances, 29).mean()
    lengths = torch.tensor([frames for _, frames in utterances])
    counts = torch.tensor([len(labels) for labels, _ in utterances])
    targets = torch.tensor([label for labels, _ in utterances for label in labels])
    scores = torch.zeros(29, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([scores], max_iter=30, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        frames = scores.log_softmax(0).expand(int(lengths.max()), len(utterances), 29)
        return (ctc_loss(frames, targets, lengths, counts, 0, "none") / counts).mean()

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    assert loss().item() <= found < loss().item() + 0.01


def test_utterances_without_an_alignment_lower_the_floor_as_they_lower_the_loss() -> None:
    assert ctc_losses([(encode("left"), 2), (encode("right"), 3)], 29).tolist() == [0.0, 0.0]


def test_the_margin_is_three_standard_errors_of_an_epoch() -> None:
    floor = LossFloor.of(np.array([1.0, 3.0] * 50), 25)
    assert floor == LossFloor(2.0, pytest.approx(3 * 1.0 / 5))


def test_a_sample_is_spread_over_the_split(make_store) -> None:
    store = make_store({f"u{n}": np.zeros((1, n + 1), int) for n in range(10)})
    train = join_labels(store, {f"u{n}": [n + 1] for n in range(10)})
    assert spaced(train, 4) == [([1], 1), ([4], 4), ([7], 7), ([10], 10)]
    assert len(spaced(train, 100)) == 10
