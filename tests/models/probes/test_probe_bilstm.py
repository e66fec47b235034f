import pytest
import torch
from torch import nn

from benchmark.models.probes.bilstm import BiLSTM

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]
LENGTHS = torch.tensor([7, 31, 1, 18])


def packed(model: BiLSTM, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Run torch's own packed bidirectional LSTM with the same weights."""
    first = model.forward_layers[0]
    reference = nn.LSTM(
        first.input_size, first.hidden_size, len(model.forward_layers), batch_first=True, bidirectional=True
    ).to(x.device)
    with torch.no_grad():
        for depth, (ahead, back) in enumerate(zip(model.forward_layers, model.backward_layers, strict=True)):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(reference, f"{name}_l{depth}").copy_(getattr(ahead, f"{name}_l0"))
                getattr(reference, f"{name}_l{depth}_reverse").copy_(getattr(back, f"{name}_l0"))
    sequence = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
    return nn.utils.rnn.pad_packed_sequence(reference(sequence)[0], batch_first=True)[0]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("layers", [1, 3])
def test_equals_the_packed_lstm_in_output_and_gradient(layers: int, device: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 31, 5, generator=generator).to(device)
    valid = (torch.arange(31) < LENGTHS[:, None])[..., None].to(device)
    model = BiLSTM(5, 6, layers, dropout=0.3).to(device).eval()
    outputs, gradients = [], []
    for run in (model, lambda x, lengths: packed(model, x, lengths)):
        inputs = x.clone().requires_grad_()
        output = run(inputs, LENGTHS.to(device)) * valid
        output.square().sum().backward()
        outputs.append(output.detach())
        gradients.append(inputs.grad)
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)
    assert outputs[0].abs().sum(-1)[valid[..., 0]].min() > 0


def test_what_lies_in_the_padding_does_not_matter() -> None:
    x = torch.randn(4, 31, 5, generator=torch.Generator().manual_seed(0))
    model = BiLSTM(5, 6, 2, dropout=0.0)
    noisy = x.clone()
    for row, length in enumerate(LENGTHS.tolist()):
        noisy[row, length:] = 1e3
    before, after = model(x, LENGTHS), model(noisy, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(before[row, :length], after[row, :length])


def test_dropout_acts_between_the_layers_in_training_alone() -> None:
    x = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([9, 9])
    for layers, differs in ((1, False), (2, True)):
        model = BiLSTM(5, 6, layers, dropout=0.5)
        assert torch.equal(model(x, lengths), model(x, lengths)) != differs
        model.eval()
        assert torch.equal(model(x, lengths), model(x, lengths))


def test_forget_gates_start_open() -> None:
    model = BiLSTM(5, 6, 2, dropout=0.0)
    for lstm in [*model.forward_layers, *model.backward_layers]:
        bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0).detach()
        assert torch.equal(bias[6:12], torch.ones(6))
        assert (bias[[*range(6), *range(12, 24)]] != 1).all()
