"""Agreement of the discriminators' faster arithmetic with the plain formulation."""

import pytest
import torch
from torch.nn.functional import conv2d, leaky_relu, pad

from benchmark.models.vocoder.config import DiscriminatorConfig
from benchmark.models.vocoder.convolution import FrameConv
from benchmark.models.vocoder.discriminators import PERIOD_STRIDES, SLOPE, Discriminators, PeriodDiscriminator


def plain(period: PeriodDiscriminator, wav: torch.Tensor) -> list[torch.Tensor]:
    """Apply two-dimensional convolutions, one column wide, to the folded waveform (Kong et al., 2020)."""
    x = pad(wav, (0, -wav.shape[-1] % period.period), mode="reflect").unflatten(-1, (-1, period.period))
    outputs = []
    for layer, stride in zip(period.layers, PERIOD_STRIDES, strict=True):
        x = leaky_relu(conv2d(x, layer.weight[..., None], layer.bias, (stride, 1), (2, 0)), SLOPE)
        outputs.append(x)
    verdict = period.verdict
    return [*outputs, conv2d(x, verdict.weight[..., None], verdict.bias, padding=(1, 0))]


@pytest.mark.parametrize("samples", [1000, 1003])
def test_columns_as_sequences_are_the_folded_waveform(
    small_discriminators: DiscriminatorConfig, samples: int
) -> None:
    torch.manual_seed(0)
    for period in Discriminators(small_discriminators).periods:
        wav = torch.randn(2, 1, samples, requires_grad=True)
        gradients, results = [], []
        for outputs in (period(wav), plain(period, wav)):
            loss = torch.stack([(x.square() * torch.linspace(0, 1, x.shape[-1])).mean() for x in outputs])
            gradients.append(torch.autograd.grad(loss.sum(), [wav, *period.parameters()]))
            results.append(outputs)
        for ours, reference in zip(*results, strict=True):
            torch.testing.assert_close(ours, reference, atol=1e-6, rtol=1e-5)
        for ours, reference in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, reference, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(5, 3, None), (2, 1, 1), (7, 1, None)])
def test_frames_are_convolved_as_channels_first(kernel: int, stride: int, padding: int | None) -> None:
    torch.manual_seed(0)
    conv, x = FrameConv(4, 6, kernel, stride, padding), torch.randn(3, 23, 4)
    reference = torch.nn.Conv1d.forward(conv, x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(conv(x), reference)
