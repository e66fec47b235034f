import runpy
from pathlib import Path

import torch
from bigcodec import CodecDecoder, CodecEncoder

from benchmark.tokenizers.bigcodec import DECODER, ENCODER, BigCodec

LATENT, WIDTH = 16, 64
seeded_state = runpy.run_path(str(Path(__file__).parents[1] / "seeded.py"))["seeded_state"]


def published(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Make seeded weights under the names of the official code, which uses the older kind of weight norm."""
    state = {}
    for name, tensor in module.state_dict().items():
        name = name.replace("parametrizations.weight.original0", "weight_g")
        state[name.replace("parametrizations.weight.original1", "weight_v")] = tensor
    fixed = {name: tensor for name, tensor in state.items() if name.endswith("filter")}
    seeded = seeded_state({name: tensor.shape for name, tensor in state.items()})
    for name in seeded:
        if name.endswith("alpha"):
            seeded[name] -= 1.0  # a logarithm; larger values let rounding errors grow chaotically
    return {**seeded, **fixed}


def write(tokenizer: BigCodec, folder: Path) -> None:
    encoder = CodecEncoder(ngf=2, out_channels=LATENT)
    decoder = CodecDecoder(in_channels=LATENT, vq_dim=LATENT, upsample_initial_channel=WIDTH)
    states = {ENCODER: published(encoder), DECODER: published(decoder)}
    states[DECODER]["model.8.weight_g"] *= 0.004  # else the last tanh saturates and hides differences
    torch.save(states, folder / "bigcodec.pt")
