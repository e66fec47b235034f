import torch

from benchmark.probes.frontend import PADDING, TokenFrontend

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
    for combine in ("sum", "attention"):
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
