import numpy as np
import pytest
import torch

from benchmark.models.probes.frontend import PADDING, FeatureFrontend, TokenFrontend, features_of, row_numbers
from benchmark.tokenizers.continuous import to_codes

CODES = torch.tensor([[[0, 3, 1], [2, 0, 1]], [[1, 1, PADDING], [0, 2, PADDING]]])


def test_every_codebook_has_its_own_rows(make_spec, make_config) -> None:
    frontend = TokenFrontend(make_spec((4, 3)), make_config())
    weight = frontend.embedding.weight
    assert weight.shape == (1 + 4 + 3, 24)
    frames = frontend(CODES)
    torch.testing.assert_close(frames[0, 1], weight[1 + 3] + weight[1 + 4 + 0])
    torch.testing.assert_close(frames[1, 0], weight[1 + 1] + weight[1 + 4 + 0])
    assert frames[0, 2].ne(frames[0, 1]).any()


def test_padding_is_zero_and_stays_so(make_spec, make_config) -> None:
    for combine in ("sum", "concat", "attention"):
        frontend = TokenFrontend(make_spec((4, 3)), make_config(combine=combine))
        frames = frontend(CODES)
        assert frames[1, 2].eq(0).all()
        frames.square().sum().backward()
        assert frontend.embedding.weight.grad[0].eq(0).all()


def test_the_tokens_are_not_touched(make_spec, make_config) -> None:
    codes = CODES.clone()
    frontend = TokenFrontend(make_spec((4, 3)), make_config())
    first, second = frontend(codes), frontend(codes)
    assert torch.equal(codes, CODES)
    assert torch.equal(first, second)


def test_slow_codes_are_repeated(make_spec, make_config) -> None:
    frontend = TokenFrontend(make_spec((4, 3), frame_rate=12.5), make_config())
    frames = frontend(CODES)
    assert frames.shape == (2, 12, 24)
    for repetition in range(4):
        assert torch.equal(frames[:, 4:8][:, repetition], frames[:, 4])
    assert frames[:, 4].ne(frames[:, 3]).any()


def test_the_variance_of_a_frame_does_not_grow_with_the_codebooks(make_spec, make_config) -> None:
    torch.manual_seed(0)
    spread = []
    for books in (1, 8):
        frontend = TokenFrontend(make_spec((64,) * books), make_config(embedding_dim=64))
        spread.append(frontend(torch.randint(64, (4, books, 50))).std().item())
    assert abs(spread[0] - spread[1]) < 0.1
    assert 0.9 < spread[0] < 1.1


def test_attention_weights_the_codebooks(make_spec, make_config) -> None:
    frontend = TokenFrontend(make_spec((4, 3)), make_config(combine="attention"))
    weight = frontend.embedding.weight
    pair = torch.stack([weight[1 + 3], weight[1 + 4 + 0]])
    hidden = torch.relu(frontend.attention[0](pair))
    share = torch.softmax(frontend.attention[2](hidden), dim=0)
    torch.testing.assert_close(frontend(CODES)[0, 1], (share * pair).sum(0))
    assert not torch.allclose(share, torch.full((2, 1), 0.5))


def test_one_codebook_makes_attention_an_identity(make_spec, make_config) -> None:
    frontend = TokenFrontend(make_spec((4,)), make_config(combine="attention"))
    codes = CODES[:1, :1]
    torch.testing.assert_close(frontend(codes)[0], frontend.embedding.weight[1 + codes[0, 0]])


def test_concatenation_projects_every_codebook_by_its_own_matrix(make_spec, make_config) -> None:
    frontend = TokenFrontend(make_spec((4, 3)), make_config(combine="concat"))
    weight, projection = frontend.embedding.weight, frontend.projection.weight
    assert projection.shape == (24, 2 * 24)
    expected = projection[:, :24] @ weight[1 + 3] + projection[:, 24:] @ weight[1 + 4 + 0]
    torch.testing.assert_close(frontend(CODES)[0, 1], expected)


@pytest.mark.parametrize("combine", ["sum", "concat", "attention"])
def test_codebook_vectors_are_projected_to_the_width(make_spec, make_config, combine: str) -> None:
    vectors = 5 + 3 * torch.randn(2, 4, 10, generator=torch.Generator().manual_seed(0))
    frontend = TokenFrontend(make_spec((4, 3)), make_config(combine=combine, init="codebook"), 10)
    frontend.start_from(vectors)
    weight = frontend.embedding.weight
    assert weight.shape == (1 + 4 + 3, 10)
    assert weight[0].eq(0).all()
    assert frontend(CODES).shape == (2, 3, 24)
    assert frontend(CODES)[1, 2].eq(0).all()
    # Differences within a codebook are those of the vectors but for one factor for all codebooks.
    first, second = weight[1 + 3] - weight[1 + 1], weight[1 + 4 + 2] - weight[1 + 4 + 1]
    factor = first / (vectors[0, 3] - vectors[0, 1])
    torch.testing.assert_close(factor, factor.mean().expand(10))
    torch.testing.assert_close(second / (vectors[1, 2] - vectors[1, 1]), factor)


def test_frames_of_codebook_vectors_start_with_unit_variance(make_spec, make_config) -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(4, 64, 24, generator=generator) * torch.tensor([8.0, 4.0, 2.0, 1.0])[:, None, None]
    frontend = TokenFrontend(make_spec((64,) * 4), make_config(init="codebook"), 24)
    frontend.start_from(vectors + 3)
    frames = frontend(torch.randint(64, (4, 4, 200), generator=generator))
    assert frames.std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("freeze", [False, True])
def test_frozen_embeddings_have_no_gradient(make_spec, make_config, freeze: bool) -> None:
    frontend = TokenFrontend(make_spec((4, 3)), make_config(freeze=freeze, combine="concat"))
    frontend(CODES).square().sum().backward()
    assert (frontend.embedding.weight.grad is None) == freeze
    assert frontend.projection.weight.grad.abs().sum() > 0


def test_codes_share_rows_only_where_there_are_more_codes_than_rows(make_spec, make_config) -> None:
    alone = TokenFrontend(make_spec((4, 3)), make_config(shared_rows=7))
    assert alone.embedding.weight.shape == (8, 24)
    torch.testing.assert_close(alone(CODES)[0, 1], alone.embedding.weight[[4, 5]].sum(0))
    rows = row_numbers(5000, 500)
    assert rows.shape == (5001, 2)
    assert rows[0].eq(0).all()
    assert rows[1:].min() == 1 and rows[1:].max() == 500
    assert len(rows[1:].sort(1).values.unique(dim=0)) > 4800, "nearly every code has a pair of its own"
    assert torch.equal(rows, row_numbers(5000, 500))


def test_shared_rows_keep_the_variance_of_a_frame(make_spec, make_config) -> None:
    torch.manual_seed(0)
    frontend = TokenFrontend(make_spec((4000,) * 4), make_config(embedding_dim=64, shared_rows=800))
    frames = frontend(torch.randint(4000, (4, 4, 200)))
    assert 0.9 < frames.std().item() < 1.1
    assert frontend(torch.full((1, 4, 2), PADDING)).eq(0).all()


def test_continuous_features_are_standardised_by_the_training_set(make_spec, make_config) -> None:
    rng = np.random.default_rng(0)
    scales, offsets = np.array([[100.0], [0.01], [0.0]]), np.array([[-500.0], [0.3], [2.0]])
    utterances = [scales * rng.standard_normal((3, n)) + offsets for n in (300, 500, 200)]
    codes = [to_codes(torch.from_numpy(features).float()).numpy() for features in utterances]
    frontend = FeatureFrontend(make_spec((2**16,) * 3), make_config())
    frontend.standardise(iter(codes))
    seen = (
        features_of(torch.from_numpy(np.concatenate(codes, 1))[None])[0].T - frontend.mean
    ) * frontend.scale
    torch.testing.assert_close(seen.mean(0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen[:, :2].std(0), torch.ones(2), atol=0.02, rtol=0)
    assert seen[:, 2].abs().max() < 1e-3  # a constant dimension says nothing, and is finite
    other = FeatureFrontend(make_spec((2**16,) * 3), make_config())
    other.load_state_dict(frontend.state_dict())
    assert torch.equal(other.mean, frontend.mean)
