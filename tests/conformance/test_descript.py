"""DAC against Descript's own package, with its own padding (its `preprocess`: up to whole hops of 320)."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.utils import remove_weight_norm

from benchmark.data.audio import resample

peer = pytest.importorskip("dac")

RESIDUAL_UNIT = {"snake1": 0, "conv1": 1, "snake2": 2, "conv2": 3}
ENCODER_BLOCK = {"res_unit1": 0, "res_unit2": 1, "res_unit3": 2, "snake1": 3, "conv1": 4}
DECODER_BLOCK = {"snake1": 0, "conv_t1": 1, "res_unit1": 2, "res_unit2": 3, "res_unit3": 4}


def peer_model(ours: Any) -> Any:
    """Build the peer with the weights of transformers' model `ours`, also without weight norm."""
    config = ours.config
    model = peer.DAC(
        encoder_dim=config.encoder_hidden_size,
        encoder_rates=config.downsampling_ratios,
        decoder_dim=config.decoder_hidden_size,
        decoder_rates=config.upsampling_ratios,
        n_codebooks=config.n_codebooks,
        codebook_size=config.codebook_size,
        codebook_dim=config.codebook_dim,
        sample_rate=config.sampling_rate,
    )
    for module in model.modules():
        if hasattr(module, "weight_g"):
            remove_weight_norm(module)
    depth = len(config.downsampling_ratios)
    state = {renamed(name, depth): tensor for name, tensor in ours.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


def renamed(name: str, depth: int) -> str:
    part, *path = name.split(".")
    if part == "quantizer":
        return name
    root, table = ("block", ENCODER_BLOCK) if part == "encoder" else ("model", DECODER_BLOCK)
    if path[0] != "block":
        place = {"conv1": 0, "snake1": depth + 1, "conv2": depth + 2}[path[0]]
        return ".".join([part, root, str(place), *path[1:]])
    _, block, layer, *rest = path
    inner = ["block", str(RESIDUAL_UNIT[rest[0]]), *rest[1:]] if layer.startswith("res_unit") else rest
    return ".".join([part, root, str(int(block) + 1), "block", str(table[layer]), *inner])


@pytest.mark.parametrize("name", ["dac_16khz", "dac_24khz"])
def test_the_same_codes_and_sound_as_the_original(
    name: str, on_random_weights: Any, speech: list[torch.Tensor], same_codes: Callable[..., None], label: Any
) -> None:
    tokenizer = on_random_weights(name)
    original = peer_model(tokenizer._model)
    rate = tokenizer.sample_rate
    pairs = []
    for wav in [*speech, *(speech[0][:samples] for samples in (16_001, 16_267, 20_907))]:
        codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        native = torch.from_numpy(resample(wav.numpy(), 16_000, rate))
        with torch.no_grad():
            padded = original.preprocess(native[None, None], rate)
            _, theirs, *_ = original.encode(padded, tokenizer.num_codebooks)
            sound = original.decode(original.quantizer.from_codes(codes)[0])[:, 0]
        pairs.append((codes[0], theirs[0]))
        torch.testing.assert_close(tokenizer._decode(codes, frames), sound, atol=1e-5, rtol=0)
    same_codes(
        name,
        label("descript-audio-codec"),
        pairs,
        tolerance=0.001,
        note="up to 0.1 % may differ: distances are summed in another order, which decides near-ties",
    )
